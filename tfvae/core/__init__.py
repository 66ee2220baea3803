"""What everything stands on: the interface of the parts, evidence, sets of values, seeds, replicas, errors."""
