"""Is tfvae what it was: the same numbers, the same programs, the same speed in two of its versions.

See the module `__main__` for the command.
"""
