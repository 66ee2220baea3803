"""Recipes: each is short, documented, listed, trains, scores, saves; the command line runs it on the data it wants."""

import ast
import importlib
import inspect
import json
import math
import pkgutil
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tfvae import likelihoods, plotting, recipes, warps
from tfvae.app import run
from tfvae.app.cli import main
from tfvae.app.options import Options
from tfvae.recipes import RECIPES

SMALL = "--epochs 1 --hidden 8 --latent-dim 3 --eval-samples 5 --batch-size 500".split()
GENERATOR = np.random.default_rng(0)
DATA = {
    "{0, 1}": GENERATOR.integers(0, 2, [24, 6]).astype("float32"),
    "[0, 1]": GENERATOR.uniform(size=[24, 6]).astype("float32"),
    "{0, 1, 2, ...}": GENERATOR.poisson(3.0, [24, 6]).astype("float32"),
    "the finite real numbers": GENERATOR.normal(size=[24, 6]).astype("float32"),
}


CLOSED = {
    "vamp-prior": {"likelihood"},
    "geco": {"likelihood"},
}  # they fit values in [0, 1] alone


TOLD = {"conditional": "y"}  # recipes that want a condition
LABELS = tfvae.conditions.Labels(3)
LAYERED = {  # recipes of several latents: what sees x, and what the likelihood is given
    "two-layer": (lambda vae: vae.posterior.parts["z1"], ("z1",)),
    "ladder": (lambda vae: vae.features["h1"], ("z1", "d1")),
    "m2": (lambda vae: vae.features["h"], ("y", "z")),
    "m1-m2": (lambda vae: vae.posterior.parts["z1"], ("z1",)),
}
CLASSED = {"m2", "m1-m2"}  # recipes that want labels for some examples


def made(name, **options):
    options = {"condition": LABELS} | options if name in TOLD else options
    keras.utils.set_random_seed(0)
    return RECIPES[name](
        (6,), latent_dim=3, encoder=tfvae.networks.mlp([8]), decoder=tfvae.networks.mlp([8]), seed=0, **options
    )


def given(vae, rows):
    """Returns examples that a model can have, with labels if it is told them."""
    x = DATA[vae.support.description][:rows]
    if vae.latents.enumerated:
        return {"x": x, "labels": {"y": np.arange(rows) % 4 - 1}}
    return {"x": x, "condition": np.arange(rows) % 3} if vae.conditions else x


