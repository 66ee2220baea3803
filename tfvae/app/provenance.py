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
from tfvae.core.kinds import fits
from tfvae.core.types import Config

ROOT = Path(__file__).resolve().parents[2]
FORMAT = "tfvae run 1"
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "numpy")
PARTS = ("options", "data", "versions")
KINDS = {"created": str, "command": str | None, "versions": dict[str, str], "git_revision": str | None}
BESIDE_X = ("condition", "missing", "labels", "classes", "num_labels")  # options that runs of version 0.1 do not have
ADDED = ("examples", "labels")  # entries of a data protocol that runs of version 0.1 do not have


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
        "options": stated(options),
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
    if "\0" in str(folder):
        raise InvalidInput("the path of a run folder", repr(folder), "Name a folder that tfvae train made.")
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
    odd = [name for name, kind in KINDS.items() if not fits(found.get(name), kind)]
    if odd:
        raise InvalidInput(f"a whole {path}", f"another {odd[0]} than a run has", "Restore the file from a copy.")
    options = Options.from_config(found["options"])
    return {**found, "options": plain(stated(options))}, options


def stated(options: Options) -> Config:
    """Returns the options name to value, less what is known of examples where that is nothing."""
    return {name: v for name, v in dataclasses.asdict(options).items() if v or name not in BESIDE_X}


def check_data(config: Config, protocol: Config) -> None:
    """Compares data with those that a run was started with.

    Args:
        config: what `config.json` holds.
        protocol: of the data.

    Raises:
        InvalidInput: naming what differs.
    """
    now = plain(protocol)
    was = {name: now[name] for name in ADDED} | config["data"]
    for name, then, value in changes(was, now):
        remedy = "Restore those data, or score others in Python, with tfvae.evaluation.evaluate."
        raise InvalidInput(f"data with {name} {then}, as at the start of this run", f"{value}", remedy)


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


def git_revision(root: Path = ROOT) -> str | None:
    """Returns the commit of tfvae's source tree, with `+changes` if edited since; `None` for an installed package."""
    if not (root / ".git").exists():
        return None
    try:
        revision, edited = (
            subprocess.run(
                ["git", "--no-optional-locks", "-C", root, *arguments], capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "tfvae"])
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or a repository that it refuses
        return None
    return revision + ("+changes" if edited else "")
