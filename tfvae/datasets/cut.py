"""How data are cut into train, valid and test, and the streams of random numbers for it.

rows of train, valid, test = pieces of one permutation of `seed`; splits that the source has stay as they are
"""

import zlib

import numpy as np

from tfvae.core.errors import InvalidInput
from tfvae.datasets.sources import SPLITS, Rows, Source

# One stream of random numbers for each use.
STREAMS = {"split": 0, "train": 1, "valid": 2, "test": 3}
FEW, NOISE = 4, 5
LARGEST_HELD_OUT = 10_000
Fractions = dict[str, float | None]


def complete(
    raw: Source, fractions: Fractions, generator: np.random.Generator
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Returns the rows of train, valid and test, and in words where each comes from."""
    for name, fraction in fractions.items():
        if name in raw.splits and fraction is not None:
            received = f"{name}_fraction={fraction} for {raw.origin}, which has a {name} split of its own"
            raise InvalidInput(f"no {name}_fraction", received, "Leave it out: a split of the source's own is kept.")
    how = {name: f"the source's own split {raw.own_names.get(name, name)}" for name in raw.splits}
    train = raw.splits["train"]
    x = train["x"]
    missing = {name: fraction for name, fraction in fractions.items() if name not in raw.splits}
    splits = dict(raw.splits)
    if missing:
        rows, words = cut(len(x), missing, generator, raw.held_out, raw.own_names.get("train", "train"))
        splits |= {name: {key: array[chosen] for key, array in train.items()} for name, chosen in rows.items()}
        how |= words
    return {name: splits[name] for name in SPLITS}, {name: how[name] for name in SPLITS}


def cut(
    size: int, fractions: Fractions, generator: np.random.Generator, default: int | None = None, what: str = "rows"
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Returns the places of the examples of each split, train the last, and in words where they come from.

    Args:
        size: number of examples.
        fractions: of the splits to hold out, `None` for the default.
        generator: of the permutation.
        default: number of examples to hold out; by default a sixth, at most 10,000.
        what: the examples are called.

    Raises:
        InvalidInput: if a split would be empty.
    """
    default = min(LARGEST_HELD_OUT, size // 6) if default is None else default
    counts = [default if fraction is None else round(fraction * size) for fraction in fractions.values()]
    if min(counts) < 1 or sum(counts) >= size:
        shares = ", ".join(f"{count} for {name}" for name, count in zip(fractions, counts, strict=True))
        remedy = "Pass more data, other fractions, or a mapping with x_train, x_valid and x_test."
        raise InvalidInput("at least one example for every split", f"{size} examples, of which {shares}", remedy)
    rows = np.split(generator.permutation(size), np.cumsum(counts))
    places = dict(zip([*fractions, "train"], rows, strict=True))
    return places, {name: f"{len(own)} of {size} {what}, permuted with the seed" for name, own in places.items()}


def cut_table(rows: int, fractions: Fractions, seed: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Returns what `cut` does of a table's rows, of which a tenth is held out by default, at most 10,000."""
    held_out = max(min(LARGEST_HELD_OUT, rows // 10), min(rows // 6, 1))  # fewer than six rows are refused
    return cut(rows, fractions, generator(seed, STREAMS["split"]), held_out)


def generator(seed: int, stream: int) -> np.random.Generator:
    """Returns the random numbers of one stream."""
    return np.random.default_rng(np.random.SeedSequence(seed % 2**64, spawn_key=(stream,)))


def checksum(array: np.ndarray) -> str:
    """Returns the crc32 of an array's bytes, in hexadecimal."""
    return f"{zlib.crc32(np.ascontiguousarray(array)):08x}"
