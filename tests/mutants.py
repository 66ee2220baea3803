"""Mistakes that tests of ours must catch, and the command that plants them: `python tests/mutants.py [--only WORD]`.

A mutant is a row of `MUTANTS`: the mistake, a file, the arguments of pytest that select the tests which
watch the place, a text that stands once in the file, and what is planted there. It is caught if one of these tests
turns red on a copy with the mistake and is green on a copy without it. The working tree is not touched.

One process imports TensorFlow and pytest, but nothing of tfvae; each run of pytest is a fork of it, which finds the
copy of the package first. No operation may have run before the fork: TensorFlow's threads do not survive it. A fork
that takes longer than `LIMIT` is killed, and pytest started as a process of its own.
"""

import argparse
import functools
import json
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 600.0  # seconds
OTHERS = ("saved_models", "benchmarks", "notebooks")  # folders beside the package in which a mistake may stand
QUIET = ["-x", "-q", "-rfE", "-p", "no:cacheprovider", "-m", "not slow"]


class Mutant(NamedTuple):
    mistake: str
    file: str  # in the package; of another folder from the root: "saved_models/make.py"
    tests: str  # arguments of pytest: those that watch the place
    text: str
    planted: str

    @property
    def name(self) -> str:
        return self.mistake.replace(" ", "-")

    @property
    def path(self) -> str:
        """The file from the root of the project."""
        return self.file if self.file.split("/")[0] in OTHERS else f"tfvae/{self.file}"


