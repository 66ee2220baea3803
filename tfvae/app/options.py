"""The options of a training run, and the one place where their words become objects.

    NETWORKS  LIKELIHOODS  OBJECTIVES  SCHEDULES  RECIPES        one table for each axis

The command line and a run's `config.json` speak in words; inside the library there are objects only.
"""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tfvae import datasets, likelihoods, networks, objectives, posteriors, schedules
from tfvae.core import sets as supports
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.recipes import RECIPES
from tfvae.vae import VAE

BINARIZATIONS = ("none", "threshold", "static", "dynamic")
# Encoder and decoder for an event shape and the hidden sizes, which the decoder has in reverse.
NETWORKS = {
    "mlp": lambda shape, hidden: (networks.mlp(hidden), networks.mlp(hidden[::-1])),
    "conv": lambda shape, hidden: (networks.conv(hidden), networks.conv_transpose(shape, hidden[::-1])),
}
LIKELIHOODS = {"bernoulli": likelihoods.Bernoulli, "normal": likelihoods.Normal}
OBJECTIVES = {
    "elbo": lambda options: objectives.ELBO(beta=options.beta, num_samples=options.num_samples),
    "iwae": lambda options: objectives.IWAE(num_samples=options.num_samples),
}
# The learning rate from its initial value and the number of steps of the whole run.
SCHEDULES = {"cosine": schedules.warmup_cosine, "constant": lambda rate, steps: rate}
# What an option is where it was not given, by the word that another option has; the parts of a recipe are its own.
DEPENDENT = {
    "likelihood": ("recipe", {None: "bernoulli"}),
    "objective": ("recipe", {None: "elbo"}),
    "beta": ("recipe", {None: 1.0}),
    "binarization": ("likelihood", {"bernoulli": "dynamic", "normal": "none"}),
    "hidden": ("network", {"mlp": (200, 200), "conv": (32, 64)}),
    "num_samples": ("objective", {"elbo": 1, "iwae": 50}),
}
# What a recipe may have as parameters of its own.
OF_RECIPES = ("likelihood", "objective", "beta", "num_samples")
# Binarisation and scale of the data that a recipe's likelihood wants, by its support; for others grey values in [0, 1].
DATA = {supports.BINARY: ("dynamic", None), supports.COUNTS: ("none", 1.0)}


