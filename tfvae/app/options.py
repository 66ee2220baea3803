"""The options of a training run, and the one place where their words become objects.

    PAIRS  SCHEDULES  RECIPES  PARTS           one table for each axis

PARTS are the library's likelihoods and objectives by the names of their classes: `DiscretizedLogistic` is the word
discretized-logistic. The command line and a run's `config.json` speak in words; inside the library there are objects.
"""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from tfvae import datasets, likelihoods, objectives, scales, schedules
from tfvae.app.together import check_labelled, check_minutes, check_table, check_told, typed
from tfvae.conditions import Declared
from tfvae.core import sets
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.kinds import fits
from tfvae.core.types import Config
from tfvae.datasets import sources
from tfvae.datasets.table_source import is_table, read_schema
from tfvae.networks.pairs import PAIRS
from tfvae.objectives.base import Objective
from tfvae.objectives.terms import Term
from tfvae.recipes import RECIPES, Recipe, arguments
from tfvae.vae import VAE


def _byword(module: ModuleType, base: type) -> dict[str, type]:
    """Returns the parts of a family by their words."""
    kinds = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, base)]
    words = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in kinds}
    return {word: kind for word, kind in sorted(words.items()) if not inspect.isabstract(kind)}


def _common(recipe: Recipe, kind: type) -> Config:
    """Returns the arguments of a recipe that the constructor of a part has, too, name to the recipe's default."""
    return {name: value for name, value in arguments(recipe).items() if name in inspect.signature(kind).parameters}


BINARIZATIONS = tuple(datasets.PROTOCOLS)
# The learning rate from its largest value and the number of steps of the whole run.
SCHEDULES = {"cosine": schedules.warmup_cosine, "constant": lambda rate, steps: rate}
PARTS = {"likelihood": _byword(likelihoods, likelihoods.Likelihood), "objective": _byword(objectives, Objective)}
WORDS = {"recipe": RECIPES, "network": PAIRS, "schedule": SCHEDULES, "binarization": BINARIZATIONS, **PARTS}
# The parts of a recipe that leaves them open, where none are given.
OPEN = {"likelihood": "bernoulli", "objective": "elbo"}
# Arguments that a constructor requires and no option gives; an objective that is also a recipe has the recipe's.
STATED = {"categorical": {"num_categories": 256}} | {
    word: _common(RECIPES[word], kind) for word, kind in PARTS["objective"].items() if word in RECIPES
}
NUMBERS = "1 for the ELBO, the recipe's or objective's for others"
# What a recipe is trained with, where it is not the same as for the others.
PREFERRED = {"strong": {"network": "residual", "latent_dim": 40, "batch_size": 250, "learning_rate": 4e-3}}
# What to do about a part that no option can describe.
REMEDIES = {
    "columns": "Choose --recipe tabular, which gives each column a scale of its own, or name the columns in Python.",
    "warped": "Give a table (.csv), whose numbers are warped, or compose it in Python.",
    "geco": "Choose --recipe geco, which has a target for binary data, or set one in Python.",
    "classification": "Add --labels y, whose recipe m2 has it, or compose it in Python.",
}


def _option(default: Any, text: str, shown: str | None = None, **argument: Any) -> Any:
    """Returns a field with what the command line says about it; `shown` is a default that other options decide."""
    shown = shown or (None if default is None else "no" if default is False else str(default))
    text += f" (default: {shown})" if shown else ""
    return dataclasses.field(metadata={"default": default, "help": text, "argument": argument})


def _preferred(option: str) -> str:
    """Returns what recipes prefer to an option's default, for the help text."""
    found = [f"; recipe {name} {values[option]}" for name, values in PREFERRED.items() if option in values]
    return "".join(found)


def _stated(option: str) -> str:
    """Returns the numbers that are fixed for some parts, for the help text."""
    texts = {word: [f"{name} {value}" for name, value in STATED.get(word, {}).items()] for word in PARTS[option]}
    return "; ".join(f"{word} has {', '.join(text)}" for word, text in texts.items() if text)


