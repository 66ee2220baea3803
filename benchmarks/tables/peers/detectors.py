"""PyOD's detectors on one split: IsolationForest, MCD and VAE, with their defaults; standardised rows for MCD and VAE.

python -m benchmarks.tables.peers.detectors SPLIT.npz SCORES.npz SEED
"""

import sys
import time
import warnings

import numpy as np
from pyod.models.iforest import IForest
from pyod.models.mcd import MCD
from pyod.models.vae import VAE
from sklearn.preprocessing import StandardScaler


def main(split: str, scores: str, seed: str) -> None:
    """Trains each detector on the rows of `train`, writes its scores of those of `test` and its processor seconds."""
    with np.load(split) as file:
        train, test = file["train"], file["test"]
    scaler = StandardScaler().fit(train)
    scaled = scaler.transform(train), scaler.transform(test)
    ways = {
        "iforest": (IForest(random_state=int(seed)), (train, test)),
        "mcd": (MCD(random_state=int(seed)), scaled),
        "vae": (VAE(random_state=int(seed), verbose=0), scaled),
    }
    found = {}
    for name, (detector, (fitted, scored)) in ways.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MCD on columns that determine each other
            found[name] = detector.fit(fitted).decision_function(scored)
        found[f"{name}_seconds"] = time.process_time() - start
    np.savez(scores, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
