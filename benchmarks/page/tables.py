"""The tables of results that no benchmark prints itself: each from the contents of its files to Markdown."""

from typing import Any

import numpy as np

from benchmarks.reproduce import table as reproduce
from benchmarks.speed import bfloat16, report
from benchmarks.tables.common import markdown, said

Found = dict[str, Any]
CONTENDERS = {  # of the speed suite: the names whose fastest stands in a column
    "tfvae `fit`": ("tfvae fit", "tfvae log_prob"),
    "without XLA": ("tfvae fit, graph",),
    "JAX, one program an epoch": ("JAX scan", "JAX log_prob"),
    "NumPyro": ("NumPyro SVI",),
    "PyTorch by hand": ("PyTorch compile", "PyTorch eager", "PyTorch log_prob"),
    "Pythae": ("Pythae trainer", "Pythae trainer (IWAE)", "Pythae get_nll"),
    "Keras' example": ("Keras example fit, XLA", "Keras example fit"),
    "TFP's layers": ("TFP layers fit (tf_keras)",),
}
# Models of few labels, and what is published of them: Pyro's M2, and M1+M2 of Kingma et al. 2014, in percent.
NAMES = {"m2": "M2", "m2-sampled": "M2, labels sampled", "m1m2": "M1+M2"}
PUBLISHED = {("M2", 100): 6.81, ("M2", 600): 5.63, ("M2", 1000): 5.13, ("M2", 3000): 4.18}
PUBLISHED |= {("M2, labels sampled", 100): 79.9, ("M1+M2", 100): 3.33}


def speed(found: Found) -> str:
    """Returns examples a second by job and contender; images a second of the job that scores."""
    return rates(found, CONTENDERS)


def rates(found: Found, contenders: dict[str, tuple[str, ...]]) -> str:
    """Returns examples a second by job and column, of the fastest of the contenders that a column names."""
    rows = []
    for job in found.values():
        per_second = {row["name"]: row["examples_per_s"] for row in report.summary(job)}
        cells = [max((per_second[n] for n in names if n in per_second), default=None) for names in contenders.values()]
        rows.append([job["job"]["title"], *("" if cell is None else f"{cell:,.0f}" for cell in cells)])
    return markdown(["examples a second", *contenders], rows)


def halved(found: Found) -> str:
    """Returns examples a second with products in float32 and in bfloat16, and the test NLL of each."""
    ways = {
        "tfvae, float32, XLA": ("tfvae fit, XLA",),
        "without XLA": ("tfvae fit, graph",),
        "`mixed_bfloat16`": ("tfvae fit, mixed_bfloat16",),
        "the same, XLA": ("tfvae fit, mixed_bfloat16, XLA",),
        "bfloat16 products": ("tfvae fit, bfloat16 products",),
        "and clusters": ("tfvae fit, bfloat16 products, clusters",),
        "PyTorch, float32": ("PyTorch eager", "PyTorch compile"),
        "PyTorch, autocast": ("PyTorch eager, autocast", "PyTorch compile, autocast"),
    }
    return f"{rates(found['speed'], ways)}\n\n{bfloat16.table(found['nll']['rows'])}"


def reproduced(found: Found) -> str:
    """Returns the table of the papers' numbers, at equal minutes and at equal updates."""
    return reproduce.markdown(reproduce.summary(reproduce.ordered(list(found.values()))))


def told(found: Found) -> str:
    """Returns log-densities of models that are told a label, beside those of a model that is not."""
    head = ["model, seed", "log p(x given label)", "log p(x)", "log p(label given x)", "error of Bayes' rule"]
    head += ["log p(x) beside the model without"]
    of_label, rows = {"log_label": 2, "error": 3}, []
    for result in found.values():
        for name, model in result["models"].items():
            both = [said(model[key], 2) for key in ("given", "log_prob")]
            more = [said(model[key], digits) if key in model else "" for key, digits in of_label.items()]
            beside = model.get("log_prob_beside_without")
            rows.append([f"{name}, {result['seed']}", *both, *more, said(beside, 2, "+") if beside else ""])
    return markdown(head, rows)


