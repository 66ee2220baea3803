"""What the tests of the command line share: a short run, and what lies in its folder."""

import csv
from pathlib import Path

SMALL = "--epochs 2 --hidden 16 --latent-dim 3 --eval-samples 20 --batch-size 200".split()
PICTURES = {"learning_curves.png", "reconstructions.png", "samples.png", "latent_plane.png"}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def read_history(folder):
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))
