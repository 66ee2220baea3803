"""Files that are whole or absent, whatever moment the process is killed at, and that are read with care.

whole      written under a temporary name, synced, renamed; leftovers of killed processes; one process a folder
seal       size and SHA-256 of every file of a folder, which show later damage
reading    JSON and arrays of which nothing is believed: sizes are compared with the file before memory is taken
"""

from tfvae.files.reading import check_expansion, most_bytes, read_arrays, read_json
from tfvae.files.seal import SEAL, damaged, is_sealed, is_whole, remove_sealed, seal, sealed
from tfvae.files.whole import check_space, remove_leftovers, sole_user, whole_file, whole_folder, write_json

__all__ = [
    "SEAL",
    "check_expansion",
    "check_space",
    "damaged",
    "is_sealed",
    "is_whole",
    "most_bytes",
    "read_arrays",
    "read_json",
    "remove_leftovers",
    "remove_sealed",
    "seal",
    "sealed",
    "sole_user",
    "whole_file",
    "whole_folder",
    "write_json",
]


def __dir__() -> list[str]:
    return __all__