def quadrants(found: Found) -> str:
    """Returns log-densities of the hidden pixels given the shown quadrants, and the gain over a plain network."""
    head = ["quadrants shown", "network: log p", "conditional VAE: ELBO", "log p", "gain in ELBO", "gain in log p"]
    rows = []
    for result in found.values():
        network, model = result["models"]["network"], result["models"]["conditional"]
        log_p = {"mean": model["log_prob"]["log_prob"], "standard_error": model["log_prob"]["standard_error"]}
        scores = [network["log_prob"], model["elbo"], log_p]
        gains = [model["elbo_beside_network"], model["log_prob_beside_network"]]
        rows.append([str(result["given"]), *(said(s, 2) for s in scores), *(said(g, 2, "+") for g in gains)])
    return markdown(head, rows)


def layered(found: Found) -> str:
    """Returns bounds and log-densities of a ladder and of one latent under its networks, and what each layer says."""
    head = ["model, seed", "minutes", "updates", "-ELBO", "-log p(x)", "paired gain in log p(x)"]
    head += ["KL by layer, nats (active units of all)"]
    rows = []
    for result in found.values():
        for name, model in result["models"].items():
            minus = [said({**model[key], "mean": -model[key]["mean"]}, 2) for key in ("elbo", "log_prob")]
            beside = model.get("log_prob_beside_flat")
            layers = "; ".join(
                f"{layer} {one['kl']:.2f} ({one['active']} of {one['dimensions']})"
                for layer, one in model["layers"].items()
            )
            cells = [f"{name}, {result['seed']}", f"{model['minutes']:.1f}", f"{model['plan']['updates']:,}", *minus]
            rows.append([*cells, said(beside, 2, "+") if beside else "", layers])
    return markdown(head, rows)


def few_labels(found: Found) -> str:
    """Returns errors of models that see a few labels, over draws of these labels, beside the classifier alone."""
    groups: dict[tuple[str, int], list[Found]] = {}
    for result in (one for one in found.values() if "model" in one):
        groups.setdefault((NAMES[result["model"]], result["labels"]), []).append(result)
    rows = []
    for (name, labels), own in sorted(groups.items()):
        errors, alone = ([100 * one[key] for one in own if key in one] for key in ("error", "alone"))
        each, minutes = (
            ", ".join(f"{error:.2f}" for error in errors),
            [one["minutes"] for one in own if "minutes" in one],
        )
        ours, theirs = (shown(values) for values in (errors, alone))
        times = " to ".join(dict.fromkeys(f"{f(minutes):.0f}" for f in (min, max))) if minutes else ""
        rows.append([name, str(labels), ours, each, theirs, str(PUBLISHED.get((name, labels), "")), times])
    head = ["model", "labels", "error, %", "of each draw", "the classifier alone", "published", "minutes of a core"]
    return markdown(head, rows)


def shown(values: list[float]) -> str:
    """Returns a mean and its standard error over draws, of several."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return "" if not values else f"{np.mean(values):.2f}" + ("" if error is None else f" +- {error:.2f}")


def pixels(found: Found) -> str:
    """Returns log p of the hidden pixels given the shown ones, by how they are guessed."""
    ways = {
        "jointly": "joint",
        "imputed means, pixel by pixel": "imputation_pixelwise",
        "reconstructions": "reconstruction_pixelwise",
        "independent pixels": "independent_pixels",
    }
    rows = [
        [row["mask"], *(said(row["log_p_hidden"][way], 2) for way in ways.values())]
        for result in found.values()
        for row in result["rows"]
    ]
    return markdown(["hidden", *ways], rows)


def images(rows: list[Found]) -> str:
    """Returns how well likelihood tells one set of images from another, and where it fails."""

    def area(row: Found, score: str) -> str:
        return f"{row[f'auc_{score}']:.4f} +- {row[f'auc_{score}_standard_error']:.4f}"

    head = ["trained on", "told from", "ROC-AUC by -ELBO", "by -log p(x)", "log p(x) of these", "of the others"]
    cells = [
        [row["trained_on"], row["outliers"], area(row, "elbo"), area(row, "log_prob")]
        + [f"{row[f'log_prob_{side}']:.1f}" for side in ("inliers", "outliers")]
        for row in rows
    ]
    return markdown(head, cells)