@pytest.fixture
def eager():
    """Runs steps without compiling them, which would take most of the time."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    ("part", "given", "remedy"),
    [
        ("likelihood", "normal", "likelihood=tfvae.likelihoods.Normal;"),
        ("likelihood", "zero-inflated negative binomial", "tfvae.likelihoods.ZeroInflatedNegativeBinomial;"),
        ("likelihood", "gaussian", "tfvae.likelihoods.Bernoulli;"),
        ("likelihood", likelihoods.Normal(6), "tfvae.likelihoods.Normal;"),
    ],
)
def test_a_word_or_a_part_where_a_class_is_wanted_is_told(part, given, remedy):
    with pytest.raises(tfvae.InvalidInput, match="likelihood to be a class, or another function") as told:
        recipes.vae(6, **{part: given})
    assert remedy in str(told.value)


@pytest.mark.parametrize("name", RECIPES)
def test_each_trains_scores_saves_and_loads(name, tmp_path, eager):
    vae = made(name)
    x = given(vae, 24)
    before = [np.copy(v) for v in vae.get_weights()]
    history = vae.fit(x, batch_size=12, epochs=1, verbose=0).history
    assert all(math.isfinite(value) for values in history.values() for value in values), history
    unmoved = [
        variable.path
        for variable, was in zip(vae.weights, before, strict=True)
        if variable.trainable and np.array_equal(variable, was)
    ]
    assert not unmoved
    vae.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras")
    scores = [np.asarray(model.log_prob(given(vae, 6), 4, seed=1)) for model in (vae, loaded)]
    assert np.all(np.isfinite(scores[0]))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
    assert repr(loaded.objective) == repr(vae.objective) and repr(loaded.estimator) == repr(vae.estimator)
    logs = [model.evaluate(x, batch_size=12, return_dict=True, verbose=0) for model in (vae, loaded)]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4) and all(map(math.isfinite, logs[0].values()))


@pytest.mark.parametrize("name", [name for name, f in RECIPES.items() if f.__module__.endswith("codes")])
def test_penalties_of_a_batch_do_not_need_its_size_beforehand(name):
    vae = made(name)
    vae.num_data = 24
    step = tf.function(vae.test_step).get_concrete_function(tf.TensorSpec([None, 6]))
    assert math.isfinite(float(step(tf.constant(DATA["{0, 1}"]))["loss"]))


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_told_a_condition_or_says_that_it_cannot_be(name, eager):
    """Two labels, two answers: of the encoder and the decoder, and of the recipe `conditional` of the prior."""
    if name == "vamp-prior":
        with pytest.raises(tfvae.InvalidInput, match="given x alone, for a VampPrior"):
            made(name, condition=LABELS)
        return
    vae = made(name, condition={"kind": LABELS})
    mask = ("mask",) if name in ("miwae-imputation", "not-miwae") else ()
    seeing, below = LAYERED.get(name, (lambda vae: vae.posterior, ("z",)))
    assert (seeing(vae).given, vae.likelihood.given) == (("x", *mask, "kind"), (*below, "kind"))
    if name not in LAYERED:
        assert vae.prior.given == (("kind",) if name == "conditional" else ())
    x, told = DATA[vae.support.description][:1], [{"condition": np.array([label])} for label in (0, 1)]
    for answers in ([vae.reconstruct(x, **one) for one in told], [vae.sample(50, 0, **one) for one in told]):
        assert np.all(np.isfinite(answers)) and not np.allclose(*answers)


def public_functions():
    for module in pkgutil.iter_modules(recipes.__path__):
        if module.name not in ("compose", "rungs", "classed"):
            members = importlib.import_module(f"tfvae.recipes.{module.name}")
            yield from (
                (n, f) for n, f in inspect.getmembers(members, inspect.isfunction) if f.__module__ == members.__name__
            )


def test_every_recipe_is_in_the_table_under_its_name_and_in_the_package():
    assert {name.replace("_", "-"): function for name, function in public_functions()} == RECIPES
    for name, function in RECIPES.items():
        assert getattr(tfvae.recipes, name.replace("-", "_")) is function
        assert name.replace("-", "_") in tfvae.recipes.__doc__


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_short_and_says_what_it_is(name):
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(RECIPES[name]))).body
    assert function.body[-1].end_lineno - function.body[1].lineno + 1 <= 10  # what follows the docstring
    line, paper = recipes.description(RECIPES[name])
    assert line.endswith(".") and paper[:1].isupper() and any(year in paper for year in map(str, range(2013, 2027)))


def test_a_paper_is_what_its_recipe_says():
    assert made("beta-vae", beta=6.0).objective.beta == 6.0
    assert made("beta-tcvae", beta=6.0).objective.weight == 5.0
    objective = made("info-vae", alpha=0.25, weight=10.0).objective
    assert (objective.objective.beta, objective.weight) == (0.75, 9.25)
    beta = made("annealed", num_steps=200, beta=2.0).objective.beta
    assert [float(beta(step)) for step in (0, 10, 20, 200)] == [0, 1, 2, 2]
    for name in ("hyperspherical", "power-spherical"):  # long after the learning rate's own warm-up, or they collapse
        beta = made(name, num_steps=200).objective.beta
        assert (beta(20), beta(50), beta(100)) == (0.2, 0.5, 1.0)
    beta = made("cyclical", num_steps=400, cycles=4).objective.beta
    assert [float(beta(step)) for step in (0, 25, 50, 99, 100, 400)] == [0, 0.5, 1, 1, 0, 1]
    capacity = made("capacity", num_steps=200, nats=10.0).objective.capacity
    assert [float(capacity(step)) for step in (0, 100, 200)] == [0, 5, 10]
    assert made("geco", nats_per_dimension=0.5).objective.target == 3.0
    assert type(made("dreg").estimator).__name__ == "DoublyReparameterized"
    assert made("dip-vae-i").objective.of_means and not made("dip-vae-ii").objective.of_means
    columns = [tfvae.likelihoods.Normal(4), tfvae.likelihoods.Bernoulli(2)]
    warped = tfvae.likelihoods.Warped(tfvae.likelihoods.Normal(4, scale=1.0), tfvae.warps.Logarithm())
    robust = made("robust-table", columns=[warped, columns[1]]).likelihood.likelihoods
    assert [type(part).__name__ for part in robust] == ["Warped", "Bernoulli"] and robust[0].event_shape == (4,)
    assert type(robust[0].likelihood).__name__ == "StudentT"
    assert made("tabular", columns=columns).support.description.startswith("columns 0-3: the finite real numbers")


# The command line.


def test_the_list_names_every_recipe_and_its_paper(capsys):
    assert main(["recipes"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[::2]] == sorted(RECIPES)
    assert "Higgins et al. 2017" in printed and len(RECIPES) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["beta-tcvae", "counts"])
def test_a_recipe_runs_from_the_command_line_and_resumes(name, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["train", "digits", "--recipe", name, "--out", str(folder), *SMALL]) == 0
    options = json.loads((folder / "config.json").read_text())["options"]
    assert options["recipe"] == name
    fixed = {"beta-tcvae": ("bernoulli", None, 6.0, None), "counts": (None, "elbo", 1.0, 1)}[name]
    assert tuple(options[part] for part in ("likelihood", "objective", "beta", "num_samples")) == fixed
    expected = ("none", 1.0) if name == "counts" else ("dynamic", None)
    assert (options["binarization"], options["scale"]) == expected
    first = json.loads((folder / "metrics.json").read_text())
    assert math.isfinite(first["test"]["log_prob"]["mean"])
    assert f"recipe {name}" in (folder / "card.md").read_text()
    weights = run.load_model(folder).get_weights()
    for gone in ("metrics.json", "card.md"):
        (folder / gone).unlink()
    assert main(["train", "digits", "--resume", str(folder), "--recipe", name]) == 0
    assert json.loads((folder / "metrics.json").read_text()) == first
    for a, b in zip(weights, run.load_model(folder).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert main(["export", str(folder), str(tmp_path / "served")]) == 0
    assert main(["train", "--resume", str(folder), "--recipe", "vae"]) == 2
    assert f"--recipe {name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        ("--recipe iwae --objective elbo", "no --objective beside --recipe iwae"),
        ("--recipe sigma-vae --likelihood normal", "no --likelihood beside --recipe sigma-vae"),
        ("--recipe iwae --beta 2", "--num-samples only"),
        ("--recipe free-bits --num-samples 5", "no --num-samples beside --recipe free-bits"),
        ("--recipe iaf --objective iwae --beta 2", "no --beta beside --objective iwae"),
        ("--recipe vamp-prior --likelihood normal", "no --likelihood beside --recipe vamp-prior"),
        ("--recipe none-of-them", "recipe to be one of"),
    ],
)
def test_what_a_recipe_fixes_is_refused(words, message, tmp_path, capsys):
    assert main(["train", "digits", "--out", str(tmp_path / "run"), *words.split()]) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_options_that_a_recipe_takes_reach_it():
    options = Options.of(
        "digits", recipe="ciwae", beta=0.25, num_samples=7, latent_dim=5, hidden=(9,), schedule="cosine"
    )
    vae = options.build((8, 8, 1), [], num_steps=100)
    assert vae.posterior.network.layers[1].units == 9
    assert repr(vae.objective) == "CIWAE(beta=0.25, num_samples=7)"
    assert vae.latent_dim == 5 and isinstance(vae.optimizer.get_config()["learning_rate"], dict)
    one_hot = Options.of("digits", recipe="vimco", network="conv", hidden=(4, 8), latent_dim=3)
    assert one_hot.build((8, 8, 1), [], num_steps=1).reconstruct(np.zeros([2, 8, 8, 1])).shape == (2, 8, 8, 1)
    assert Options.of("digits", recipe="annealed").build((4,), [], num_steps=500).objective.beta.steps == 50


@pytest.mark.parametrize("name", RECIPES)
def test_the_signature_says_what_a_recipe_takes(name):
    """And its words on the command line build it: with nothing said it is the recipe with its own defaults."""
    taken = recipes.arguments(RECIPES[name])
    assert recipes.Common.__annotations__.keys() <= taken.keys()
    both = "objective" in taken and {"beta", "num_samples"} & taken.keys()
    assert not both or name == "vae"  # whose num_samples is the ELBO's; else they are the objective's
    options = Options.of("digits", recipe=name, latent_dim=3, condition=TOLD.get(name))
    built = options.build((6,), [], 10_000, LABELS if name in TOLD else None)
    assert repr(built.objective) == repr(made(name).objective)
    assert type(built.likelihood) is type(made(name).likelihood)
    for part in {"likelihood", "objective"} - taken.keys() - CLOSED.get(name, set()):
        with pytest.raises(TypeError, match=f"multiple values for keyword argument '{part}'"):
            made(name, **{part: None})


@pytest.mark.parametrize("name", [name for name, f in RECIPES.items() if "likelihood" in recipes.arguments(f)])
def test_a_recipe_that_leaves_the_likelihood_open_takes_another(name):
    told = {"labels": "y"} if name in CLASSED else {"condition": "y"}
    options = Options.of("digits", recipe=name, likelihood="student-t", latent_dim=3, **told)
    assert (options.binarization, options.scale) == ("none", None)
    vae = options.build((6,), [], 10, LABELS if name in TOLD else None)
    assert isinstance(vae.likelihood, tfvae.likelihoods.StudentT)


@pytest.mark.parametrize("name", [name for name, f in RECIPES.items() if "objective" in recipes.arguments(f)])
def test_a_recipe_that_leaves_the_objective_open_takes_another(name):
    options = Options.of("digits", recipe=name, objective="iwae", num_samples=3, latent_dim=3, condition="y")
    assert repr(options.build((6,), [], 10, LABELS if name in TOLD else None).objective) == "IWAE(num_samples=3)"


@pytest.mark.parametrize("name", ["iaf", "relaxed-categorical", "hyperspherical"])
def test_pictures_show_codes_that_have_no_mean_or_several_axes(name):
    vae = made(name)
    figure = plotting.latent_plane(vae, DATA["{0, 1}"])
    shown = figure.axes[0].collections[0].get_offsets()
    assert shown.shape == (24, 2) and np.all(np.isfinite(shown)) and np.ptp(shown, axis=0).min() > 0
    assert ("centers" in figure.axes[0].get_title()) == (name != "hyperspherical")


@pytest.mark.parametrize("unit", [2.0**-10, 2.0**10])
def test_the_units_of_a_column_are_nothing_to_a_robust_table(unit):
    """Adam's steps are of one size, and would be large for thousandths and small for thousands."""
    x = np.random.default_rng(0).standard_t(3, [40, 3]).astype("float32")
    histories = []
    for scale in (1.0, unit):
        keras.utils.set_random_seed(0)
        columns = [likelihoods.Warped(likelihoods.Normal(3), warps.normal_scores(scale * x))]
        vae = recipes.robust_table(3, columns=columns, latent_dim=2, seed=0, learning_rate=0.01)
        history = vae.fit(np.float32(scale) * x, epochs=3, batch_size=20, verbose=0).history["objective"]
        histories.append(np.array(history) + 3 * np.log(scale))  # the density is one of x in its own units
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_a_robust_table_bears_a_column_whose_cells_are_nearly_all_equal():
    """In units of what lies between its quantiles, the noise below a resolution of 1e-15, the others were at 1e16."""
    rng = np.random.default_rng(0)
    x = np.float32(np.column_stack([rng.uniform(-1e-15, 1e-15, 200), rng.normal(size=200)]))
    x[::50, 0] = [13, 15, 17, 20]
    columns = [likelihoods.Warped(likelihoods.Normal(2), warps.normal_scores(x))]
    vae = recipes.robust_table(2, columns=columns, latent_dim=2, seed=0, learning_rate=0.01)
    vae.adapt(x, 0)
    history = vae.fit(x, epochs=5, batch_size=20, verbose=0).history["objective"]
    assert np.all(np.isfinite(history)) and history[-1] > history[0] > -300
