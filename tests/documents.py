"""The documents that people read, and their Python blocks by the heading that each stands under.

A block fenced with `python` is run by a test; one with `py` is shown, and is another library's or not whole.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", *PAGES)


def blocks(text: str) -> dict[str, str]:
    """Returns heading to code; the second block under a heading is called `heading (2)`."""
    found, heading, number = {}, "", 0
    for language, code, title in re.findall(r"^```(\w*)\n(.*?)^```$|^#+ ([^\n]*)$", text, re.MULTILINE | re.DOTALL):
        if title:
            heading, number = title, 0
        elif language == "python":
            number += 1
            found[heading if number == 1 else f"{heading} ({number})"] = code
    return found


BLOCKS = {(name, heading): code for name in DOCUMENTS for heading, code in blocks((ROOT / name).read_text()).items()}