# fmt: off
MUTANTS = [Mutant(*row) for row in (
    ("KL summed over the batch", "distributions/kl.py", "tests/test_oracle.py -k objectives_give",
     "tf.reduce_sum(each, axis=-1)", "tf.reduce_sum(each) + each[..., 0] * 0"),
    ("KL counted twice", "objectives/bounds.py", "tests/test_oracle.py -k objectives_give",
     "return -evidence.distortion - at(self.beta", "return -evidence.distortion - 2 * at(self.beta"),
    ("the slope of a warp left out of the density", "distributions/warped.py", "tests/test_warps.py -k log_normal",
     "return self.warp.log_slope(x)", "return 0 * self.warp.log_slope(x)"),
    ("an atom of a number told as a gap", "app/choices.py", "tests/test_table_choices.py",
     "missing[schema.places(name)].min()", "missing[schema.places(name)].max()"),
    ("the patience of the epochs before the minutes set them", "app/cli.py", "tests/test_table_choices.py -k patience",
     'given["epochs"] = options.epochs', "pass"),
    ("densities in two units compared", "app/compare.py", "tests/test_compare.py -k unit_of",
     '{"scale": data.get("scale")}', "{}"),
    ("a refusal of XLA ends a training by minutes", "app/budget.py", "tests/test_budget.py -k refuses",
     "if options.jit or not compiled:", "if True:"),
    ("a card that shows where the data lay", "app/card.py", "tests/test_conditional_runs.py -k title",
     "{Path(options['source']).name}", "{options['source']}"),
    ("every epoch of windows in one order", "training/windows.py", "tests/test_windows.py -k batches_of_the_stream",
     "ordered(self._epochs * ", "ordered(0 * "),
    ("a last window of its own shape", "training/windows.py", "tests/test_windows.py -k batches_of_the_stream",
     "min(index // self.size * self.size, self.full - self.size)", "index // self.size * self.size"),
    ("held-out rows of shards with noise", "datasets/shard_source.py", "tests/test_shards.py -k is_the_file",
     'noise if split == "train" else None', "noise"),
    ("shards that changed", "datasets/shard_source.py", "tests/test_shards.py -k used_again",
     "state, schema.to_dict()", "schema.to_dict()"),
    ("a word that the sample of shards lacks", "datasets/shard_source.py", "tests/test_shards.py -k each_word",
     "key[_with_new_words(piece, known)] = -1.0", "_with_new_words(piece, known)"),
    ("a second copy of the data", "training/epochs.py", "tests/test_one_copy.py -k holds_one",
     "return copied(part, ", "return tf.convert_to_tensor(part) if kept else copied(part, "),
    ("values of the other byte order taken as they lie", "training/epochs.py", "tests/test_one_copy.py -k values_are",
     "np.copyto(copy, array, ", "np.copyto(copy, array.view(array.dtype.newbyteorder(\"=\")), "),
    ("a whole array seen through memory that is changed later", "training/epochs.py",
     "tests/test_one_copy.py -k written_into",
     "np.copyto(copy, array, casting=\"unsafe\")", "copy = array"),
    ("epochs left in place of epochs planned", "training/device.py", "tests/test_one_copy.py -k the_plan",
     "mode_of(model, call.epochs * ", "mode_of(model, (call.epochs - call.initial_epoch) * "),
    ("XLA asked again after it refused once more", "training/program.py", "tests/test_one_copy.py -k without_the_tools",
     " or self._compiled_for:", ":"),
    ("samples left out of the products of a fit", "training/device.py", "tests/test_resident_programs.py -k heavy",
     "batch_size * model.objective.num_samples * weights", "batch_size * weights"),
    ("a strong model that one example undoes", "recipes/little_compute.py", "tests/test_budget.py -k far_off",
     '"clip_norm": CLIP_NORM', '"clip_norm": None'),
    ("no sum where the width stays", "networks/dense.py", "tests/test_networks.py -k residual_layer",
     "return h + change if h.shape[-1] == self.units else change", "return change"),
    ("variance over the batch in place of the units", "networks/dense.py", "tests/test_networks.py -k residual_layer",
     "LayerNormalization(epsilon=1e-5,", "LayerNormalization(axis=0, epsilon=1e-5,"),
    ("validation left out of the time of an epoch", "app/budget.py", "tests/test_budget.py -k passes_fill",
     "* found.step + found.checking", "* found.step"),
    ("compiling however short the training", "app/budget.py", "tests/test_budget.py -k tenth",
     "refused = options.jit is None and", "refused = False and"),
    ("every column warped as the first one", "warps.py", "tests/test_warps.py -k formula",
     "+ pieces * tf.range(columns)", "+ 0 * tf.range(columns)"),
    ("softmax over a loss in place of its negative in IWAE", "core/evidence.py",
     "tests/test_oracle.py -k objectives_give",
     "return tf.reduce_logsumexp(values, axis=axis) - math.log(values.shape[axis])",
     "return -tf.reduce_logsumexp(-values, axis=axis) + math.log(values.shape[axis])"),
    ("the number of samples ignored in the likelihood estimate", "inference/importance.py",
     "tests/test_oracle.py tests/test_evaluation_oracle.py tests/test_evaluation.py",
     "draw(size, stream).log_weight, rows, num_samples, chunk, seed)",
     "draw(size, stream).log_weight, rows, chunk, chunk, seed)"),
    ("importance weights not used in impute", "inference/imputation.py", "tests/test_impute.py -k means",
     "weight, context = tf.exp(log_weight), vae",
     "weight, context = tf.exp(0 * log_weight) / tf.cast(num_samples, tf.float32), vae"),
    ("observed and missing swapped in impute", "inference/imputation.py", "tests/test_impute.py -k means",
     'mean=tf.where(observed, known["target"], mean)', 'mean=tf.where(observed, mean, known["target"])'),
    ("the mask left out where cells are missing for their values", "composed.py",
     "tests/test_missingness.py -k values_and_mask", "return log_prob + self.missingness.log_prob(",
     "return log_prob + 0 * self.missingness.log_prob("),
    ("observed and missing swapped in the mechanism", "missingness.py", "tests/test_missingness.py -k values_and_mask",
     "tf.where(mask, observed, self.points(element, scaling, seed).log_prob)",
     "tf.where(mask, self.points(element, scaling, seed).log_prob, observed)"),
    ("cells imputed as if they were missing at random", "composed.py", "tests/test_missingness.py -k imputed",
     "return self.missingness.hidden(self.likelihood.element(**parameters), self.scaling, seed)",
     "return self.likelihood.distribution(**parameters)"),
    ("an IWAE value that is optimistic by log k", "core/evidence.py", "tests/test_oracle.py -k objectives_give",
     "return tf.reduce_logsumexp(values, axis=axis) - math.log(values.shape[axis])",
     "return tf.reduce_logsumexp(values, axis=axis)"),
    ("the surrogate is logged in place of the bound", "training/step.py", "tests/test_training.py -k estimator",
     "self.beside_the_bound(terms) / replicas.count()",
     "self.beside_the_bound(terms) / replicas.count()\n        bound = gain"),
    ("a mean of batch means", "training/step.py", "tests/test_training.py",
     "{name: tf.reduce_sum(evidence.weight * value) for name, value in of_examples.items()}\n"
     "        weights = dict.fromkeys(of_batch, examples)"
     " | dict.fromkeys(of_examples, tf.reduce_sum(evidence.weight))",
     "{name: evidence.mean(value) for name, value in of_examples.items()}\n"
     "        weights = dict.fromkeys(of_batch, examples) | dict.fromkeys(of_examples, tf.constant(1.0))"),
    ("division by the wrong number of samples where chunks do not divide it", "inference/accumulators.py",
     "tests/test_oracle.py tests/test_evaluation.py",
     "used = (first + tf.range(chunk) < num_samples)", "used = (first + tf.range(chunk) < num_samples + chunk)"),
    ("a beta that differs from the one in the table", "recipes/rate.py", "tests/test_recipes.py -k paper_is",
     "objectives.ELBO(beta=beta), **common)\n\n\n@recipe\ndef annealed",
     "objectives.ELBO(beta=beta / 2), **common)\n\n\n@recipe\ndef annealed"),
    ("training on the test set", "app/folder.py", "tests/test_cli.py -k own_split",
     "    vae.fit(\n        data.train.observed", "    vae.fit(\n        data.test.observed"),
    ("doubly reparameterised weights on the decoder's parameters", "estimators.py", "tests/test_estimators.py",
     "        evidence.gate.factor = _ratio(inference - second, c)\n"
     "        return objective.of_log_weight(objective.log_weight(evidence), *evidence.masses)",
     "        weight = objective.log_weight(evidence)\n"
     "        return tf.reduce_sum(tf.stop_gradient(inference - second) * weight, axis=0)"),
    ("values of a latent taken for independent samples", "core/evidence.py", "tests/test_enumerated.py -k by_hand",
     "return () if self.log_mass is None else (self.log_mass,)", "return ()"),
    ("a label that leaks where it is not known", "core/chain.py", "tests/test_enumerated.py -k leak",
     "tf.where(label.known, label.at(z), log_q))", "label.at(z))"),
    ("beta applied to the logged ELBO", "core/evidence.py", "tests/test_training.py tests/test_oracle.py",
     "return -self.distortion - self.rate", "return -self.distortion - 4 * self.rate"),
    ("a graph of other settings is called again", "core/graphs.py", "tests/test_evaluation.py -k one_example_and",
     "model.graphs.get((function, ranks, *settings.items()), held, make)",
     "model.graphs.get((function, ranks, *settings), held, make)"),
    ("infinity is a whole number", "core/sets.py", "tests/test_likelihoods.py -k infinity",
     "return tf.math.is_finite(x) & tf.equal(x, tf.math.floor(x))", "return tf.equal(x, tf.math.floor(x))"),
    ("a negative seed loses its sign", "core/seeds.py", "tests/test_seeds.py -k last_32_bits",
     "return above, (seed + 2**31) % 2**32 - 2**31", "return above, seed % 2**31"),
    ("the cooldown of ReduceLROnPlateau is not in a checkpoint", "core/keras_private.py",
     "tests/test_resume.py -k cooldown",
     '("wait", "best", "cooldown_counter")', '("wait", "best")'),
    ("the parts of a table are drawn with one seed", "distributions/concatenated.py",
     "tests/test_likelihood_models.py -k drawn_independently",
     "part.sample(n, seed=stream)", "part.sample(n, seed=seed)"),
    ("both noises of a low rank normal are drawn with one seed", "distributions/normal.py",
     "tests/test_latents_one_by_one.py -k both_noises",
     "eps = seeds.normal(tf.shape(moved), second)", "eps = seeds.normal(tf.shape(moved), first)"),
    ("the centre of relaxed vectors is sharpened by the temperature", "posteriors/categorical.py",
     "tests/test_temperature.py -k softmax",
     'return tf.nn.softmax(parameters["logits"])',
     'return tf.nn.softmax(parameters["logits"] / parameters["temperature"])'),
    ("a mixture prior starts near the origin", "priors/normal.py", "tests/test_latents_one_by_one.py -k mixture_starts",
     "keras.initializers.RandomNormal(stddev=1.0)", "keras.initializers.RandomNormal()"),
    ("the bound of an affine element at another slope", "flows/elements.py", "tests/test_flows.py -k affine_is",
     "self.bound * tf.tanh(raw / self.bound)", "self.bound * tf.tanh(raw)"),
    ("no hidden unit of the largest degree", "flows/conditioner.py", "tests/test_flows.py -k triangular",
     "hidden = [np.arange(width) % size for width in units]",
     "hidden = [np.arange(width) % max(size - 1, 1) for width in units]"),
    ("the critic's second decay is Keras' default", "objectives/adaptive.py", "tests/test_objectives.py -k optimizer",
     "keras.optimizers.Adam(learning_rate, beta_1=0.5, beta_2=0.9)",
     "keras.optimizers.Adam(learning_rate, beta_1=0.5)"),
    ("sticking the landing takes what is nearly linear", "estimators.py", "tests/test_estimators.py -k refused",
     "return bool(tf.reduce_all(tf.abs(doubled) < 1e-5))", "return bool(tf.reduce_all(tf.abs(doubled) < 1e-1))"),
    ("a refused target in the wrong row", "checks/values.py", "tests/test_bad_input.py -k row_of_a_target",
     '"y", first_row, support, mask)', '"y", 0, support, mask)'),
    ("validation split rounds", "checks/streams.py", "tests/test_keras_integration.py -k holds_out",
     "rows = int(total * (1.0 - share))", "rows = round(total * (1.0 - share))"),
    ("a callback of the beginning of test batches does not watch", "training/call.py",
     "tests/test_resident.py -k each_hook",
     '"test": ("on_test_batch_begin", "on_test_batch_end"),', '"test": ("on_test_batch_end",),'),
    ("a resumed alarm tells again what it told", "callbacks/collapse.py",
     "tests/test_collapse_alarm.py -k resumed -m slow", '("alarms", "_current", "_rates"', '("alarms", "_rates"'),
    ("the variance of log p(x) over k in place of k minus one", "inference/accumulators.py",
     "tests/test_inference.py -k delta",
     "- 1.0, 0.0) / (k - 1.0)", "- 1.0, 0.0) / k"),
    ("the bounds are reported from the noise of the choice", "inference/refine.py",
     "tests/test_seeds.py -k refinement",
     "seeds.fold(seed, seeds.REPORT)", "seeds.fold(seed, seeds.CHOICE)"),
    ("the way down takes the step sizes of the way up", "inference/annealing.py",
     "tests/test_annealed.py -k each_temperature",
     "            steps[::-1],\n", "            steps,\n"),
    ("the error of an area divides by the other number", "evaluation/downstream.py",
     "tests/test_generation.py -k unequal",
     "above.var(ddof=1) / len(outliers) + below.var(ddof=1) / len(inliers)",
     "above.var(ddof=1) / len(inliers) + below.var(ddof=1) / len(outliers)"),
    ("modularity counts constant factors", "evaluation/code_scores.py",
     "tests/test_disentanglement.py -k constant_factor",
     "max(1, len(data.varying) - 1)", "max(1, data.factors.shape[1] - 1)"),
    ("every block of codes has the same noise", "evaluation/latents.py", "tests/test_seeds.py -k information",
     "found = [draw(block.known, samples, seeds.fold(seed, block.index))",
     "found = [draw(block.known, samples, seed)"),
    ("an explicit seed of zero is taken for none", "app/run.py", "tests/test_cli.py -k seed_of_an -m slow",
     "seed = options.seed if seed is None else seed", "seed = seed or options.seed"),
    ("bits of the bound in the place of those of log p(x)", "app/report_page/page.py",
     "tests/test_report_page.py -k numbers",
     "report.bits_per_dimension(level)", "report.bits_per_dimension(report.elbo.mean)"),
    ("gaps counted in the code length of a dimension", "evaluation/scoring.py",
     "tests/test_evaluation.py -k coin_flips", "if gaps.any() else 0", "if False else 0"),
    ("the noise of halves as that of whole tables", "evaluation/table_scores.py",
     "tests/test_table_quality.py -k noise",
     "min(shrunk * noise, 1.0)", "min(noise, 1.0)"),
    ("synthetic numbers binned by their own deciles", "evaluation/table_cells.py",
     "tests/test_table_quality.py -k bins",
     "np.searchsorted(edges, x,", "np.searchsorted(np.nanquantile(x, DECILES), x,"),
    ("each table has its own codes of words", "evaluation/table_cells.py", "tests/test_table_quality.py -k itself",
     "for word in words), 0])[own])", "for word in words), 0])[own] * 0 + own + 1)"),
    ("the closest of the last block of training rows alone", "evaluation/table_rows.py",
     "tests/test_table_rows.py -k blocks", "np.minimum(found[start : start + BLOCK], near)", "near"),
    ("the estimator flags below the next held-out score", "tables/model.py", "tests/test_sklearn.py -k p_value_passes",
     "np.sort(self.held_out)[rank - 1]", "np.sort(self.held_out)[rank]"),
    ("an estimator infers categories of an array", "sklearn/base.py", "tests/test_sklearn.py -k array_are_real",
     "for name in table if table[name].nunique() > 1]", "for name in table if table[name].nunique() > 3]"),
    ("an estimator forgets categories that a fold lacks", "sklearn/base.py", "tests/test_sklearn.py -k a_fold_lacks",
     '"values": list(map(str, dtype.categories))}', '"values": sorted(table[name].dropna().astype(str).unique())}'),
    ("an estimator leaves the global generator seeded", "sklearn/base.py", "tests/test_sklearn.py -k global_generator",
     "        np.random.set_state(states[1])\n", ""),
    ("all estimators have one seed", "sklearn/base.py", "tests/test_sklearn.py -k a_seed_of",
     "check_random_state(random_state).randint(MOST_SEEDS)", "check_random_state(0).randint(MOST_SEEDS)"),
    ("the score of an estimator is a mean", "sklearn/estimators.py", "tests/test_sklearn.py -k density_scores",
     "self.score_samples(X).sum()", "self.score_samples(X).mean()"),
    ("an estimator ignores the number of samples", "sklearn/base.py", "tests/test_sklearn.py -k settings_reach",
     '            "eval_samples": self.num_samples,\n', ""),
    ("an estimator calls columns of a later frame as it likes", "sklearn/base.py",
     "tests/test_sklearn.py -k names_of_columns", "        if not reset:\n            names =",
     "        if False:\n            names ="),
    ("an estimator fills frames with text", "tables/filling.py", "tests/test_sklearn.py -k comes_back_filled",
     "return words.str.strip().map({\"True\": True, \"False\": False})", "return words"),
    ("draws of an estimator wrap around", "tables/filling.py", "tests/test_sklearn.py -k integer_type",
     ".clip(ends.min, ends.max)", ""),
    ("the target among what predicts it", "evaluation/table_rows.py", "tests/test_table_rows.py -k teach",
     "        elif name != target:\n", "        else:\n"),
    ("a negative schedule obeys the law", "testing/training.py",
     "tests/test_check_part.py -k 'told and Negative' -m slow",
     "not np.isfinite(value) or value < 0:", "not np.isfinite(value):"),
    ("examples drawn by a shipped model scored in other units", "saved_models/make.py",
     "tests/test_saved_models.py -k 'own_draws and mnist'",
     "x = white * tf.reshape(", "x = tf.reshape("),
)]
# fmt: on


