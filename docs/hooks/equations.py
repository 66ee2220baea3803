r"""Equations become MathML when the site is built, so that a page needs no script and no network to show them.

A block fenced with ```math and a $`span`$ hold LaTeX, as code hosts have it too; docstrings hold plain ASCII.
"""

import re

from latex2mathml.converter import convert

BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"\$`([^`\n]+)`\$")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replaces the equations of a page."""
    markdown = BLOCK.sub(lambda m: "".join(f'<div class="equation">{line}</div>' for line in lines(m[1])), markdown)
    return SPAN.sub(lambda m: f"<span>{mathml(m[1])}</span>", markdown)


def lines(latex: str) -> list[str]:
    """Returns the lines of an equation, which the converter cannot align."""
    bare = re.sub(r"\\(begin|end)\{align(ed)?\*?\}", "", latex)
    parts = re.split(r"\\\\", bare.replace("&", " ")) if bare != latex else [latex]
    return [mathml(part.strip(), display="block") for part in parts if part.strip()]


def mathml(latex: str, **options: str) -> str:
    """Returns an equation; the converter leaves no space about the name of a function."""
    return convert(re.sub(r"\\(log|max)\s*", r"\\,\\\1\\,", latex), **options)
