"""The command line of the speed suite.

    python -m benchmarks.speed setup [--peers FOLDER]
    python -m benchmarks.speed [--jobs a b20 ...] [--rounds 5] [--only NAME ...] [--smoke] [--out FOLDER]

Jobs of a run replace those of the same name in the JSON; each says when and on what it was measured.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.page.origin import recorded
from benchmarks.speed import driver, jobs, report
from benchmarks.speed.contenders import CONTENDERS, DEFAULT_FOLDER, Contender, set_up


def machine() -> str:
    """Returns what the machine is, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}"


def installed(folder: Path, only: list[str] | None) -> list[Contender]:
    """Returns the contenders that can run; says which cannot."""
    chosen = [c for c in CONTENDERS if not only or any(word.lower() in c.name.lower() for word in only)]
    for environment in dict.fromkeys(c.environment for c in chosen if c.missing(folder)):
        print(f"skipped, not installed: {environment} (python -m benchmarks.speed setup --peers {folder})")
    return [c for c in chosen if not c.missing(folder)]


def main(arguments: list[str] | None = None) -> int:
    """Sets up or measures; returns 1 if a contender failed or did other work than the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=["run", "setup"], default="run")
    parser.add_argument("--peers", type=Path, default=DEFAULT_FOLDER, help="folder of the peers' environments")
    parser.add_argument("--jobs", nargs="+", choices=list(jobs.JOBS), default=None)
    parser.add_argument("--only", nargs="+", help="contenders whose names contain one of these words")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a tiny version, whose times mean nothing")
    parser.add_argument("--out", type=Path, default=None, help="folder of speed.json and speed.png")
    options = parser.parse_args(arguments)
    folder = options.peers.resolve()
    if options.command == "setup":
        set_up(folder)
        return 0
    command = recorded("speed", sys.argv[1:] if arguments is None else arguments)
    start, contenders = time.time(), installed(folder, options.only)
    logs = Path(tempfile.mkdtemp(prefix="speed-"))
    chosen = jobs.SMOKE if options.smoke else jobs.JOBS
    chosen = {name: job for name, job in chosen.items() if not options.jobs or name in options.jobs}
    if options.smoke:
        results = driver.smoke(chosen, contenders, folder, logs)
    else:
        results = {}
        for name, job in chosen.items():
            driver.say(f"({name}) {job.title}")
            own = [c for c in contenders if name in c.jobs]
            results[name] = driver.measure(job, own, options.rounds, folder, logs / name)
    for name, result in results.items():
        result["measured"] = {
            "machine": machine(),
            "python": platform.python_version(),
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": command,
        }
        print(f"\n### ({name}) {report.job_of(result).title}\n\n{report.table(result)}")
    out = options.out or (Path(tempfile.mkdtemp()) if options.smoke else Path("benchmarks/results"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "speed.json"
    everything = {**(json.loads(path.read_text()) if path.exists() else {}), **results}
    everything = {name: everything[name] for name in jobs.JOBS if name in everything}
    path.write_text(json.dumps(everything, indent=1) + "\n")
    report.picture(everything, out / "speed.png")
    print(f"\n{time.time() - start:.0f} s; {path}, {out / 'speed.png'}; the workers' words: {logs}")
    failed = any("failed" in r for result in results.values() for r in result["contenders"].values())
    return int(failed or any(result["differences"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