@dataclasses.dataclass(frozen=True)
class Options:
    """All options of a training run, each with its value; `Options.of` derives those that were not given.

    Each field is an option of `tfvae train`, help text included; `None` is what the recipe, objective or data decide.

    Example:
        >>> Options.of("digits", objective="iwae").num_samples
        50
    """

    source: str
    data_dir: str | None = _option(
        None, "folder of TensorFlow Datasets' record files, or for encoded rows of shards", type=str, metavar="DIR"
    )
    binarization: str = _option(
        None, "how grey values become 0 or 1; 'dynamic' draws them anew at each visit",
        shown="dynamic for binary likelihoods, none for others", choices=BINARIZATIONS,
    )  # fmt: skip
    scale: float | None = _option(
        None, "value that becomes 1 in the model; 1 keeps data, such as counts, as they are",
        shown="1 for likelihoods of whole numbers, the data's for others", type=float, metavar="WHITE",
    )  # fmt: skip
    condition: str | None = _option(
        None, "what the model is told of each example: 'y', the labels of SOURCE, or the name of another array of it; "
        "words and whole numbers are labels", type=str, metavar="NAME",
    )  # fmt: skip
    missing: bool = _option(False, "take NaN in SOURCE as cells that are missing, which the encoder is told of")
    schema: str | None = _option(
        None, "JSON file that says what columns of a table are, as schema.json of a run does; the others are inferred",
        type=str, metavar="FILE",
    )  # fmt: skip
    labels: str | None = _option(
        None, "'y', the labels of SOURCE: whole numbers, -1 where they are not known, which a latent class is told",
        type=str, metavar="NAME",
    )  # fmt: skip
    classes: int | None = _option(
        None, "number of classes of --labels", shown="one more than the largest label", type=int, metavar="K"
    )
    num_labels: int | None = _option(
        None, "how many labels of the training data to keep, as many of each class", shown="all", type=int, metavar="N"
    )
    recipe: str = _option(
        None, "a paper's parts, from the list of `tfvae recipes`",
        shown="vae, with --condition conditional, with --labels m2",
        type=str, metavar="NAME",
    )  # fmt: skip
    likelihood: str | None = _option(
        None, f"distribution of x given z, where the recipe leaves it open; {_stated('likelihood')}",
        shown=OPEN["likelihood"], choices=PARTS["likelihood"],
    )  # fmt: skip
    network: str = _option("mlp", f"kind of encoder and decoder{_preferred('network')}", choices=PAIRS)
    latent_dim: int = _option(16, f"number of latent dimensions{_preferred('latent_dim')}", type=int, metavar="D")
    hidden: tuple[int, ...] = _option(
        None, "units (mlp, residual) or filters (conv) of each encoder layer; the decoder's are the reverse",
        shown=", ".join(f"{' '.join(map(str, sizes))} for {word}" for word, (sizes, _) in PAIRS.items()),
        type=int, nargs="+", metavar="N",
    )  # fmt: skip
    objective: str | None = _option(
        None, f"bound on log p(x) to maximise, where the recipe leaves it open; a term is added to the ELBO; "
        f"{_stated('objective')}", shown=OPEN["objective"], choices=PARTS["objective"],
    )  # fmt: skip
    num_samples: int | None = _option(
        None, "samples of z for each example in training", shown=NUMBERS, type=int, metavar="K"
    )
    beta: float | None = _option(
        None, "weight of the rate in the ELBO, or what a recipe or objective calls so", shown=NUMBERS, type=float
    )
    epochs: int = _option(100, "passes over the training data", type=int, metavar="N")
    minutes: float | None = _option(
        None, "of training, in place of --epochs: as many passes as the measured speed of a step allows, and the "
        "schedule to go with them; measuring and the scores of the end come on top", type=float, metavar="M"
    )  # fmt: skip
    batch_size: int = _option(50, f"examples in one step{_preferred('batch_size')}", type=int, metavar="N")
    learning_rate: float = _option(
        2e-3, f"Adam's largest step size{_preferred('learning_rate')}", type=float, metavar="RATE"
    )
    schedule: str = _option(
        "cosine", "learning rate over the run; 'cosine' rises in the first tenth and ends at zero", choices=SCHEDULES
    )
    patience: int | None = _option(
        None, "stop after N epochs without a better val_elbo, and take the best weights", type=int, metavar="N"
    )
    eval_samples: int = _option(1000, "importance samples an example in the final log p(x)", type=int, metavar="N")
    seed: int = _option(0, "of initial weights, data order, noise and binarisation", type=int)
    jit: bool = _option(None, "compile the steps with XLA", shown="where that is faster, from some thousand steps on")

    @classmethod
    def of(cls, source: str, **given: Any) -> "Options":
        """Returns the options of a run: what was given, and for the rest what it implies.

        Args:
            source: "digits", a TensorFlow Datasets name, a .npz or .npy file, or a table.
            **given: any other field; `None` counts as not given.

        Raises:
            InvalidInput: if a value is not allowed for its option, or the recipe or the objective does not have that
                option. The parts check their own values when the model is built.
            TypeError: for a name that is not an option's.
        """
        given = {name: value for name, value in given.items() if value is not None}
        values = {field.name: field.metadata.get("default") for field in dataclasses.fields(cls)} | given
        values["source"] = source
        kinds = typing.get_type_hints(cls)
        for name, value in {"source": source, **given}.items():
            if not fits(value, kinds.get(name, object)):
                raise InvalidInput(f"{name} to be {kinds[name]}", f"{name}={value!r:.60}", "Give one of that kind.")
        told = values["condition"] is not None
        labelled = values["labels"] is not None
        table = is_table(source)
        values["recipe"] = values["recipe"] or (
            "mixed-table" if table else "conditional" if told else "m2" if labelled else "vae"
        )
        values["missing"] = values["missing"] or table  # whoever trains on a table asks about rows with gaps
        values |= ({} if table else PREFERRED.get(values["recipe"], {})) | given  # of a table its own choices
        for name, words in WORDS.items():
            if values[name] is not None and values[name] not in words:
                expected = f"{name} to be one of {', '.join(words)}"
                raise InvalidInput(expected, f"{name}={values[name]!r}", "Choose one of them.")
        counted = [name for name in ("patience", "num_labels", "classes") if name in given]
        for name in ("epochs", "batch_size", "eval_samples", *counted):
            positive_integer(name, values[name])
        check_minutes(values["minutes"], given)
        check_told(told, values)
        check_labelled(labelled, values)
        check_table(table, values, given)
        implied = _parts(values["recipe"], given)
        of_table = {"likelihood": None, "binarization": "none", "scale": None}
        implied |= of_table if table else _protocol(values["recipe"], implied["likelihood"])
        implied["hidden"] = PAIRS[values["network"]].sizes
        values |= {name: given.get(name, value) for name, value in implied.items()}
        return cls(**values | {"source": _absolute(source), "hidden": tuple(values["hidden"])})

    @classmethod
    def from_config(cls, config: Config) -> "Options":
        """Returns the options that a `config.json` holds.

        Raises:
            InvalidInput: if they are not options of this version.
        """
        try:
            given = dict(config)
            if given.get("recipe") is None and given.get("objective") == "iwae":
                given.pop("beta", None)  # older runs have the 1 of the ELBO there
            minutes = given.pop("minutes", None)  # epochs were derived from it
            return dataclasses.replace(cls.of(**given), minutes=minutes)
        except TypeError as error:
            raise InvalidInput("options of a tfvae run", str(error), "Was it written by another version?") from error

    def check_repeated(self, given: Config) -> None:
        """Compares options that were given again with these.

        Args:
            given: name to value of the options that the user repeated.

        Raises:
            InvalidInput: naming the first option that differs, and both values.
        """
        for name, value in given.items():
            value = tuple(value) if isinstance(value, list) else _absolute(value) if name == "source" else value
            if value != getattr(self, name):
                shown = name if name == "source" else typed(name)
                remedy = "Leave the option out to resume this run, or start another one with --out."
                raise InvalidInput(f"{shown} {getattr(self, name)}, as this run was started with", f"{value}", remedy)

    def load_data(self, schema: Config | None = None) -> datasets.Data:
        """Returns the data that the options name.

        Args:
            schema: of a table, where it is known already.

        Raises:
            InvalidInput: see `tfvae.datasets.load`.
        """
        protocol = {"binarization": self.binarization, "scale": self.scale, "seed": self.seed}
        return datasets.load(
            self.source, data_dir=self.data_dir, condition=self.condition, missing=self.missing, labels=self.labels,
            classes=self.classes, num_labels=self.num_labels,
            schema=schema if schema or not self.schema else read_schema(self.schema), **protocol
        )  # fmt: skip

    def build_for(self, data: datasets.Data, num_steps: int) -> VAE:
        """Returns the compiled model of data, see `build`."""
        columns = None
        if data.schema is not None:
            from tfvae.tables.columns import column_likelihoods  # needs pandas

            columns = column_likelihoods(data.schema.slots, data.train.x, data.train.mask)
        told = data.condition, data.classes
        return self.build(data.event_shape, data.preprocessing, num_steps, *told, columns)

    def build(
        self,
        event_shape: tuple[int, ...],
        preprocessing: list,
        num_steps: int,
        condition: Declared = None,
        classes: int | None = None,
        columns: list[likelihoods.Likelihood] | None = None,
    ) -> VAE:
        """Returns the compiled model that the options describe, with initial weights that depend on the seed alone.

        Args:
            event_shape: shape of one example.
            preprocessing: Keras layers run on raw x inside the model.
            num_steps: training steps of the whole run.
            condition: what the data are known by, `data.condition`.
            classes: number of classes of the labels, `data.classes`.
            columns: likelihoods of the columns of a table.

        Raises:
            InvalidInput: for sizes, a beta or a learning rate that no model can have.
        """
        keras.utils.set_random_seed(self.seed % 2**32)
        encoder, decoder = PAIRS[self.network].make(event_shape, self.hidden)
        numbers = {name: getattr(self, name) for name in ("beta", "num_samples") if getattr(self, name) is not None}
        given = {
            **numbers,
            "likelihood": self.likelihood and _likelihood(self.likelihood, event_shape),
            **({} if columns is None else {"columns": columns, "likelihood": _side_by_side(columns)}),
            "objective": self.objective and _objective(self.objective, numbers),
            "num_steps": num_steps,
            "latent_dim": self.latent_dim,
            "condition": condition,
            "missing": self.missing,
            **({} if classes is None else {"num_classes": classes}),
            "encoder": encoder,
            "decoder": decoder,
            "learning_rate": SCHEDULES[self.schedule](self.learning_rate, num_steps),
            "preprocessing": preprocessing,
            "seed": self.seed,
            "jit_compile": "auto" if self.jit is None else self.jit,
        }
        taken = arguments(RECIPES[self.recipe])
        return RECIPES[self.recipe](event_shape, **{name: given[name] for name in given if name in taken})


