"""The package's own shape: an import graph without a cycle, no class on top of a concrete one, files one can read."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import tfvae
from tfvae.core.conditional import ConditionalDistribution

ROOT = Path(tfvae.__file__).parent
FAMILIES = ("posteriors", "priors", "likelihoods", "objectives")
INTERFACES = (
    ConditionalDistribution,
    tfvae.objectives.Objective,
    tfvae.estimators.Estimator,
    tfvae.schedules.Schedule,
    tfvae.scales.Scale,
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}


def at_import(body: list[ast.stmt]):
    """Yields the statements that run when a module is imported: not those of functions or of `if TYPE_CHECKING`."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from at_import([*node.body, *node.orelse])
        elif isinstance(node, ast.ClassDef | ast.With | ast.Try):
            yield from at_import(node.body)


def imports(tree: ast.Module) -> set[str]:
    """Returns the modules of the package that a module imports when it is imported."""
    found = set()
    for node in at_import(tree.body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {f"{node.module}.{alias.name}" for alias in node.names} & SOURCES.keys()
            whole = {node.module} if len(modules) < len(node.names) else set()  # a name, not a module, was taken
            found |= modules | whole
    return found & SOURCES.keys()


def test_import_graph_has_no_cycle():
    graph = {name: imports(tree) - {name} for name, tree in TREES.items()}
    assert graph["tfvae.vae"] >= {"tfvae.posteriors", "tfvae.training.step", "tfvae.core.seeds"}  # the reader reads
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the cycle
    assert order[-1] in ("tfvae", "tfvae.app.cli")
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({**graph, "tfvae.core.errors": {"tfvae.vae"}}).static_order())


def test_parts_do_not_import_each_other():
    """Nor the model: interface <- parts <- model. That a prior may name the type of a posterior is no import."""
    for name, tree in TREES.items():
        family = next((f for f in FAMILIES if name.startswith(f"tfvae.{f}")), None)
        others = [f"tfvae.{other}" for other in FAMILIES if other != family] + ["tfvae.vae", "tfvae.training"]
        if family:
            assert not [used for used in imports(tree) if used.startswith(tuple(others))], name


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


@pytest.mark.parametrize("name", SOURCES)
def test_module_is_short_documented_and_quiet(name):
    text, tree = SOURCES[name].read_text(), TREES[name]
    assert text.count("\n") <= 400
    assert ast.get_docstring(tree) and text.startswith('"""')
    loud = [n for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    if name not in ("tfvae.app.cli", "tfvae.app.run"):  # what a command prints is its answer
        loud += [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "print"]
    assert not loud, [n.lineno for n in loud]


@pytest.mark.parametrize("family", [*FAMILIES, "estimators", "schedules", "networks", "scales", "flows"])
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
