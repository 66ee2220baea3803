"""Noise: which seed reaches which generator. Within one call no stream is drawn twice, and all streams have names."""

import ast
import collections
import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from house import House
from linear_gaussian import data, linear_vae, set_exact
from tensorflow.python.ops import gen_stateless_random_ops, gen_stateless_random_ops_v2
from tiny import tiny_vae

import tfvae
from tfvae import evaluation, inference, objectives
from tfvae.core import seeds
from tfvae.evaluation import latents
from tfvae.inference import annealed, annealing, importance

X = np.random.default_rng(1).integers(0, 2, [8, 5]).astype(np.float32)

# The ledger: the lowest kernels of stateless noise. Those of integers are left out: they make seeds of a seed
# (`fold_in`, `split_seed`), which is taken many times.

BY_KEY = ("stateless_random_normal_v2", "stateless_random_uniform_v2", "stateless_truncated_normal_v2")
BY_KEY += ("stateless_random_gamma_v3", "stateless_shuffle")
BY_SEED = ("stateless_random_binomial", "stateless_random_poisson", "stateless_multinomial")


@contextlib.contextmanager
def ledger():
    """Yields a list that gets the key of every draw, while everything runs eagerly so that keys are numbers."""
    drawn, patch = [], pytest.MonkeyPatch()

    def spied(kernel, name):
        def call(*args, **kwargs):
            words = kwargs["key"], kwargs["counter"]
            drawn.append(tuple(int(word) for part in words for word in np.ravel(part)))
            return kernel(*args, **kwargs)

        return call

    def spied_by_seed(kernel, name):
        def call(*args, **kwargs):
            seed = kwargs["seed"] if "seed" in kwargs else args[2 if name == "stateless_multinomial" else 1]
            drawn.append(tuple(int(word) for word in np.ravel(seed)))
            return kernel(*args, **kwargs)

        return call

    for module, names, spy in (
        (gen_stateless_random_ops_v2, BY_KEY, spied),
        (gen_stateless_random_ops, BY_SEED, spied_by_seed),
    ):
        for name in names:
            patch.setattr(module, name, spy(getattr(module, name), name))
    tf.config.run_functions_eagerly(True)
    try:
        yield drawn
    finally:
        tf.config.run_functions_eagerly(False)
        patch.undo()


def one_step():
    """Preprocessing, z, the prior's draws of MMD, the shuffled codes of the critic."""
    objective = objectives.MaximumMeanDiscrepancy(objectives.DensityRatio(objectives.ELBO(), weight=1.0), weight=1.0)
    vae = tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()], objective=objective)
    return lambda: vae.make_step(training=True).take({"x": X})


def one_fit():
    """The steps of two epochs, in which batches are drawn again."""
    vae = tiny_vae(preprocessing=[tfvae.preprocessing.StochasticBinarization()], run_eagerly=True)
    return lambda: vae.fit(X, batch_size=4, epochs=2, verbose=0)


def one_sample():
    vae = tiny_vae(likelihood=tfvae.likelihoods.Normal)
    return lambda: vae.sample(7, seed=0)


def one_estimate():
    """Log p(x) over two blocks of rows and three chunks of samples."""
    vae = tiny_vae()
    return lambda: vae.log_prob(X, 5, seed=0)


def one_annealing():
    """Pilot and run: two blocks of rows, two chunks of chains."""
    vae = set_exact(linear_vae())
    return lambda: evaluation.annealed_log_prob(vae, data(3, 0), 2, num_chains=3, num_leapfrog=1, seed=0)


def one_annealing_from_the_encoder():
    vae, words = set_exact(linear_vae()), {"num_leapfrog": 1, "from_posterior": True}
    return lambda: evaluation.annealed_log_prob(vae, data(1, 0), 2, num_chains=1, seed=0, **words)


def one_sandwich():
    """Simulated examples, chains up and down."""
    vae = set_exact(linear_vae())
    return lambda: evaluation.bidirectional(vae, 2, 2, num_chains=2, num_leapfrog=1, seed=0)


def one_information():
    """z of two blocks of rows."""
    vae = tiny_vae()
    return lambda: evaluation.mutual_information(vae, X[:3], seed=0)


CALLS = {  # with the number of draws
    one_step: 4,
    one_fit: 2 * 2 * 2 + 2,  # and the order of each epoch
    one_sample: 2,
    one_estimate: 2 * 3,
    one_annealing: 2 * (1 + 2 * 3 + 2 * (1 + 3)),
    one_annealing_from_the_encoder: 1 + 2 * 3 + 1 + 3,
    one_information: 2,
    one_sandwich: 2 + (1 + 2 * 3) + (1 + 3) + 3,
}  # of a transition three: jitter, momentum, acceptance