def _side_by_side(columns: list[likelihoods.Likelihood]) -> Callable[..., likelihoods.Likelihood]:
    return lambda _, **parts: likelihoods.Columns(columns, **parts)


def _parts(recipe: str, given: Config) -> Config:
    """Returns what a recipe makes of likelihood, objective, beta and num_samples; refuses what it has none of."""
    taken = arguments(RECIPES[recipe])
    _refuse_others(f"--recipe {recipe}", OPEN, taken, given)
    parts = {option: given.get(option, word) if option in taken else None for option, word in OPEN.items()}
    offered = {option: _arguments(option, word) for option, word in parts.items() if word}
    if "objective" in taken:
        owner, numbers = f"--objective {parts['objective']}", offered["objective"]
    else:
        owner, numbers = f"--recipe {recipe}", taken
    _refuse_others(owner, ("beta", "num_samples"), numbers, given)
    return {**parts, "beta": numbers.get("beta"), "num_samples": numbers.get("num_samples")}


def _refuse_others(owner: str, names: Iterable[str], taken: Config, given: Config) -> None:
    for name in names:
        if name in given and name not in taken:
            own = [typed(other) for other in (*OPEN, "beta", "num_samples") if other in taken]
            remedy = f"It takes {' and '.join(own)} only." if own else "Leave it out."
            expected = f"no {typed(name)} beside {owner}, which has none to choose"
            raise InvalidInput(expected, f"{typed(name)} {given[name]}", remedy)


