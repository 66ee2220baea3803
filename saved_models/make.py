"""Makes the models of this folder: each is a run of `tfvae train`, of which the SavedModel is kept, with a card.

    python saved_models/make.py [NAME ...] [--data FOLDER] [--runs FOLDER]

    tfvae train SOURCE WORDS  ->  runs/models/NAME  ->  saved_models/NAME/{1, README.md, figures.json, seal.json}

A run that is there already is completed and not trained anew. Each SavedModel is loaded again by TensorFlow, and must
give the log p(x) of the run: of its first test examples, and of examples that it draws itself, which need no data.
"""

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfvae import files
from tfvae.app.card import card
from tfvae.app.cli import main as command_line
from tfvae.app.folder import SERVED, Run
from tfvae.app.provenance import read_config
from tfvae.callbacks import read_history
from tfvae.saved_models.shipped import CARD, FOLDER

DRAWN, ROWS = 100, 100  # examples that are drawn, and test examples that are served
FIGURES = "figures.json"
ABOUT = """# Models that are trained already

Each is a SavedModel that serves as it stands, with a card: data, protocol, figures with errors, command, licence of the
data. In Python `tfvae.saved_models.load("digits")`, without tfvae `tf.saved_model.load("saved_models/digits/1")`.
`make models` makes them anew; log p(x) is that of held-out examples, by importance samples.
"""


@dataclasses.dataclass(frozen=True)
class Made:
    """How a model is made.

    Attributes:
        words: of `tfvae train SOURCE`.
        source: returns the source, given the folders of data and of what is written for it.
        about: the data, in a sentence.
        licence: of the data.
        told: values of what the model is told, by name, each of which it draws examples of.
    """

    words: str
    source: Callable[[Path, Path], str]
    about: str
    licence: str
    told: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def file(name: str) -> Callable[[Path, Path], str]:
    """Returns what names a file of the folder of data."""
    return lambda data, written: str(data / name)


def cells(data: Path, written: Path) -> str:
    """Returns the file of counts alone: 4530 cells, 33 genes."""
    with np.load(data / "smfish_counts.npz") as found:
        np.savez(written / "smfish.npz", x=found["counts"].astype(np.uint16))
    return str(written / "smfish.npz")