def _option(default: Any, text: str, **argument: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": text, "argument": argument})


@dataclasses.dataclass(frozen=True)
class Options:
    """What a training run is asked for; each field is an option of `tfvae train`, help text included.

    Raises:
        InvalidInput: if an option has a value that it cannot have. The parts refuse theirs when the model is built.

    Example:
        >>> Options("digits", objective="iwae").num_samples
        50
    """

    source: str
    data_dir: str | None = _option(None, "folder of TensorFlow Datasets' record files", type=str, metavar="DIR")
    binarization: str | None = _option(
        None, "how grey values become 0 or 1; 'dynamic' draws them anew at each visit", choices=BINARIZATIONS
    )
    scale: float | None = _option(
        None,
        "value that becomes 1 in the model; 1 keeps data, such as counts, as they are",
        type=float,
        metavar="WHITE",
    )
    recipe: str | None = _option(None, "a paper's parts, from the list of `tfvae recipes`", type=str, metavar="NAME")
    likelihood: str | None = _option(None, "distribution of x given z", choices=LIKELIHOODS)
    network: str = _option("mlp", "kind of encoder and decoder", choices=NETWORKS)
    latent_dim: int = _option(16, "number of latent dimensions", type=int, metavar="D")
    hidden: tuple[int, ...] | None = _option(
        None,
        "units (mlp) or filters (conv) of each encoder layer; the decoder's are the reverse",
        type=int,
        nargs="+",
        metavar="N",
    )
    objective: str | None = _option(None, "bound on log p(x) to maximise", choices=OBJECTIVES)
    num_samples: int | None = _option(None, "samples of z for each example in training", type=int, metavar="K")
    beta: float | None = _option(None, "weight of the rate in the ELBO", type=float)
    epochs: int = _option(100, "passes over the training data", type=int, metavar="N")
    batch_size: int = _option(50, "examples in one step", type=int, metavar="N")
    learning_rate: float = _option(2e-3, "Adam's largest step size", type=float, metavar="RATE")
    schedule: str = _option(
        "cosine", "learning rate over the run; 'cosine' rises in the first tenth and ends at zero", choices=SCHEDULES
    )
    patience: int | None = _option(
        None, "stop after N epochs without a better val_elbo, and take the best weights", type=int, metavar="N"
    )
    eval_samples: int = _option(1000, "importance samples an example in the final log p(x)", type=int, metavar="N")
    seed: int = _option(0, "of initial weights, data order, noise and binarisation", type=int)
    jit: bool = _option(False, "compile the steps with XLA")

    def __post_init__(self) -> None:
        """Fills in what depends on other options, and checks."""
        if self.recipe is not None:
            self._check_recipe()
            self._fill(dict(zip(("binarization", "scale"), _data_of(self.recipe), strict=True)))
        for name, (other, defaults) in DEPENDENT.items():
            self._fill({name: defaults.get(getattr(self, other))})
        if self.recipe is None:
            self._check_word("likelihood", LIKELIHOODS)
            self._check_word("objective", OBJECTIVES)
        self._check_word("network", NETWORKS)
        self._check_word("schedule", SCHEDULES)
        self._check_word("binarization", BINARIZATIONS)
        for name in ("epochs", "batch_size", "eval_samples", *(("patience",) if self.patience is not None else ())):
            positive_integer(name, getattr(self, name))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        object.__setattr__(self, "source", _absolute(self.source))
        if self.objective == "iwae" and self.beta != 1:
            raise InvalidInput("beta=1 with the objective iwae", f"beta={self.beta}", "Only the ELBO has a beta.")

    def _fill(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def _check_recipe(self) -> None:
        """Refuses options that are the recipe's to choose."""
        self._check_word("recipe", RECIPES)
        parameters = inspect.signature(RECIPES[self.recipe]).parameters
        for name in OF_RECIPES:
            if getattr(self, name) is not None and name not in parameters:
                word = _word(name)
                own = [_word(name) for name in OF_RECIPES if name in parameters]
                remedy = f"It takes {' and '.join(own)} only." if own else "Leave it out: the recipe says what it is."
                raise InvalidInput(
                    f"no {word} beside --recipe {self.recipe}, which has none to choose",
                    f"{word} {getattr(self, name)}",
                    remedy,
                )

    def _check_word(self, name: str, words: Mapping[str, Any] | tuple[str, ...]) -> None:
        if getattr(self, name) not in words:
            received = f"{name}={getattr(self, name)!r}"
            raise InvalidInput(f"{name} to be one of {', '.join(words)}", received, "Choose one of them.")

    @classmethod
    def from_config(cls, config: Any) -> "Options":
        """Returns the options that a `config.json` holds.

        Raises:
            InvalidInput: if they are not options of this version.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise InvalidInput("options of a tfvae run", str(error), "Was it written by another version?") from error

    def check_repeated(self, given: Mapping[str, Any]) -> None:
        """Compares options that were given again with these.

        Args:
            given: name to value of the options that the user repeated.

        Raises:
            InvalidInput: naming the first option that differs, and both values.
        """
        for name, value in given.items():
            value = tuple(value) if isinstance(value, list) else _absolute(value) if name == "source" else value
            if value != getattr(self, name):
                word = name if name == "source" else _word(name)
                remedy = "Leave the option out to resume this run, or start another one with --out."
                raise InvalidInput(f"{word} {getattr(self, name)}, as this run was started with", f"{value}", remedy)

    def build(self, event_shape: tuple[int, ...], preprocessing: list, num_steps: int) -> VAE:
        """Returns the compiled model that the options describe, with initial weights that depend on the seed alone.

        Args:
            event_shape: shape of one example.
            preprocessing: Keras layers run on raw x inside the model.
            num_steps: training steps of the whole run.

        Raises:
            InvalidInput: for sizes, a beta or a learning rate that no model can have.
        """
        keras.utils.set_random_seed(self.seed % 2**32)
        encoder, decoder = NETWORKS[self.network](event_shape, self.hidden)
        learning_rate = SCHEDULES[self.schedule](self.learning_rate, num_steps)
        if self.recipe is not None:
            taken = inspect.signature(RECIPES[self.recipe]).parameters
            own = {"num_steps": num_steps, **{name: getattr(self, name) for name in OF_RECIPES}}
            return RECIPES[self.recipe](
                event_shape,
                **{name: value for name, value in own.items() if name in taken and value is not None},
                latent_dim=self.latent_dim,
                encoder=encoder,
                decoder=decoder,
                learning_rate=learning_rate,
                preprocessing=preprocessing,
                seed=self.seed,
                jit_compile=self.jit,
            )
        vae = VAE(
            posterior=posteriors.DiagonalNormal(self.latent_dim, network=encoder),
            likelihood=LIKELIHOODS[self.likelihood](event_shape, network=decoder),
            preprocessing=preprocessing,
            seed=self.seed,
        )
        optimizer = keras.optimizers.Adam(learning_rate)
        vae.compile(optimizer=optimizer, objective=OBJECTIVES[self.objective](self), jit_compile=self.jit)
        return vae

    def load_data(self) -> datasets.Data:
        """Returns the data that the options name.

        Raises:
            InvalidInput: see `tfvae.datasets.load`.
        """
        names = ("binarization", "seed", "data_dir", "scale")
        return datasets.load(self.source, **{name: getattr(self, name) for name in names})


@functools.cache
def _data_of(recipe: str) -> tuple[str, float | None]:
    """Returns binarisation and scale for a recipe, which says what data it wants by its likelihood's support."""
    return DATA.get(RECIPES[recipe]((2,), latent_dim=2, seed=0).support, ("none", None))


def _word(name: str) -> str:
    return "--" + name.replace("_", "-")


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if source.endswith((".npz", ".npy")) else source
