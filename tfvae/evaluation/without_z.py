"""Baselines: log p(x) of held-out examples under models without z, fitted to the training data.

    independent       max over constants c of sum_n log p(x_n; c)     p: the model's own kind of column, a scale each
    full covariance   log N(x; m, C + floor^2 I)                      m, C of the training data; of real x alone

Both are in the units of the model's log p(x): of preprocessed x, binarised as it is scored. The constants start where
`Likelihood.adapt` would start them, and take 300 steps of Adam in units of their own: so a likelihood of a user's own
has a baseline too.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from scipy.linalg import solve_triangular

from tfvae.checks.data import given
from tfvae.core.conditional import SCALE_FLOOR
from tfvae.core.errors import InvalidInput
from tfvae.core.graphs import compiled
from tfvae.core.observed import num_rows
from tfvae.core.reading import is_read_in_parts, read
from tfvae.core.types import Given, Tensor
from tfvae.evaluation.entries import Baseline, Estimate
from tfvae.inference.rows import Block, blocks, is_array
from tfvae.likelihoods import Likelihood
from tfvae.vae import VAE

LogProb = Callable[[Tensor], np.ndarray]
MOST_ROWS = 10_000  # of the training data, drawn at random
MOST_COLUMNS = 1000  # of a full covariance
ROWS_PER_BLOCK = 1000
STEPS, RATE = 300, 0.2
LEAST_ROWS, NUMBERS_PER_STEP = 100, 300_000  # rows of a step: so many, or more where all their raw numbers are few
JUDGED = 10  # batches by which the steps are judged, where one does not hold all rows
ROUNDING = 1e-10  # of the variance of a column: what others do not explain of it is at least that


@dataclasses.dataclass(frozen=True)
class Baselines:
    """What models without z say about held-out examples; prints as a table.

    Attributes:
        log_prob: name of the baseline to log p(x), `[N]`, nats.
    """

    log_prob: dict[str, np.ndarray]

    def beside(self, log_prob: np.ndarray) -> tuple[Baseline, ...]:
        """Returns the means beside those of a model, from its log p(x) of the same examples, `[N]`."""
        rows = self.log_prob.items()
        return tuple(Baseline(name, Estimate.of(own), Estimate.of(log_prob - own)) for name, own in rows)

    def __str__(self) -> str:
        """Returns a line for each baseline."""
        means = {name: Estimate.of(own) for name, own in self.log_prob.items()}
        return "\n".join(f"{name:20} {m.mean:12.3f} +- {m.standard_error:.3f} nats" for name, m in means.items())


def baselines(vae: VAE, train_x: Given, test_x: Given, seed: int = 0) -> Baselines:
    """Returns log p(x) of held-out examples under independent columns and, of real x, one normal of full covariance.

    Independent columns (or pixels) have the kind of distribution that the model's likelihood has, with the floor of its
    scale, but each a scale of its own, whatever the model's is. A full covariance is fitted to at most 1000 columns,
    and only to twice as many rows as columns or more.

    Args:
        vae: the model, whose preprocessing and likelihood they take; its weights do not matter.
        train_x: raw training examples, `[N, ...]`, an `Observed` of a model with a condition, which the baselines do
            not look at, or batches of either; of more than 10,000 a random choice is used.
        test_x: raw held-out examples, likewise, all of which are scored.
        seed: of that choice and of the rows in a step.

    Raises:
        InvalidInput: if one of them is empty, has a wrong shape, or values that are not finite or outside the
            likelihood's support.

    Example:
        >>> sorted(baselines(vae, x[:100], x[100:]).log_prob)[-1]
        'independent columns'
    """
    models = fitted(vae, train_x, seed)
    parts = [scored(models, block.known["x"]) for block in _blocks(vae, test_x)]
    return joined(parts)


def fitted(vae: VAE, train_x: Given, seed: int = 0) -> dict[str, LogProb]:
    """Returns what `baselines` fits: name to log p of preprocessed x, `[B, ...]` to `[B]`."""
    if vae.missingness is not None:
        received = f"{type(vae.missingness).__name__}, with which log p(x) is that of values and mask"
        raise InvalidInput("a model without missingness beside baselines", received, "Leave baselines_from out.")
    x = _chosen(vae, train_x, seed)
    kind = "columns" if len(vae.event_shape) == 1 else "pixels"
    models = {f"independent {kind}": independent(vae.likelihood, x, seed)}
    real = bool(tf.reduce_all(vae.support.contains(tf.fill([1, *vae.event_shape], -0.5))))  # no other set has those
    if real and x[0].size <= min(len(x) / 2, MOST_COLUMNS):
        models["full covariance"] = full_covariance(x)
    return models


def scored(models: dict[str, LogProb], x: Tensor) -> dict[str, np.ndarray]:
    """Returns log p of preprocessed x, `[B, ...]`, under each of `fitted`, `[B]`."""
    return {name: np.asarray(log_prob(x), np.float64) for name, log_prob in models.items()}


def joined(parts: list[dict[str, np.ndarray]]) -> Baselines:
    """Returns what `scored` said of several blocks as one."""
    return Baselines({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def independent(likelihood: Likelihood, x: np.ndarray, seed: int) -> LogProb:
    """Returns log p(x; c) with the constants c that fit preprocessed x, `[N, ...]`, best."""
    part = likelihood.independent()
    part.build_own()
    start, unit = _start(part, x)
    moved = {name: keras.Variable(np.zeros_like(value)) for name, value in start.items()}
    variables = [*moved.values(), *part.trainable_variables]
    kept = [variable.numpy() for variable in variables]
    rate = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    optimizer = keras.optimizers.Adam(rate, beta_2=0.99, epsilon=1e-4)
    optimizer.build(variables)
    number, rows = len(x), max(LEAST_ROWS, NUMBERS_PER_STEP // sum(value.size for value in start.values()))

    def log_prob(x: Tensor) -> Tensor:
        raw = {name: value + unit[name] * tf.convert_to_tensor(moved[name]) for name, value in start.items()}
        return part.distribution(**part.constrain(**raw)).log_prob(x)

    def some(x: Tensor, index: Tensor) -> Tensor:
        draw = tf.random.stateless_uniform([rows], [seed, index], 0, number, tf.int32)
        return x if number <= rows else tf.gather(x, draw)

    def mean(x: Tensor) -> Tensor:
        judged = [log_prob(some(x, index)) for index in range(-1 if number <= rows else -JUDGED, 0)]
        return tf.reduce_mean(tf.cast(judged, tf.float64))

    def step(x: Tensor, index: Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(log_prob(some(x, index)))
        gradients = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
        optimizer.apply(gradients, variables)

    def steps(x: Tensor) -> tuple[Tensor, Tensor]:
        before = mean(x)
        with tf.control_dependencies([before]):
            taken = tf.while_loop(lambda i: i < STEPS, lambda i: (step(x, i), i + 1)[1:], [0])
        with tf.control_dependencies(taken):
            return before, mean(x)

    before, after = compiled(steps, autograph=False)(x)
    if not after > before:  # the start was the optimum, or the steps led nowhere
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
    return compiled(log_prob, reduce_retracing=True, autograph=False)


def full_covariance(x: np.ndarray) -> LogProb:
    """Returns the log-density of the normal that fits x, `[N, ...]`, best, with the scales' floor on the diagonal."""
    x = x.reshape(len(x), -1).astype(np.float64)
    mean, spread = x.mean(axis=0), np.hypot(x.std(axis=0), SCALE_FLOOR)
    units = (x - mean) / spread
    correlation = units.T @ units / len(x) + np.diag((SCALE_FLOOR / spread) ** 2 + ROUNDING)
    root = np.linalg.cholesky(correlation)
    log_norm = np.sum(np.log(spread * np.diag(root))) + len(mean) / 2 * np.log(2 * np.pi)

    def log_prob(x: Tensor) -> np.ndarray:
        flat = np.reshape(x, [len(x), -1]).astype(np.float64)
        return -0.5 * np.sum(solve_triangular(root, ((flat - mean) / spread).T, lower=True) ** 2, axis=0) - log_norm

    return log_prob