def tumours(data: Path, written: Path) -> str:
    """Returns a table that scikit-learn ships: ten means of 569 tumours and a word, what they were."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True)
    words = found.frame["target"].map(dict(enumerate(found.target_names)))
    found.frame.filter(like="mean ").assign(diagnosis=words).to_csv(written / "tumours.csv", index=False)
    return str(written / "tumours.csv")


MNIST = "MNIST (LeCun, Cortes and Burges): 60,000 and 10,000 images of handwritten digits, 28x28."
BY_SA = "CC BY-SA 3.0, as MNIST is usually given; the authors state none."
MODELS = {
    "digits": Made(
        "--epochs 100", lambda data, written: "digits",
        "1797 handwritten digits, 8x8, which ship with scikit-learn (Alpaydin and Kaynak 1998).", "CC BY 4.0",
    ),
    "tumours": Made(
        "--patience 20", tumours,
        "Breast Cancer Wisconsin (Diagnostic): means and diagnosis; ships with scikit-learn (Wolberg et al. 1993).",
        "CC BY 4.0",
    ),
    "smfish": Made(
        "--recipe counts --epochs 140", cells,
        "Counts of 33 genes in 4530 cells of the mouse's somatosensory cortex (Codeluppi et al. 2018).",
        "none stated by the authors or by the file's origin, YosefLab/scVI-data.",
    ),
    "mnist-labels": Made(
        "--condition y --network residual --latent-dim 40 --batch-size 250 --learning-rate 4e-3 --minutes 10",
        file("mnist.npz"), MNIST, BY_SA, {"y": np.arange(10, dtype=np.int32)},
    ),
    "mnist": Made("--recipe strong --minutes 30", file("mnist.npz"), MNIST, BY_SA),
}  # fmt: skip


def drawn(served: Any, told: Mapping[str, Any], white: float, num_samples: int) -> np.ndarray:
    """Returns log p(x) of examples that a served model draws, from seed 0, `[DRAWN]`, nats.

    Args:
        served: what `tf.saved_model.load` returned.
        told: what it is told, name to values; of each as many are drawn.
        white: the raw value of what is 1 in the model.
        num_samples: of z for each.
    """
    kinds, numbers = max(map(len, told.values()), default=1), {"seed": tf.constant(0)}
    given = {name: tf.constant(value) for name, value in told.items()}
    x = served.signatures["sample"](**given, **numbers, num_samples=tf.constant(DRAWN // kinds))["sample"]
    x = white * tf.reshape(x, [DRAWN, *x.shape[2 if told else 1 :]])
    given = {name: tf.tile(value, [DRAWN // kinds]) for name, value in given.items()}
    return scored(served, x, given, num_samples)


def scored(served: Any, x: Any, told: Mapping[str, Any], num_samples: int) -> np.ndarray:
    """Returns log p(x) from a served model, `[N]`, nats; NaN is a cell that is missing, where it is told of those."""
    score = served.signatures["log_prob"]
    given = {"x": tf.cast(x, tf.float32), **{name: tf.constant(value) for name, value in told.items()}}
    if "mask" in score.structured_input_signature[1]:
        given["mask"] = ~tf.math.is_nan(given["x"])
    return score(**given, num_samples=tf.constant(num_samples), seed=tf.constant(0))["log_prob"].numpy()


def trained(name: str, data: Path, runs: Path) -> Run:
    """Returns the complete run of a model."""
    folder, written = runs / name, runs / "data"
    written.mkdir(parents=True, exist_ok=True)
    words = MODELS[name].words.split()
    start = ["train", MODELS[name].source(data, written), *words, "--out", str(folder)]
    if command_line(["train", "--resume", str(folder)] if (folder / "config.json").exists() else start):
        raise SystemExit(f"{name}: training failed")
    return Run(folder, read_config(str(folder))[1])


def ship(name: str, run: Run) -> None:
    """Writes what is kept of a run, after a look at whether it serves what the run says."""
    made, where = MODELS[name], FOLDER / name
    served, test = tf.saved_model.load(str(run.folder / SERVED)), run.data.test
    told = {key: test.condition[:ROWS].astype(np.int32) for key in made.told}
    num_samples = run.options.eval_samples
    apart = scored(served, test.x[:ROWS], told, num_samples) - run.report.per_example["log_prob"][:ROWS]
    white = run.config["data"].get("scale") or 1.0
    own = drawn(served, made.told, white, num_samples)
    report = dataclasses.replace(run.report, per_example=None)
    source = Path(run.options.source)
    written = {**run.config, "options": {**run.config["options"], "source": source.name, "data_dir": None}}
    written["command"] = f"tfvae train {source.name} {made.words}"
    text = card(written, report, len(read_history(run.folder / "history.csv")), run.model.count_params())
    figures = {
        "test": report.to_dict(),
        "num_samples": num_samples,
        "white": white,
        "served_apart": float(np.abs(apart).max()),
        "drawn": {"log_prob": float(own.mean()), "standard_error": float(own.std(ddof=1) / DRAWN**0.5)},
        "made": {name: written[name] for name in ("created", "command", "git_revision", "versions")},
    }
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(run.folder / Path(SERVED).parent, where)
    files.write_json(where / FIGURES, figures)
    (where / CARD).write_text(text.replace(f"{source.parent}/", "") + more(name, figures))
    files.seal(where)
    size = sum(path.stat().st_size for path in where.rglob("*") if path.is_file()) / 1e6
    print(f"{name}: served {figures['served_apart']:.1e} nats apart; drawn {figures['drawn']}; {size:.1f} MB")


def more(name: str, figures: Mapping[str, Any]) -> str:
    """Returns what a card of this folder says beyond a run's: how to load the model, its own draws, the licence."""
    log_prob, error, number = (*figures["drawn"].values(), figures["num_samples"])
    return f"""
## Load

    served = tfvae.saved_models.load("{name}")          # or tf.saved_model.load("saved_models/{name}/1"), without tfvae

Sizes and SHA-256 of the files stand in `seal.json`, which `load` compares. Of {DRAWN} examples that the model draws
itself (seed 0), log p(x) is {log_prob:.3f} +- {error:.3f} nats with {number} samples each; served and scored in Python
it is the same within {figures["served_apart"]:.0e} nats, of the first {ROWS} test examples.

## Licence of the data

{MODELS[name].about} Licence: {MODELS[name].licence}
"""


def overview() -> str:
    """Returns the page of this folder: a row for each model that is there."""
    rows = []
    for name, made in MODELS.items():
        if (FOLDER / name / FIGURES).exists():
            test = json.loads((FOLDER / name / FIGURES).read_text())["test"]
            size = sum(path.stat().st_size for path in (FOLDER / name).rglob("*") if path.is_file()) / 1e6
            figure = f"{test['log_prob']['mean']:.2f} +- {test['log_prob']['standard_error']:.2f}"
            told = ", given y" if made.told else ""
            rows.append(f"| [{name}]({name}/README.md) | {made.about} | {figure}{told} | {size:.1f} |")
    return "\n".join([ABOUT, "| model | data | log p(x), nats | MB |\n| --- | --- | --- | --- |", *rows]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Makes models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"by default all: {', '.join(MODELS)}")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of mnist.npz and smfish_counts.npz")
    parser.add_argument("--runs", type=Path, default=Path("runs/models"))
    said = parser.parse_args(arguments)
    for name in said.names or MODELS:
        ship(name, trained(name, said.data, said.runs))
        (FOLDER / CARD).write_text(overview())
    return 0


if __name__ == "__main__":
    sys.exit(main())
