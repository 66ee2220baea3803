"""The speed suite: the same network, batch, optimizer and data for tfvae and for its peers, side by side in one run.

    python -m benchmarks.speed setup        the peers' own environments, once
    python -m benchmarks.speed              all jobs; JSON and picture in benchmarks/results
    python -m benchmarks.speed --smoke      a tiny version of all that is installed

`jobs` says what is computed, `contenders` who computes it, `peers/` how each does, `worker` and `driver` how it is
timed, `report` what is made of the times.
"""
