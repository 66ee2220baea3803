"""What recipes of several layers are made of: their parts, and how many dimensions each layer has.

upwards, downwards    q(z1 | x) q(z2 | z1) and N(z2; 0, I) p(z1 | z2)
Rungs                 q and p of a ladder, and the features between its layers
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from tfvae import networks, posteriors, priors
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.feature import Feature
from tfvae.core.joint import Joint

LEAST = 0.1  # scale of a prior below another layer: smaller, the layer is a wire through which z passes without a rate


def between(latent_dim: int) -> keras.Sequential:
    """Returns the network between z1 and z2 of D dimensions: two layers of 2 D."""
    return networks.mlp([2 * latent_dim, 2 * latent_dim], "tanh")


def upwards(latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
    """Returns q(z1 | x) q(z2 | z1); z2 has D dimensions, z1 has 2 D."""
    lower = posteriors.DiagonalNormal(2 * latent_dim, network, given=given)
    return Joint(z1=lower, z2=posteriors.DiagonalNormal(latent_dim, between(latent_dim), given="z1"))


def downwards(latent_dim: int) -> Joint:
    """Returns N(z2; 0, I) p(z1 | z2); z2 has D dimensions, z1 has 2 D."""
    lower = priors.DiagonalNormal(2 * latent_dim, between(latent_dim), given="z2", min_scale=LEAST)
    return Joint(z2=priors.StandardNormal(latent_dim), z1=lower)


class Rungs(NamedTuple):
    """The parts of a ladder.

    Attributes:
        sizes: dimensions of each latent, from x upwards.
        path: networks between the layers.
    """

    sizes: Sequence[int]
    path: networks.Path

    @classmethod
    def of(cls, layers: int | Sequence[int], path: networks.Path | None, latent_dim: int | None) -> "Rungs":
        """Returns the parts of so many layers, the top one of `latent_dim` dimensions and each below of twice as many.

        Args:
            layers: their number, or the dimensions of each, from x upwards.
            path: networks between the layers, `None` for dense ones of 8 units a dimension.
            latent_dim: of the top layer, `None` for 16.

        Raises:
            InvalidInput: if the path has another number of layers, or the dimensions are given twice.
        """
        if isinstance(layers, int):
            top = 16 if latent_dim is None else latent_dim
            sizes = [top * 2**above for above in reversed(range(positive_integer("layers", layers)))]
        elif latent_dim is None:
            sizes = list(layers)
        else:
            received = f"layers={layers!r} and latent_dim={latent_dim!r}"
            raise InvalidInput("the dimensions of the latents once", received, "Leave latent_dim out.")
        path = path or networks.dense_path([8 * size for size in sizes])
        if len(path.up) + 1 != len(sizes):
            remedy = f"Pass layers={len(path.up) + 1}, or a path of {len(sizes)} layers."
            raise InvalidInput(f"a path of {len(sizes)} layers", f"one of {len(path.up) + 1}", remedy)
        return cls(sizes, path)

    def state(self, layer: int) -> tuple[str, ...]:
        """Returns what stands below a layer is given: its z and, unless it is the top one, its state."""
        return (f"z{layer}", f"d{layer}") if layer < len(self.sizes) else (f"z{layer}",)

    def features(self, network: keras.layers.Layer, given: Sequence[str]) -> dict[str, Feature]:
        """Returns h_1 of x, each h of the one below, and each state d of the layer above it."""
        found = {"h1": Feature(network, given=given)}
        for layer, (up, down) in enumerate(zip(self.path.up, self.path.down, strict=True), start=1):
            found[f"h{layer + 1}"] = Feature(up, given=f"h{layer}")
            found[f"d{layer}"] = Feature(down, given=self.state(layer + 1))
        return found

    def posterior(self, latent_dim: int, network: keras.layers.Layer, given: Sequence[str] = ("x",)) -> Joint:
        """Returns q of each layer, which weighs what h says and what the prior says; at the top of h alone."""
        del latent_dim, network, given  # the features have them
        *lower, top = ((f"z{n}", f"h{n}", size) for n, size in enumerate(self.sizes, start=1))
        parts = {z: posteriors.PrecisionWeighted(size, given=(h, f"{z}_prior")) for z, h, size in lower}
        return Joint(**parts, **{top[0]: posteriors.DiagonalNormal(top[2], given=top[1])})

    def prior(self, latent_dim: int) -> Joint:
        """Returns p of each layer, linear in the state above; at the top the standard normal."""
        del latent_dim
        *lower, top = ((f"z{n}", f"d{n}", size) for n, size in enumerate(self.sizes, start=1))
        parts = {z: priors.DiagonalNormal(size, given=d, min_scale=LEAST) for z, d, size in lower}
        return Joint(**parts, **{top[0]: priors.StandardNormal(top[2])})