def planted(mutant: Mutant) -> str:
    """Returns the file with the mistake."""
    text = (ROOT / mutant.path).read_text()
    assert text.count(mutant.text) == 1, (
        f"{mutant.mistake}: its text stands {text.count(mutant.text)} times in its file"
    )
    return text.replace(mutant.text, mutant.planted)


def copy_of_the_project(folder: Path) -> Path:
    """Copies package and tests, and what the tests read."""
    for name in ("tfvae", "tfvae_cli", "tests", "docs", *OTHERS):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def first_failure(project: Path, words: list[str]) -> str | None:
    """Returns the first test that fails there, or `None` if all pass."""
    environment = {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    code = in_a_fork(project, [*QUIET, *words], environment)
    if code is None:
        print(f"no end after {LIMIT:.0f} s in a fork: once more in a process of its own", file=sys.stderr)
        with (project / "log").open("w") as log:
            command = [sys.executable, "-m", "pytest", *QUIET, *words]
            said = {"env": {**os.environ, **environment}, "stdout": log, "stderr": log}
            code = subprocess.run(command, cwd=project, timeout=4 * LIMIT, **said).returncode
    if code == 0:
        return None
    text = (project / "log").read_text()
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", text, re.MULTILINE)
    if code not in (1, 2) or not failed:
        raise RuntimeError(f"pytest {shlex.join(words)} ended with {code}:\n{text[-2000:]}")
    return failed[1]


def in_a_fork(project: Path, words: list[str], environment: dict[str, str]) -> int | None:
    """Runs pytest there in a fork of this process; returns its exit code, or `None` if it took too long."""
    import pytest

    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for stream in (1, 2):
                os.dup2(os.open(project / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
            os.chdir(project)
            os.environ.update(environment)
            sys.dont_write_bytecode = True
            sys.path[:] = [str(project)] + [path for path in sys.path if ROOT not in (p := Path(path), p.parent)]
            assert "tfvae" not in sys.modules
            code = int(pytest.main(words))
        finally:
            sys.stdout.flush()
            os._exit(code)
    ended, end = 0, time.monotonic() + LIMIT
    try:
        while not ended and time.monotonic() < end:
            time.sleep(0.05)
            ended, status = os.waitpid(child, os.WNOHANG)
    finally:  # also if this process is told to end
        if not ended:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if ended else None


def examine(mutant: Mutant) -> dict[str, str | float | None]:
    """Returns the test that catches a mutant, or `None`, and the seconds that it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        project = copy_of_the_project(Path(folder))
        (project / mutant.path).write_text(planted(mutant))
        caught = first_failure(project, shlex.split(mutant.tests))
    if caught:
        with tempfile.TemporaryDirectory() as folder:
            without = first_failure(copy_of_the_project(Path(folder)), [caught])
        assert without is None, f"{caught} is red without the mistake, too"
    return {"name": mutant.name, "caught": caught, "seconds": time.monotonic() - start}


def shown(found: dict[str, str | float | None]) -> str:
    return f"| {found['name']} | {found['caught'] or 'NOT CAUGHT'} | {found['seconds']:.0f} s |"


def import_all_but_ours() -> None:
    """Imports what each fork needs; TensorFlow must stay without a context, which the first operation makes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import tensorflow as tf  # noqa: F401
    import tensorflow_probability as tfp
    from tensorflow.python.eager import context

    assert tfp.distributions.Normal and context.context()._context_handle is None


def main() -> int:
    command = argparse.ArgumentParser(description="Plants known mistakes in copies and says which test catches each.")
    command.add_argument("--only", default="", help="a word in the names of those to plant")
    command.add_argument("--jobs", type=int, default=1, help="how many at a time")
    command.add_argument("--serve", action="store_true", help="read names from stdin, write one JSON line for each")
    options = command.parse_args()
    import_all_but_ours()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that forks and copies go, too
    if options.serve:
        of_name = {mutant.name: mutant for mutant in MUTANTS}
        for line in sys.stdin:
            print(json.dumps(examine(of_name[line.strip()])), flush=True)
        return 0
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    show = functools.partial(print, flush=True)
    found = []
    if options.jobs == 1:
        found = [result for mutant in chosen if not show(shown(result := examine(mutant)))]
    else:
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            found = [result for result in pool.imap(examine, chosen) if not show(shown(result))]
    escaped = [result["name"] for result in found if not result["caught"]]
    print(f"{len(found) - len(escaped)} of {len(found)} caught")
    return bool(escaped)


if __name__ == "__main__":
    sys.exit(main())