def _start(part: Likelihood, x: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns where the raw numbers start, and in which unit they move; from zero where the part does not say."""
    shapes = part.head_shapes()
    try:
        biases, reach = part.starting_biases(x, (0,)), part.starting_reach(x, (0,))
    except NotImplementedError:
        biases, reach = {}, {}
    start = {name: np.broadcast_to(biases.get(name, 0.0), shape).astype(np.float32) for name, shape in shapes.items()}
    units = {name: np.asarray(reach.get(name, np.maximum(1.0, np.abs(start[name]))), np.float32) for name in shapes}
    return start, units


def _chosen(vae: VAE, x: Given, seed: int) -> np.ndarray:
    """Returns preprocessed rows, `[N, ...]`: all, or those of a random choice."""
    rng = np.random.default_rng(abs(seed))
    if any(map(is_read_in_parts, tf.nest.flatten(x))):
        rows = np.sort(rng.permutation(tf.nest.flatten(x)[0].shape[0])[:MOST_ROWS])
        x = tf.nest.map_structure(lambda part: read(part, rows), x)
    elif is_array(x):
        x = given(vae, x)
        rows = np.sort(rng.permutation(num_rows(x))[:MOST_ROWS])
        x = tf.nest.map_structure(lambda part: tf.gather(part, rows) if tf.is_tensor(part) else part[rows], x)
    kept, keys = np.zeros((0, *vae.event_shape), np.float32), np.zeros(0)
    for block in _blocks(vae, x):
        kept, keys = np.concatenate([kept, block.known["x"]]), np.append(keys, rng.random(block.rows))
        smallest = np.sort(np.argsort(keys)[:MOST_ROWS])
        kept, keys = kept[smallest], keys[smallest]
    return kept


def _blocks(vae: VAE, x: Given) -> Iterator[Block]:
    for block in blocks(vae, x, ROWS_PER_BLOCK, streams=True, refuse_empty=True):
        if "mask" in block.known:
            raise InvalidInput("complete data for models without z", "a mask", "Leave baselines_from out.")
        yield block
