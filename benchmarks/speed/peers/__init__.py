"""One file for each peer; all have the interface of `benchmarks.speed.worker`."""
