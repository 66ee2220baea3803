"""Where a run comes from, enough to repeat it: what `config.json` holds.

    config = format, time, command, options, data protocol, versions, git revision

It is read back by `tfvae.app.run.resume`, which completes the run that it describes.
"""

import dataclasses
import datetime
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import tfvae
from tfvae import files
from tfvae.app.options import Options
from tfvae.core.errors import InvalidInput
from tfvae.core.types import Config

FORMAT = "tfvae run 1"
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")
PARTS = ("options", "data", "versions")


def config(options: Options, protocol: Config, command: str | None) -> Config:
    """Returns what `config.json` holds.

    Args:
        options: of the run.
        protocol: of the data.
        command: the command line, or `None` when the run was started from Python.
    """
    return {
        "format": FORMAT,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "options": dataclasses.asdict(options),
        "data": plain(protocol),
        "versions": versions(),
        "git_revision": git_revision(),
    }


def read_config(folder: str) -> tuple[Config, Options]:
    """Returns the `config.json` of a run folder, and the options in it.

    Args:
        folder: the run folder.

    Raises:
        InvalidInput: if it is not a run folder, or its `config.json` is unreadable, truncated or of something else.
    """
    path = Path(folder, "config.json")
    if not path.exists():
        received = "a folder without config.json" if Path(folder).is_dir() else "no such folder"
        raise InvalidInput(f"a run folder at {folder}", received, "tfvae train SOURCE --out DIR makes one.")
    found = files.read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        received = "a config.json of something else"
        raise InvalidInput(f"a run folder at {folder}", received, "Name a folder that tfvae train made.")
    missing = [part for part in PARTS if not isinstance(found.get(part), dict)]
    if missing:
        raise InvalidInput(f"a whole {path}", f"one without {', '.join(missing)}", "Restore the file from a copy.")
    return found, Options.from_config(found["options"])


def changes(was: Config, now: Config) -> list[tuple[str, object, object]]:
    """Returns (name, value then, value now) of each entry that differs; one that is not there counts as `None`."""
    return [(name, was.get(name), now.get(name)) for name in {**was, **now} if was.get(name) != now.get(name)]


def plain(value: Any) -> Any:
    """Returns `value` as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def versions() -> dict[str, str]:
    """Returns the versions of Python, tfvae and the packages that its numbers depend on."""
    installed = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "tfvae": tfvae.__version__, **installed}


def git_revision() -> str | None:
    """Returns the commit of tfvae's source tree, with `+changes` if edited since; `None` for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        revision, edited = (
            subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "tfvae"])
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or a repository that it refuses
        return None
    return revision + ("+changes" if edited else "")
