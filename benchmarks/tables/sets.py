"""The data: eight sets with anomalies, California housing, adult; and how each is cut.

anomalies    five random splits, 60 % to train on without labels, 40 % to score
adult        60 % to train, 20 % to choose on, 20 % to test
california   the same
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"
ANOMALIES = ("lympho", "glass", "vertebral", "ionosphere", "pima", "vowels", "cardio", "letter")  # by their cells
HOUSING = ["income", "age", "rooms", "bedrooms", "population", "households", "latitude", "longitude", "value"]
TRAINED = 0.6


@dataclasses.dataclass(frozen=True)
class Anomalies:
    """A split of a set; labels are 1 for an anomaly.

    Attributes:
        train: rows without labels, `[N, D]`.
        test: rows to score, `[M, D]`.
        labels: of these, `[M]`.
    """

    train: np.ndarray
    test: np.ndarray
    labels: np.ndarray


def anomalies(folder: Path, name: str, split: int) -> Anomalies:
    """Returns a split of one of `ANOMALIES`; for `"smoke"` flowers, the first 20 of another kind being anomalies."""
    if name == "smoke":
        from sklearn.datasets import load_iris

        x, y = load_iris().data[30:], np.repeat([1, 0], [20, 100])
    else:
        with np.load(folder / "anomaly_sets.npz", allow_pickle=False) as file:
            x, y = file[f"{name}_x"], file[f"{name}_y"].astype(int)
    order = np.random.default_rng([split, len(x)]).permutation(len(x))
    train, test = np.split(order, [round(TRAINED * len(x))])
    return Anomalies(x[train], x[test], y[test])


def mixed(folder: Path, name: str, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Returns train, valid and test of adult, of california or, for any other name, of flowers."""
    if name == "adult":
        frame = pd.read_csv(folder / "tables" / "adult.csv.gz", skipinitialspace=True, na_values=["?"])
    elif name == "california":
        with np.load(folder / "uci_tabular.npz", allow_pickle=False) as file:
            columns = np.column_stack([file["california_housing_x"], file["california_housing_y"]])
        frame = pd.DataFrame(columns, columns=HOUSING)
    else:
        from sklearn.datasets import load_iris

        frame = load_iris(as_frame=True).frame.astype({"target": str})
    order = np.random.default_rng([seed, len(frame)]).permutation(len(frame))
    pieces = np.split(order, [round(share * len(frame)) for share in (0.6, 0.8)])
    names = ("train", "valid", "test")
    return {key: frame.iloc[rows].reset_index(drop=True) for key, rows in zip(names, pieces, strict=True)}
