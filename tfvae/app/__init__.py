"""The command line and the run folder: the only place that knows words a person typed."""
