"""The picture of the README: reconstructions, samples and the ladder of bounds of a model of the embedded digits.

python -m benchmarks.picture [--epochs 100]        half a minute on two cores; writes docs/digits.png
"""

import argparse
import io
from pathlib import Path

import keras
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import tfvae

PICTURE = Path(__file__).parents[1] / "docs" / "digits.png"


def trained(epochs: int) -> tuple[tfvae.VAE, tfvae.datasets.Data]:
    """Returns the README's model with its data, after so many passes."""
    data = tfvae.datasets.load("digits", binarization="dynamic")
    vae = tfvae.VAE(
        posterior=tfvae.posteriors.DiagonalNormal(8, network=tfvae.networks.mlp([128, 128])),
        likelihood=tfvae.likelihoods.Bernoulli(data.event_shape, network=tfvae.networks.mlp([128, 128])),
        preprocessing=data.preprocessing,
        seed=0,
    )
    rate = tfvae.schedules.warmup_cosine(2e-3, epochs * -(-len(data.train.x) // 32))
    vae.compile(optimizer=keras.optimizers.Adam(rate))
    vae.fit(data.train.x, epochs=epochs, verbose=0)
    return vae, data


def panels(vae: tfvae.VAE, data: tfvae.datasets.Data) -> dict[str, Figure]:
    """Returns the three pictures by their titles, as `tfvae.plotting` draws them."""
    report = tfvae.evaluation.evaluate(vae, data.test.x, num_samples=500, seed=0)
    return {
        "reconstructions of test digits": tfvae.plotting.reconstructions(vae, data.test.x[:5]),
        "samples": tfvae.plotting.samples(vae, 25, seed=0),
        "bounds on log p(x), nats": tfvae.plotting.bound_ladder(report),
    }


def side_by_side(figures: dict[str, Figure], path: Path) -> None:
    """Writes figures as one picture."""
    whole, axes = plt.subplots(1, len(figures), figsize=(11, 3), width_ratios=[1.3, 0.8, 1.2], layout="constrained")
    for axis, (title, figure) in zip(axes, figures.items(), strict=True):
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
        axis.imshow(plt.imread(io.BytesIO(file.getvalue())))
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    whole.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    side_by_side(panels(*trained(parser.parse_args().epochs)), PICTURE)
