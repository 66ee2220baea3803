r"""Equations become MathML when the site is built, so that a page needs no script and no network to show them.

A block fenced with ```math and a $`span`$ hold LaTeX, as code hosts have it too; docstrings hold plain ASCII.
"""

import re

from latex2mathml.converter import convert

BLOCK = re.compile(r"^```math\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"\$`([^`\n]+)`\$")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replaces the equations of a page."""
    markdown = BLOCK.sub(lambda m: f'<div class="equation">{mathml(m[1], display="block")}</div>', markdown)
    return SPAN.sub(lambda m: f"<span>{mathml(m[1])}</span>", markdown)


def mathml(latex: str, **options: str) -> str:
    """Returns an equation; the converter leaves no space about the name of a function."""
    return convert(re.sub(r"\\(log|max)\s*", r"\\,\\\1\\,", latex), **options)
