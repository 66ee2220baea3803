"""Measures of the architecture of a package, from its source alone: `python tests/house.py [FOLDER]`.

modules at the top level      files beside `__init__.py` that a reader of the folder meets first
internal names in dir()       of the package: not public, not dunder
cycles of imports             modules that import each other when they are imported
imports of tests              by other files of tests, in the folder `tests` beside the package
assignments                   of Keras' `train_function` and `test_function`
private names                 of Keras or TensorFlow: read, set, overridden, or named in a string
"""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras

DOCUMENTED = {"_asdict", "_replace", "_fields", "_repr_png_"}  # of NamedTuple, and of IPython
GIVEN = {  # what others set on an instance, so that `dir` of the class does not show it
    "keras.Layer": ("built", "supports_jit"),
    "keras.Trainer": ("compiled", "optimizer", "stop_training"),
    "keras.Callback": ("params",),
    "keras.Metric": ("name",),
    "argparse.ArgumentParser": ("prog",),
}
PUBLIC = (  # what the README names, for a package without `__all__`
    "VAE export InvalidInput Evidence MarginalEstimate callbacks datasets estimators evaluation flows inference "
    "likelihoods networks objectives plotting posteriors preprocessing priors recipes scales schedules seeds spaces"
).split()
SHOWN = """
import {package} as package
public = getattr(package, "__all__", {public})
print(*(name for name in dir(package) if name not in public and not name.startswith("__")))
"""


class House:
    """The source of a package.

    Args:
        root: its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = {self.name(path): path.read_text() for path in sorted(root.rglob("*.py"))}
        self.trees = {name: ast.parse(text) for name, text in self.sources.items()}
        nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        stored = [node for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store)]
        self.own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        self.own |= {node.id for node in stored if isinstance(node, ast.Name)}
        self.own |= {n.attr for n in stored if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self"}

    def name(self, path: Path) -> str:
        """Returns the dotted name of a file."""
        return ".".join(path.relative_to(self.root.parent).with_suffix("").parts).removesuffix(".__init__")

    def top_level(self) -> list[str]:
        """Returns the modules beside `__init__.py`."""
        return sorted(path.stem for path in self.root.glob("*.py") if path.stem != "__init__")

    def internal_names(self) -> list[str]:
        """Returns what `dir()` of the package shows though it is internal, in a process of its own."""
        code = SHOWN.format(package=self.root.name, public=PUBLIC)
        words = {"cwd": self.root.parent, "capture_output": True, "text": True, "check": True}
        return subprocess.run([sys.executable, "-c", code], **words).stdout.split()

    def imports(self, name: str) -> set[str]:
        """Returns the modules of the package that a module imports when it is imported."""
        found = set()
        for node in at_import(self.trees[name].body):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {f"{node.module}.{alias.name}" for alias in node.names} & self.trees.keys()
                whole = {node.module} if len(modules) < len(node.names) else set()  # a name, not a module, was taken
                found |= modules | whole
        return (found & self.trees.keys()) - {name}

    def order(self) -> list[str]:
        """Returns the modules, each after those that it imports; raises `graphlib.CycleError`, which names a cycle."""
        return list(graphlib.TopologicalSorter({name: self.imports(name) for name in self.trees}).static_order())

    def cycle(self) -> list[str]:
        """Returns the modules of a cycle of imports, if there is one."""
        try:
            return self.order()[:0]
        except graphlib.CycleError as error:
            return error.args[1]

    def assignments(self) -> list[str]:
        """Returns the places where Keras' train or test function is assigned."""
        names = {"train_function", "test_function"}
        return [
            f"{name}:{node.lineno}"
            for name, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in names
        ]

    def undeclared(self) -> dict[str, set[str]]:
        """Returns class to the attributes of `self` that it reads though nobody says that it has them.

        An attribute is there if it is defined, annotated or assigned to `self` in the class or in a base class of the
        package, or if Keras, TFP or Python give it. A mixin, which stands on nothing, has what all its classes have.
        """
        found = {}
        for name, tree in self.trees.items():
            for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
                kind = getattr(importlib.import_module(name), node.name)
                users = kind.__subclasses__() if kind.__bases__ == (object,) and kind.__subclasses__() else [kind]
                there = set.intersection(*map(self._there, users)) | self._there(kind)
                reads = {n.attr for n in ast.walk(node) if _of_self(n) and isinstance(n.ctx, ast.Load)}
                found[f"{name}.{node.name}"] = reads - there
        return {name: reads for name, reads in found.items() if reads}

    def _there(self, kind: type) -> set[str]:
        return set(dir(kind)).union(*map(self._declared, kind.__mro__))

    def _declared(self, kind: type) -> set[str]:
        """Returns what the source of a class declares: annotations of the class, assignments to `self`."""
        tree = self.trees.get(kind.__module__)
        body = next((node for node in tree.body if getattr(node, "name", "") == kind.__name__), None) if tree else None
        if body is None:
            return set(GIVEN.get(f"{kind.__module__.split('.')[0]}.{kind.__name__}", ()))
        annotated = {node.target.id for node in body.body if isinstance(node, ast.AnnAssign)}
        return annotated | {n.attr for n in ast.walk(body) if _of_self(n) and isinstance(n.ctx, ast.Store)}

    def private_names(self) -> dict[str, set[str]]:
        """Returns module to the private names of Keras or TensorFlow in it."""
        found = {name: set().union(*map(self._private, ast.walk(tree))) for name, tree in self.trees.items()}
        return {name: names for name, names in found.items() if names}

    def _private(self, node: ast.AST) -> set[str]:
        names = set()
        if isinstance(node, ast.ImportFrom) and re.match(r"(tensorflow\.python|keras\.src)", node.module or ""):
            return {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.FunctionDef) and re.match("_[a-z]", node.name) and hasattr(keras.Model, node.name):
            return {node.name}  # an override of what Keras calls private
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            names = {node.attr}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count("_") > 1:
            names = {node.value}  # a name that `getattr` is given
        return {name for name in names - self.own - DOCUMENTED if re.fullmatch(r"_[a-z]\w+", name)}


def imported_tests(folder: Path) -> list[str]:
    """Returns the places in a folder of tests that import another file of tests: what is shared belongs in a helper."""
    found = []
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            whole = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else whole
            found += [f"{path.stem}:{node.lineno} {n}" for n in names if re.search(r"(^|\.)(test_|conftest$)", n)]
    return found


def _of_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements that run when a module is imported: not those of functions or of `if TYPE_CHECKING`."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from at_import([*node.body, *node.orelse])
        elif isinstance(node, ast.ClassDef | ast.With | ast.Try):
            yield from at_import(node.body)


if __name__ == "__main__":
    house = House(Path(sys.argv[1] if len(sys.argv) > 1 else "tfvae").resolve())
    for label, found in {
        "modules at the top level": house.top_level(),
        "internal names in dir()": house.internal_names(),
        "modules in a cycle of imports": house.cycle(),
        "imports of a file of tests": imported_tests(house.root.parent / "tests"),
        "assignments of train_function and test_function": house.assignments(),
        "classes that read an attribute nobody declares": [
            f"{name} ({', '.join(sorted(reads))})" for name, reads in house.undeclared().items()
        ],
        "files that touch a private name of Keras or TensorFlow": [
            f"{name} ({', '.join(sorted(names))})" for name, names in house.private_names().items()
        ],
    }.items():
        print(f"{len(found):3d} {label}: {', '.join(found)}")
