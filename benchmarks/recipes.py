"""Every recipe, trained for a short run on the embedded digits through the command line: a table, worst first.

    python benchmarks/recipes.py [--epochs 10] [--only NAME ...]

Nats an example on the test split. Densities of grey values and masses of counts are on other scales than the masses of
binary images: compare rows of the same data only.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

from tfvae.app.cli import main
from tfvae.evaluation import Report
from tfvae.recipes import RECIPES

TOLD = {"conditional": " --condition y", "m2": " --labels y", "m1-m2": " --labels y"}  # what a recipe asks for


def trained(name: str, epochs: int, folder: Path) -> dict:
    """Returns what one run wrote down, the exit code and the seconds that it took."""
    words = f"train digits --recipe {name} --epochs {epochs} --eval-samples 100 --batch-size 100 --latent-dim 8"
    words += TOLD.get(name, "")
    start, said = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main([*words.split(), "--out", str(folder)])
    seconds = time.perf_counter() - start
    if code:
        return {"recipe": name, "data": said.getvalue().strip(), "log_prob": float("nan"), "seconds": seconds}
    report = Report.from_dict(json.loads((folder / "metrics.json").read_text())["test"])
    test = {name: getattr(report, name).mean for name in ("log_prob", "elbo", "distortion", "rate")}
    options = json.loads((folder / "config.json").read_text())["options"]
    data = "binary" if options["binarization"] == "dynamic" else "counts" if options["scale"] == 1 else "grey"
    return {"recipe": name, "data": data, "seconds": seconds, **test}


def table(rows: list[dict]) -> str:
    """Returns the rows as Markdown, worst log p(x) first."""
    lines = ["| recipe | data | log p(x) | ELBO | distortion | rate | seconds |", "| --- " * 7 + "|"]
    for row in sorted(rows, key=lambda row: (row["log_prob"] == row["log_prob"], row["log_prob"])):
        numbers = (f"{row.get(name, float('nan')):.2f}" for name in ("log_prob", "elbo", "distortion", "rate"))
        lines.append(f"| {row['recipe']} | {row['data']} | {' | '.join(numbers)} | {row['seconds']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=sorted(RECIPES), choices=sorted(RECIPES), metavar="NAME")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            rows.append(trained(name, arguments.epochs, Path(folder, name)))
            print(f"{len(rows)}/{len(arguments.only)} {table(rows[-1:]).splitlines()[-1]}", flush=True)
    print(table(rows))