@pytest.fixture
def small_pieces(monkeypatch):
    """Blocks of 2 rows (of 4 for importance sampling), chunks of 2 samples or chains, a short pilot run."""
    monkeypatch.setattr(annealed, "ROWS_PER_BLOCK", 2)
    monkeypatch.setattr(latents, "ROWS_PER_BLOCK", 2)
    monkeypatch.setattr(annealing, "CHAINS_PER_CHUNK", 2)
    monkeypatch.setattr(annealing, "PILOT_TEMPERATURES", 2)
    monkeypatch.setattr(annealing, "PILOT_WARMUP", 1)
    monkeypatch.setattr(importance, "ROWS_PER_BLOCK", 4)
    monkeypatch.setattr(importance, "SAMPLES_PER_CHUNK", 2)
    monkeypatch.setattr(sys.modules["tfvae.inference.refine"], "ROWS_PER_BLOCK", 4)  # the name is a function, too


@pytest.mark.parametrize(("of", "draws"), CALLS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_no_seed_is_drawn_twice_within_a_call(of, draws, small_pieces):
    """Exact, and so is the number of draws: the spy misses none."""
    call = of()
    with ledger() as drawn:
        call()
    assert not [key for key, times in collections.Counter(drawn).items() if times > 1]
    assert len(drawn) == draws


def test_refinement_draws_twice_where_it_compares_two_posteriors(small_pieces):
    """Two blocks: 2 steps of their own noise, then choice and report, 2 chunks each, of q and the refined q alike."""
    vae = set_exact(linear_vae())
    with ledger() as drawn:
        inference.refine(vae, data(8, 0), steps=2, seed=0, evaluation_samples=4)
    times = collections.Counter(collections.Counter(drawn).values())
    assert times == {1: 2 * 2, 2: 2 * 2 * 2}


# Names.


def test_every_stream_has_a_name():
    """What is folded into a seed is a name of `core.seeds` or counts something: a number written there is neither."""
    calls = [
        (name, node)
        for name, tree in House(Path(tfvae.__file__).parent).trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("fold", "fold_in")
    ]
    assert len(calls) > 20
    written = ast.Constant | ast.BinOp | ast.UnaryOp
    assert not [f"{name}:{node.lineno}" for name, node in calls if any(isinstance(arg, written) for arg in node.args)]


def test_streams_of_one_seed_are_distinct_and_keep_their_numbers():
    """Other numbers are other noise: whoever changes them changes every result of a stated seed."""
    assert (seeds.EVALUATION, seeds.TRAINING, seeds.SHUFFLE) == (4, 5, 6)
    assert (seeds.PREPROCESSING, seeds.POSTERIOR, seeds.PRIOR, seeds.LIKELIHOOD) == (0, 1, 2, 3)
    assert (seeds.PREPROCESSING, seeds.POSTERIOR, seeds.PRIOR_DRAWS, seeds.SHUFFLED_CODES) == (0, 1, 2, 3)
    assert (seeds.PILOT, seeds.UPWARDS, seeds.DOWNWARDS, seeds.SIMULATION) == (1, 2, 3, 4)
    assert (seeds.ANNEALING_START, seeds.PROPOSAL) == (0, 1)
    assert (seeds.CLIMB, seeds.CHOICE, seeds.REPORT) == (0, 1, 2)
    assert (seeds.REFINEMENT, seeds.MARGINAL) == (0, 1)


# Seeds that people write.


@pytest.mark.parametrize(("seed", "pair"), [
    (0, [0, 0]),
    (-1, [0, -1]),
    (2**31 - 1, [0, 2**31 - 1]),
    (2**31, [0, -(2**31)]),
    (2**32 - 1, [0, -1]),
    (2**32 + 7, [2, 7]),
    (-(2**31), [0, -(2**31)]),
])  # fmt: skip
def test_the_last_32_bits_of_a_seed_are_what_a_served_model_takes(seed, pair):
    """All of int32 and no less, as a served model takes it."""
    assert seeds.as_seed(seed).numpy().tolist() == pair


def test_large_seeds_do_not_fall_together():
    """Beyond 32 bits, where a plain wrap makes 2^40, 2^70 and 0 one seed; smaller ones are what they were."""
    large = [0, 1, 2**32, 2**40, 2**70, -(2**40), 2**32 + 1]
    pairs = [tuple(seeds.as_seed(seed).numpy()) for seed in large]
    assert len(set(pairs)) == len(large)
    for seed, expected in ((5, (0, 5)), (-1, (0, -1)), (2**32 - 1, (0, -1)), (2**31, (0, -(2**31)))):
        assert tuple(seeds.as_seed(seed).numpy()) == expected
