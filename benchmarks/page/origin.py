"""Where results come from: what their files say of it, and, of the repository, whether their code has moved on.

stale: a result file was committed before the last commit that changed the code which makes it
"""

import dataclasses
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAID = ("at", "machine", "commit", "command")
FOLDERS = ("--data", "--out", "--runs", "--peers")  # options whose value is a place on one machine


def recorded(module: str, words: Sequence[str]) -> str:
    """Returns a command as a result file has it: with FOLDER for the places of the machine that it ran on."""
    hidden = [re.sub(f"^({'|'.join(FOLDERS)})=.*", r"\1=FOLDER", word) for word in words]
    shown = ["FOLDER" if before in FOLDERS else word for before, word in zip(["", *hidden], hidden, strict=False)]
    return f"python -m benchmarks.{module} {shlex.join(shown)}".strip()


def origin(files: str, found: dict[str, Any]) -> str:
    """Returns one line of Markdown: date, machine, versions, command and file, as far as the files have them."""
    told = {key: sorted({str(value) for value in values(found, key)}) for key in (*SAID, "tensorflow")}
    days = sorted({at[:10] for at in told["at"] if at[:2] == "20"})
    made = f"Made {days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}" if days else "Made on a day that is not noted"
    machine = f" on {', '.join(told['machine'])}" if told["machine"] else ", machine not noted"
    commit = f", commit {', '.join(value[:7] for value in told['commit'])}" if told["commit"] else ""
    versions = f", TensorFlow {', '.join(told['tensorflow'])}" if told["tensorflow"] else ""
    command = f"; `{told['command'][0]}`" if len(told["command"]) == 1 else ""
    return f"*{made}{machine}{versions}{commit}{command}. File: `benchmarks/results/{files}`.*"


def values(found: Any, key: str) -> Iterator[Any]:
    """Yields what stands under a key, anywhere."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key and isinstance(value, str):
                yield value
            else:
                yield from values(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from values(value, key)


@dataclasses.dataclass(frozen=True)
class Age:
    """When results were committed, and what was committed since.

    Args:
        made: day and short name of the commit of the newest result file.
        own: commits since then that changed the code that makes them.
        library: commits since then that changed tfvae.
    """

    made: str
    own: int
    library: int


def age(paths: list[Path], code: tuple[str, ...]) -> Age:
    """Returns the age of results; of files that are not committed, nothing came since."""
    made = git("log", "-1", "--format=%cs %h", "--", *map(str, paths))
    if not made:
        return Age("not committed", 0, 0)
    since = f"{made.split()[1]}..HEAD"
    own = git("rev-list", "--count", since, "--", *(f"benchmarks/{name}" for name in code))
    return Age(made, int(own), int(git("rev-list", "--count", since, "--", "tfvae")))


def git(*words: str) -> str:
    """Returns what git says of the project."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
