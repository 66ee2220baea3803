"""How each contender trains: a file each, run in the environment that it needs."""
