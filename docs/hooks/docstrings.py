"""The library's docstrings, which are written for a terminal, as a page shows them.

`Example:` becomes the section that griffe reads as code, and the aligned lists of a module stay aligned.
"""

import re
from typing import Any

from griffe import Extension, Module, Object


class AsWritten(Extension):
    """Changes docstrings before they are parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Renames the section of examples."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^(\s*)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)

    def on_module(self, *, mod: Module, **_: Any) -> None:
        """Indents the paragraphs with columns, so that they are shown as they stand."""
        if mod.docstring:
            paragraphs = re.split(r"\n\s*\n", mod.docstring.value)
            mod.docstring.value = "\n\n".join(indented(p) if re.search(r"\S {2,}\S", p) else p for p in paragraphs)


def indented(paragraph: str) -> str:
    """Returns the lines behind four spaces, which Markdown takes for code."""
    return "\n".join(line if line.startswith("    ") else f"    {line}" for line in paragraph.splitlines())
