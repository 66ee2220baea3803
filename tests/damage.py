"""Damaged and hostile files of a run, and what the command line makes of each: `python tests/damage.py COUNT [SEED]`.

make(place)        a finished run of a few rows, the same run stopped after two epochs, and their data
damages(place)     endless: which file becomes what, and the command that then meets it
tried(place, ...)  the command in a process of its own, forked before TensorFlow has started: code, words, memory

Hostile files carry a payload that would write the file PLANTED.
"""

import contextlib
import functools
import io
import itertools
import json
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from tfvae import files
from tfvae.app import folder
from tfvae.app.cli import main
from tfvae.app.options import Options
from tfvae.app.report_page import page

PLANTED = "code-was-executed"
SECONDS = 300  # after which a command counts as hanging
COMMANDS = {
    "evaluate": ["evaluate", "{run}"],
    "sample": ["sample", "{run}", "--count", "2", "--out", "{here}/draws.npy"],
    "export": ["export", "{run}", "{here}/served"],
    "resume": ["train", "--resume", "{run}"],
}
MEETS = {  # the commands that read a file, those more often that do so soon
    "run/config.json": [*COMMANDS], "run/model.keras": ["sample", "sample", "sample", *COMMANDS],
    "run/scores.npz": ["resume"], "run/metrics.json": ["resume"], "run/seal.json": ["resume", "sample"],
    "run/history.csv": ["resume", "evaluate"], "run/alarms.json": ["resume", "evaluate"],
    "data.npy": ["resume", "evaluate"],
}  # fmt: skip
READ = [
    *MEETS,
    "run/config.json",
    "run/model.keras",
    "run/config.json",
    "run/model.keras",
    "data.npy",
    "stopped/config.json",
    None,
]
WRONG = (None, True, "words", -1, 0, 2.5, 10**400, float("inf"), float("nan"), [], [[1]], {"a": 1}, "a\0b", "\ud800")


class Payload:
    """What a pickle would run."""

    def __init__(self, place):
        self.path = str(place / PLANTED)

    def __reduce__(self):
        return (open, (self.path, "w"))


def make(place: Path) -> None:
    """Makes `data.npy`, the finished run `run`, and `stopped`, which has checkpoints and no model."""
    np.save(place / "data.npy", np.random.default_rng(0).integers(0, 2, [60, 4]).astype("float32"))
    words = {"epochs": 2, "hidden": (4,), "latent_dim": 2, "eval_samples": 2, "seed": 1}
    options = Options.of(str(place / "data.npy"), **words)
    stopped = folder.Run(place / "stopped", options)
    folder.start(stopped)
    folder.fit(stopped)
    shutil.copytree(place / "stopped", place / "run")
    folder.complete(folder.Run(place / "run", options))
    for name in ("model.keras", "alarms.json"):
        (place / "stopped" / name).unlink()


class Damage(NamedTuple):
    """What is done to which file, as words and as bytes (`None`: it is gone; `...`: a folder stands there).

    Without the seal, or with a checkpoint sealed anew, the content itself is met. What is not whole leaves out what
    comes after the figures of a run: pictures, page, SavedModel.
    """

    run: str
    name: str
    what: str
    content: object
    sealed: bool
    command: str
    whole: bool


def damages(place: Path, seed: int = 0):
    """Yields damages without end."""
    rng, hostile = random.Random(seed), Hostile(place)
    checkpoint = [f"stopped/checkpoints/epoch-000002/{name}" for name in ("model.keras", "arrays.npz", "state.json")]
    rest = [str(path.relative_to(place)) for path in sorted((place / "run").rglob("*")) if path.is_file()]
    everything = [(place / name).read_bytes() for name in [*checkpoint, *rest]]
    for turn in itertools.count():
        name = READ[turn % len(READ)] or rng.choice(rest if turn % 2 else checkpoint)
        was = (place / name).read_bytes()
        kind = rng.choice(("cut", "flipped", "empty", "random", "zeros", "other", "gone", "folder", *["hostile"] * 8))
        flips = bytearray(was)
        for _ in range(rng.choice((1, 3, 30))):
            flips[rng.randrange(len(was))] ^= 1 << rng.randrange(8)
        what, content = kind, {
            "cut": was[: rng.randrange(len(was))], "flipped": bytes(flips), "empty": b"", "random": rng.randbytes(999),
            "zeros": bytes(len(was)), "other": rng.choice(everything), "gone": None, "folder": ..., "hostile": b"",
        }[kind]  # fmt: skip
        if kind == "hostile":
            what, content = rng.choice(hostile.of(Path(name).suffix, was))
        stopped = name.startswith("stopped/")
        command = "resume" if stopped else rng.choice(MEETS.get(name, ["resume"]))
        whole = rng.random() < 0.1
        yield Damage("stopped" if stopped else "run", name, what, content, rng.random() < 0.5, command, whole)


