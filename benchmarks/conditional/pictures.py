"""What a trained model draws: a row of samples for each label, completions of a part, codes side by side."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from tfvae import plotting
from tfvae.datasets import Split
from tfvae.vae import VAE

EXAMPLES, COMPLETIONS = 10, 3


def save(figure, path: Path, dpi: int = 90) -> None:
    """Writes a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)


def samples(vae: VAE, labels: Sequence[int], path: Path) -> None:
    """Draws ten decoded means under each label, a row a label: those of `vae.sample(10, 0, condition=labels)`."""
    names = [str(label) for label in labels]
    save(plotting.samples(vae, num_samples=10, condition=np.array(labels, np.int32), names=names), path)


def completions(vae: VAE, network: keras.Model, test: Split, shown: np.ndarray, path: Path) -> None:
    """Draws, an example a row: shown pixels, three decoded means under z ~ p(z | shown), the network's, the truth."""
    x, told = test.x[:EXAMPLES], test.condition[:EXAMPLES]
    z = vae.prior_of(told).sample(COMPLETIONS, seed=[0, 1])
    means = vae.decode(z, condition=told).mean().numpy()
    predicted = 1 / (1 + np.exp(-network.predict(told, verbose=0)))
    pictures = [whole(np.full_like(x, 0.25, float), told, shown)]
    pictures += [whole(hidden, told, shown) for hidden in (*means, predicted, x)]
    titles = ["shown", *["drawn"] * COMPLETIONS, "network", "truth"]
    figure = Figure(figsize=(len(titles), len(x) + 0.3), layout="constrained")
    for axes, title in zip(figure.subplots(len(x), len(titles))[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    for index, axes in enumerate(figure.axes):
        row, column = divmod(index, len(titles))
        axes.imshow(pictures[column][row], cmap="gray_r", vmin=0, vmax=1)
        axes.axis("off")
    save(figure, path)


def whole(hidden: np.ndarray, told: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Returns pictures, `[N, side, side]`, of hidden and shown pixels."""
    found = np.empty((len(told), shown.size))
    found[:, ~shown.ravel()], found[:, shown.ravel()] = hidden, told
    return found.reshape(-1, *shown.shape)


def embeddings(codes: dict[str, np.ndarray], labels: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draws codes, title to `[N, D]`, side by side in their first two principal directions, coloured by label."""
    figure = Figure(figsize=(4.5 * len(codes), 4.2), layout="constrained")
    for axes, (title, z) in zip(figure.subplots(1, len(codes)), codes.items(), strict=True):
        centred = z - z.mean(axis=0)
        _, deviations, directions = np.linalg.svd(centred, full_matrices=False)
        plane, shares = centred @ directions[:2].T, deviations**2 / np.sum(deviations**2)
        for label, name in enumerate(names):
            axes.scatter(*plane[labels == label].T, s=4, alpha=0.7, color=f"C{label}", label=name)
        axes.set(title=title, xlabel=f"{shares[0]:.0%} of the variance", ylabel=f"{shares[1]:.0%}")
        axes.set_aspect("equal", "datalim")
    figure.axes[0].legend(fontsize=7, markerscale=2)
    save(figure, path)
