"""Known mistakes of public VAE code, each planted in a copy: a test of ours must turn red.

A mutant is a file, a text in it and what stands in its place; beside it the tests that watch that place. They pass on
the copy as it is, and at least one fails on the mutant. Slow: each mutant is a pytest process of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Mutant(NamedTuple):
    mistake: str
    file: str
    text: str
    planted: str
    tests: str  # arguments of pytest: those that watch the place


MUTANTS = [
    Mutant(
        "KL summed over the batch",
        "vae.py",
        "kl=closed_form_kl(q, p) if per_dimension is None else tf.reduce_sum(per_dimension, axis=-1),",
        "kl=closed_form_kl(q, p) if per_dimension is None else tf.reduce_sum(per_dimension) + per_dimension[:, 0] * 0,",
        "tests/test_oracle.py -k objectives_give",
    ),
    Mutant(
        "KL counted twice",
        "objectives/bounds.py",
        "return -evidence.distortion - at(self.beta, evidence.step) * self.penalty(evidence)",
        "return -evidence.distortion - 2 * at(self.beta, evidence.step) * self.penalty(evidence)",
        "tests/test_oracle.py -k objectives_give",
    ),
    Mutant(
        "softmax over a loss in place of its negative in IWAE",
        "objectives/bounds.py",
        "return tf.reduce_logsumexp(values, axis=axis) - math.log(values.shape[axis])",
        "return -tf.reduce_logsumexp(-values, axis=axis) + math.log(values.shape[axis])",
        "tests/test_oracle.py -k objectives_give",
    ),
    Mutant(
        "the number of samples ignored in the likelihood estimate",
        "inference/importance.py",
        'return estimate(log_weight, tf.shape(known["x"])[0], num_samples, chunk, seed)',
        'return estimate(log_weight, tf.shape(known["x"])[0], chunk, chunk, seed)',
        "tests/test_oracle.py tests/test_evaluation_oracle.py tests/test_evaluation.py",
    ),
    Mutant(
        "an IWAE value that is optimistic by log k",
        "objectives/bounds.py",
        "return tf.reduce_logsumexp(values, axis=axis) - math.log(values.shape[axis])",
        "return tf.reduce_logsumexp(values, axis=axis)",
        "tests/test_oracle.py -k objectives_give",
    ),
    Mutant(
        "the surrogate is logged in place of the bound",
        "training/step.py",
        "loss = tf.reduce_sum(evidence.weight * -gain) / examples + self.beside_the_bound(terms) / replicas.count()",
        "loss = tf.reduce_sum(evidence.weight * -gain) / examples + self.beside_the_bound(terms) / replicas.count()\n"
        "        bound = gain",
        "tests/test_training.py -k estimator",
    ),
    Mutant(
        "a mean of batch means",
        "training/step.py",
        "{name: tf.reduce_sum(evidence.weight * value) for name, value in of_examples.items()}\n"
        "        weights = dict.fromkeys(of_batch, examples)"
        " | dict.fromkeys(of_examples, tf.reduce_sum(evidence.weight))",
        "{name: evidence.mean(value) for name, value in of_examples.items()}\n"
        "        weights = dict.fromkeys(of_batch, examples) | dict.fromkeys(of_examples, tf.constant(1.0))",
        "tests/test_training.py",
    ),
    Mutant(
        "division by the wrong number of samples where chunks do not divide it",
        "inference/accumulators.py",
        "used = (first + tf.range(chunk) < num_samples)[:, tf.newaxis]",
        "used = (first + tf.range(chunk) < num_samples + chunk)[:, tf.newaxis]",
        "tests/test_oracle.py tests/test_evaluation.py",
    ),
    Mutant(
        "a beta that differs from the one in the table",
        "recipes/rate.py",
        "return composed(event_shape, objective=objectives.ELBO(beta=beta), **common)\n\n\n@recipe\ndef annealed",
        "return composed(event_shape, objective=objectives.ELBO(beta=beta / 2), **common)\n\n\n@recipe\ndef annealed",
        "tests/test_recipes.py",
    ),
    Mutant(
        "training on the test set",
        "app/folder.py",
        "        data.train.x,\n        batch_size",
        "        data.test.x,\n        batch_size",
        "tests/test_cli.py",
    ),
    Mutant(
        "doubly reparameterised weights on the decoder's parameters",
        "estimators.py",
        "        evidence.gate.factor = _ratio(inference - second, c)\n"
        "        return objective.of_log_weight(objective.log_weight(evidence))",
        "        weight = objective.log_weight(evidence)\n"
        "        return tf.reduce_sum(tf.stop_gradient(inference - second) * weight, axis=0)",
        "tests/test_estimators.py",
    ),
    Mutant(
        "beta applied to the logged ELBO",
        "core/evidence.py",
        "return -self.distortion - self.rate",
        "return -self.distortion - 4 * self.rate",
        "tests/test_training.py tests/test_oracle.py",
    ),
]


def copy_of_the_project(folder: Path) -> Path:
    """Copies package and tests, and what the tests read."""
    for name in ("tfvae", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def first_failure(project: Path, tests: str) -> str | None:
    """Returns the name of the first test that fails there, or `None`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-rf", "-p", "no:cacheprovider", "-m", "not slow", *tests.split()],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE)
    assert done.returncode == 1 and failed, done.stdout[-2000:] + done.stderr[-2000:]
    return failed[1]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake.replace(" ", "-"))
def test_a_known_mistake_turns_a_test_red(mutant, tmp_path):
    project = copy_of_the_project(tmp_path)
    source = project / "tfvae" / mutant.file
    text = source.read_text()
    assert text.count(mutant.text) == 1, "the place has moved: mend the mutant"
    source.write_text(text.replace(mutant.text, mutant.planted))
    caught = first_failure(project, mutant.tests)
    print(f"| {mutant.mistake} | {caught} |")
    assert caught is not None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake.replace(" ", "-"))
def test_the_place_of_each_mistake_is_there(mutant):
    """Once, in the file that is named: else the slow test would plant nothing."""
    assert (ROOT / "tfvae" / mutant.file).read_text().count(mutant.text) == 1
