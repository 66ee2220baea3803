"""The package's own shape: an import graph without a cycle, no class on top of a concrete one, files one can read."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from house import House, imported_tests

import tfvae
from tfvae.core.conditional import ConditionalDistribution

ROOT = Path(tfvae.__file__).parent
FAMILIES = ("posteriors", "priors", "likelihoods", "objectives")
TRAINER = "tfvae.training.trainer"
PACKAGES = [module.name for module in pkgutil.walk_packages(tfvae.__path__, "tfvae.") if module.ispkg]
PUBLIC_PACKAGES = [value for value in (getattr(tfvae, name) for name in tfvae.__all__) if inspect.ismodule(value)]
INTERFACES = (
    ConditionalDistribution,
    tfvae.objectives.Objective,
    tfvae.estimators.Estimator,
    tfvae.schedules.Schedule,
    tfvae.scales.Scale,
    tfvae.warps.Warp,
)


HOUSE = House(ROOT)


def test_the_house_keeps_its_measure():
    """`python tests/house.py FOLDER` prints the same of any checkout: version 0.1 had 36, 24, 0, 13 and 8."""
    assert len(HOUSE.top_level()) <= 12
    assert HOUSE.internal_names() == []
    assert HOUSE.cycle() == []
    assert len(HOUSE.assignments()) == 2 and {place.split(":")[0] for place in HOUSE.assignments()} == {TRAINER}
    assert HOUSE.private_names().keys() == {"tfvae.core.keras_private"}


def test_the_measures_see_what_they_are_there_for(tmp_path):
    """Of a package that breaks each rule once."""
    (tmp_path / "shack").mkdir()
    for name, text in {
        "__init__": "from shack import one",
        "one": "import tensorflow.python\nfrom shack import two\nmodel.train_function = None",
        "two": "from shack.one import model\nmodel._initial_epoch = 2\ngetattr(model, '_should_trace')",
        "three": "from tensorflow.python.ops import control_flow_util\nclass M:\n    def _symbolic_build(self): pass",
    }.items():
        (tmp_path / "shack" / f"{name}.py").write_text(text)
    shack = House(tmp_path / "shack")
    assert shack.top_level() == ["one", "three", "two"] and shack.assignments() == ["shack.one:3"]
    assert set(shack.cycle()) == {"shack.one", "shack.two"}
    assert shack.private_names() == {
        "shack.two": {"_initial_epoch", "_should_trace"},
        "shack.three": {"tensorflow.python.ops.control_flow_util", "_symbolic_build"},
    }


def test_no_file_of_tests_imports_another(tmp_path):
    assert imported_tests(Path(__file__).parent) == []
    (tmp_path / "test_one.py").write_text("import test_two\n\ndef f():\n    from tests.test_two import g\n")
    (tmp_path / "helper.py").write_text("from conftest import tiny\nfrom latent_cases import test_points\n")
    assert imported_tests(tmp_path) == ["helper:1 conftest", "test_one:1 test_two", "test_one:4 tests.test_two"]


def test_a_class_reads_only_attributes_that_somebody_declares():
    assert HOUSE.undeclared() == {}


def test_an_attribute_that_nobody_declares_is_seen(tmp_path, monkeypatch):
    (tmp_path / "hut").mkdir()
    (tmp_path / "hut" / "__init__.py").write_text(
        "class Base:\n    width: int\n    def __init__(self):\n        self.door = 1\n"
        "class Hut(Base):\n    def walls(self):\n        return self.door, self.width, self.walls, self.window\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert House(tmp_path / "hut").undeclared() == {"hut.Hut": {"window"}}


def test_every_package_shows_its_public_names_alone():
    for module in [tfvae, *(importlib.import_module(name) for name in PACKAGES)]:
        assert sorted(dir(module)) == sorted(module.__all__), module.__name__
        assert all(hasattr(module, name) for name in module.__all__), module.__name__


def test_every_public_name_has_one_import_path():
    """A class or function is in the `__all__` of one package, or of the package at the top."""
    places = {}
    for module in [tfvae, *PUBLIC_PACKAGES]:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                places.setdefault(id(value), []).append(f"{module.__name__}.{name}")
    assert not {tuple(paths) for paths in places.values() if len(paths) > 1}


def test_imports_run_downwards():
    order = HOUSE.order()
    assert HOUSE.imports("tfvae.composed") >= {"tfvae.posteriors", "tfvae.training.trainer", "tfvae.core.seeds"}
    assert order[-1] in ("tfvae", "tfvae.app.cli", "tfvae.app.table")
    below = ("core", "distributions", "flows", "posteriors", "priors", "likelihoods", "objectives", "checks")
    above = ("training", "vae", "inference", "export", "evaluation", "callbacks", "recipes", "plotting", "app")
    for name in order:
        if name.startswith(tuple(f"tfvae.{room}." for room in below)):
            assert not [used for used in HOUSE.imports(name) if used.startswith(tuple(f"tfvae.{r}" for r in above))], (
                name
            )


def test_parts_do_not_import_each_other():
    """Nor the model: interface <- parts <- model. That a prior may name the type of a posterior is no import."""
    for name in HOUSE.trees:
        family = next((f for f in FAMILIES if name.startswith(f"tfvae.{f}")), None)
        others = [f"tfvae.{other}" for other in FAMILIES if other != family] + ["tfvae.vae", "tfvae.training"]
        if family:
            assert not [used for used in HOUSE.imports(name) if used.startswith(tuple(others))], name


def classes() -> list[type]:
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(tfvae.__path__, "tfvae.")]
    found = {c for m in modules for c in vars(m).values() if inspect.isclass(c) and c.__module__ == m.__name__}
    return sorted(found, key=lambda c: (c.__module__, c.__qualname__))


def is_interface(kind: type) -> bool:
    """Says whether a class has abstract methods, or is a private mixin: shared code that stands on nothing."""
    return inspect.isabstract(kind) or (kind.__name__.startswith("_") and kind.__bases__ == (object,))


def concrete_parents(kind: type) -> list[type]:
    """Returns the classes of ours that a class inherits from and that are no interfaces."""
    return [p for p in kind.__mro__[1:] if p.__module__.startswith("tfvae") and not is_interface(p)]


def test_no_class_inherits_from_a_concrete_class_of_ours():
    found = {f"{c.__module__}.{c.__name__}": concrete_parents(c) for c in classes()}
    assert len(found) > 60
    assert not {name: parents for name, parents in found.items() if parents}
    assert concrete_parents(type("BetaVAE", (tfvae.VAE,), {})) == [tfvae.VAE]


@pytest.mark.parametrize("name", HOUSE.sources)
def test_module_is_short_documented_and_quiet(name):
    text, tree = HOUSE.sources[name], HOUSE.trees[name]
    assert text.count("\n") <= 400
    assert ast.get_docstring(tree) and text.startswith('"""')
    loud = [n for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    if name not in ("tfvae.app.cli", "tfvae.app.run"):  # what a command prints is its answer
        loud += [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "print"]
    assert not loud, [n.lineno for n in loud]


@pytest.mark.parametrize("family", [*FAMILIES, "estimators", "schedules", "networks", "scales", "warps", "flows"])
def test_public_names_are_documented(family):
    """Each has a docstring, and the family's own page names each class that is a part."""
    module = importlib.import_module(f"tfvae.{family}")
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    own = {name: getattr(module, name) for name in names}
    own = {name: v for name, v in own.items() if callable(v) and str(v.__module__).startswith(f"tfvae.{family}")}
    assert own and all(value.__doc__ for value in own.values())
    parts = [name for name, v in own.items() if inspect.isclass(v) and issubclass(v, INTERFACES)]
    assert not [n for n in parts if not inspect.isabstract(own[n]) and not re.search(rf"\b{n}\b", module.__doc__)]


def test_lines_per_part():
    """Printed as a table, longest first; the biggest peer takes 149 lines for one multiplication."""
    rows = []
    for family in (*FAMILIES, "estimators", "schedules"):
        module = importlib.import_module(f"tfvae.{family}")
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and issubclass(kind, INTERFACES) and not inspect.isabstract(kind):
                source = inspect.getsource(kind)
                docs = sum(text.count("\n") + 1 for text in re.findall(r'""".*?"""', source, re.DOTALL))
                rows.append((source.count("\n"), source.count("\n") - docs, f"{family}.{name}"))
    for lines, code, name in sorted(rows, reverse=True):
        print(f"{name:45s} {lines:4d} lines, {code:3d} without docstrings")
    assert len(rows) > 40 and max(lines for lines, _, _ in rows) < 149


@pytest.mark.parametrize("family", ["posteriors", "priors", "likelihoods", "objectives", "estimators"])
def test_every_part_stands_in_the_list_of_all_parts(family):
    """On the page "Which part when", in the row of its family."""
    lines = (ROOT.parent / "docs" / "choose" / "index.md").read_text().splitlines()
    rows = " ".join(line for line in lines if f"`{family}.`" in line)
    module = getattr(tfvae, family)
    classes = {name: kind for name in module.__all__ if inspect.isclass(kind := getattr(module, name))}
    kinds = [name for name, kind in classes.items() if issubclass(kind, INTERFACES) and not inspect.isabstract(kind)]
    assert kinds and not [name for name in kinds if not re.search(rf"`{name}[`(]", rows)]