def _arguments(option: str, word: str) -> Config:
    """Returns the arguments of a part, name to value where no option says another; refuses one that lacks a value."""
    kind = PARTS[option][word]
    if issubclass(kind, Term) and word not in REMEDIES:
        return _arguments(option, "elbo")
    found = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    found = {**found, "event_shape": None, "kwargs": None, **STATED.get(word, {})}
    lacking = [name for name, value in found.items() if value is inspect.Parameter.empty]
    if lacking:
        received = f"{word}, which needs {' and '.join(lacking)}"
        remedy = REMEDIES.get(word, "Compose it in Python.")
        raise InvalidInput(f"{typed(option)} that the command line can describe", received, remedy)
    return found


def _likelihood(word: str, event_shape: tuple[int, ...]) -> Callable[..., likelihoods.Likelihood]:
    """Returns what makes a likelihood; columns of real numbers have units, and so scales, of their own."""
    kind, stated = PARTS["likelihood"][word], STATED.get(word, {})
    table = len(event_shape) == 1 and kind.support == sets.REAL and "scale" in inspect.signature(kind).parameters
    return functools.partial(kind, **stated, **({"scale": scales.PerDimension()} if table else {}))


def _objective(word: str, numbers: Config) -> Objective:
    kind = PARTS["objective"][word]
    return kind(objectives.ELBO(**numbers)) if issubclass(kind, Term) else kind(**STATED.get(word, {}) | numbers)


def _protocol(recipe: str, likelihood: str | None) -> Config:
    """Returns binarisation and scale of the data that a likelihood wants: its support says so."""
    made = PARTS["likelihood"][likelihood] if likelihood else RECIPES[recipe]((2,), latent_dim=2, seed=0)
    support = made.support
    if support == sets.BINARY:
        return {"binarization": "dynamic", "scale": None}
    return {"binarization": "none", "scale": 1.0 if support.discrete else None}


def _absolute(source: str) -> str:
    if "\0" in source:
        raise InvalidInput("source to be a name or a path", repr(source), "Name the data.")
    return str(Path(source).resolve()) if sources.is_path(source) else source