class Hostile:
    """What someone who means harm puts into files of each suffix."""

    def __init__(self, place: Path) -> None:
        self.place, self.of = place, functools.cache(self.of)
        self.bomb = zipped({"x.npy": npy_header((2**30,), "|u1") + bytes(2**30)}, compress=True)
        self.weights = zipped({"model.weights.h5": bytes(2**30)}, compress=True)

    def of(self, suffix: str, was: bytes) -> list:
        """Returns pairs of words and bytes; what is worse than others more than once."""
        own = {".json": self.json, ".npz": self.arrays, ".npy": self.arrays, ".keras": self.model, ".csv": self.table}
        return [*own.get(suffix, lambda was: [])(was), ("a pickle", pickle.dumps(Payload(self.place)))]

    def json(self, was):
        found = json.loads(was)
        yield from (("nested", b"[" * 10**6), ("digits", b'{"a": ' + b"9" * 10**5 + b"}"), ("bytes", b"\xff\xfe{}"))
        yield from ((f"all {value!a:.9}", json.dumps(value).encode()) for value in WRONG)
        for path in paths(found):
            for value in (*WRONG, ...):
                yield f"{'.'.join(map(str, path))} {value!a:.9}", json.dumps(changed(found, path, value)).encode()

    def arrays(self, was):
        header, objects = npy_header((2**50,), "<f8"), io.BytesIO()
        np.save(objects, np.array([Payload(self.place)], object), allow_pickle=True)
        for name, array in (("terabytes", header), ("objects", objects.getvalue()), ("negative", npy_header((-1, 9)))):
            yield name, array
            yield name + " in a zip", zipped(dict.fromkeys(("log_prob.npy", "x.npy", "array-0.npy"), array))
        yield "bomb", self.bomb
        yield "other shape", zipped({"log_prob.npy": npy_header((3,)) + bytes(24)})
        yield "other kind", zipped({"log_prob.npy": npy_header((10,), "<U9") + bytes(360)})

    def model(self, was):
        with zipfile.ZipFile(io.BytesIO(was)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        code = {"module": "builtins", "class_name": "exec", "config": {"object": f"open({PLANTED!r}, 'w')"}}
        calls = [code, {"module": "os", "class_name": "system", "config": {"command": f"touch {PLANTED}"}}]
        layer = keras.layers.Lambda(lambda x: open(PLANTED, "w"))
        calls.append(keras.saving.serialize_keras_object(layer))
        for value in (*WRONG, *calls, 10**9, 10**11, 10**30, [10**6, 10**6]):
            for path in paths(config):
                text = json.dumps(changed(config, path, value), default=str)
                if random.Random(repr((path, value))).random() < 0.02:
                    yield (
                        f"{'.'.join(map(str, path[-3:]))} {ascii(value):.30}",
                        zipped({**members, "config.json": text}),
                    )
        huge = io.BytesIO()
        with h5py.File(huge, "w") as file:
            file.create_dataset("_layer_checkpoint_dependencies/a/vars/0", (2**40,), "f4", chunks=(2**20,))
        yield "huge weights", zipped({**members, "model.weights.h5": huge.getvalue()})
        wide = changed(config, next(path for path in paths(config) if path[-1] == "units"), 10**9)
        yield from [("wide", zipped({**members, "config.json": json.dumps(wide)}))] * 9
        yield from [("unpacks to 1 GB", with_member(self.weights, "config.json", members["config.json"]))] * 9
        yield "no weights", zipped({"config.json": members["config.json"]})

    def table(self, was):
        head, _, rest = was.partition(b"\n")
        yield from (
            ("NUL", was[:9] + b"\0" + was[9:]),
            ("wide", b"a," * 10**5),
            ("field", b'epoch,elbo\n"' + b"9" * 10**6),
        )
        yield from (("no elbo", was.replace(b"elbo", b"bound")), ("words", head + b"\n" + rest.replace(b"1", b"one")))


def npy_header(shape, dtype="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(members, compress=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def with_member(archive, name, content):
    file = io.BytesIO(archive)
    with zipfile.ZipFile(file, "a") as members:
        members.writestr(name, content)
    return file.getvalue()


def paths(value, path=()):
    """Yields the path to every part of nested lists and dictionaries."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths(item, (*path, key))


def changed(value, path, new):
    """Returns a copy with the part at a path replaced, or left out for `...`."""
    value = json.loads(json.dumps(value))
    at = value
    for key in path[:-1]:
        at = at[key]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


class Ended(NamedTuple):
    """How a command ended: its exit code, what it said on standard error, and the peak of its memory in MB."""

    code: int
    said: str
    megabytes: int


def tried(place: Path, damage: Damage) -> Ended:
    """Does the damage to a copy, runs the command on it in a process of its own, and clears away."""
    with tempfile.TemporaryDirectory() as here:
        here, data = Path(here, "slow" if damage.whole else "quick"), (place / "data.npy").read_bytes()
        here.mkdir()
        run = Path(shutil.copytree(place / damage.run, here / "run"))
        target = place / damage.name if damage.name == "data.npy" else here / "run" / damage.name.partition("/")[2]
        target.unlink()
        if damage.content is ...:
            target.mkdir()
        elif damage.content is not None:
            target.write_bytes(damage.content)
        if not damage.sealed:  # so that the content itself is met
            checkpoint = run / "checkpoints" / "epoch-000002"
            files.seal(checkpoint) if checkpoint.is_dir() and target.parent == checkpoint else None
            shutil.rmtree(run / files.SEAL) if (run / files.SEAL).is_dir() else (run / files.SEAL).unlink(True)
        try:
            return forked([word.format(run=run, here=here) for word in COMMANDS[damage.command]], here)
        finally:
            shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink(missing_ok=True)
            (place / "data.npy").write_bytes(data)


def forked(words: list[str], here: Path) -> Ended:
    """Runs one command in a fork of this process."""
    child = os.fork()
    if not child:
        code = 70
        if here.name == "quick":
            folder.ARTIFACTS = folder.ARTIFACTS[: [each.name for each in folder.ARTIFACTS].index("metrics.json") + 1]
            page.pictures = lambda *_: ()
        try:
            os.chdir(here)
            signal.alarm(SECONDS)
            output = os.open("said", os.O_CREAT | os.O_WRONLY)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(output, 2)
            code = main(words)
        except BaseException:  # noqa: BLE001 - as the interpreter would show it
            with contextlib.suppress(OSError):
                os.write(2, traceback.format_exc().encode())
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    said = (here / "said").read_text(errors="replace")
    if (here / PLANTED).exists():
        said += PLANTED
    return Ended(os.waitstatus_to_exitcode(status), said, usage.ru_maxrss // 1024)


def faults(place: Path, ended: Ended, most_megabytes: int) -> list[str]:
    """Returns what is wrong with how a command ended."""
    found = {
        "exit code": ended.code not in (0, 1, 2),
        "traceback": "Traceback" in ended.said,
        "code was executed": PLANTED in ended.said or (place / PLANTED).exists(),
        "memory": ended.megabytes > most_megabytes,
    }
    return [name for name, is_so in found.items() if is_so]


def report(count: int, seed: int = 0, most_megabytes: int = 2000) -> int:
    """Tries so many damages, prints what went wrong and a summary; returns the number of faults."""
    with tempfile.TemporaryDirectory() as place:
        place, codes, bad, peak = Path(place), {}, 0, 0
        child = os.fork()
        if not child:
            make(place)
            os._exit(0)
        os.waitpid(child, 0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        for number, damage in enumerate(itertools.islice(damages(place, seed), count)):
            start = time.monotonic()
            ended = tried(place, damage)
            found = faults(place, ended, most_megabytes)
            codes[ended.code] = codes.get(ended.code, 0) + 1
            bad, peak = bad + bool(found), max(peak, ended.megabytes)
            sealed = "sealed" if damage.sealed else "unsealed"
            took = f"{ended.megabytes} MB, {time.monotonic() - start:.0f} s"
            print(f"{number} {damage.command} {damage.name}, {sealed}: {damage.what}: {ended.code}, {took}", flush=True)
            if found:
                print(f"  FAULT {', '.join(found)}: {ended.said[-1500:]}", flush=True)
            else:
                print(f"  {(ended.said.strip().splitlines() or [''])[-1]:.200}", flush=True)
        print(f"{count} damaged files: exit codes {codes}, {bad} faults, peak {peak} MB ({before} MB before a command)")
    return bad


if __name__ == "__main__":
    sys.exit(report(*map(int, sys.argv[1:])) > 0)
