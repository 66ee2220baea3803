"""Runs the contenders of a job side by side: A B C, A B C, ..., so that a busy minute hits all alike.

Each contender has a process of its own, started before the first round and idle while another one works. Round zero is
for warming up and for the check that all do the same work: as many weights, and the same loss after one epoch from the
same start. The rounds after it are timed, each in the reverse order of the one before.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speed.contenders import Contender
from benchmarks.speed.jobs import Job

ROOT = Path(__file__).parents[2]
TOLERANCE = 0.03  # of the loss, relative to the median contender
PAUSE = 0.3  # seconds in which the threads of the process before go to sleep


class Worker:
    """A contender's process.

    Args:
        contender: which.
        folder: of the peers' environments.
        log: file for what it prints.
    """

    def __init__(self, contender: Contender, folder: Path, log: Path) -> None:
        self.spawned, self.log = time.time(), log
        self.process = subprocess.Popen(
            [contender.python(folder), "-m", f"benchmarks.speed.peers.{contender.module}"],
            cwd=ROOT,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "CUDA_VISIBLE_DEVICES": "-1",
                "TF_XLA_FLAGS": contender.flags,
                "TORCHINDUCTOR_CACHE_DIR": tempfile.mkdtemp(dir=log.parent),  # nobody starts with a warm cache
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )

    def ask(self, **request: object) -> dict:
        """Returns the answer to one request; raises `RuntimeError` with the end of the log if there is none."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            last = self.log.read_text().strip().splitlines()[-1:]
            raise RuntimeError(*(last or ["it ended without a word"]))
        return json.loads(answer)

    def build(self, job: Job, contender: Contender) -> dict:
        """Builds the job; returns what it says when it is ready."""
        return self.ask(job=dataclasses.asdict(job), variant=contender.variant, spawned=self.spawned)

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def say(text: str) -> None:
    """Prints progress."""
    print(text, file=sys.stderr, flush=True)


def measure(job: Job, contenders: list[Contender], rounds: int, folder: Path, logs: Path) -> dict:
    """Returns what each contender did: how it started, and its answers round by round.

    Args:
        job: the work.
        contenders: those that can do it and are installed.
        rounds: number of timed rounds.
        folder: of the peers' environments.
        logs: folder for what they print.
    """
    logs.mkdir(parents=True, exist_ok=True)
    workers, results = {}, {}
    for number, contender in enumerate(contenders):
        say(f"  starting {contender.name}")
        worker = Worker(contender, folder, logs / f"{number}.log")
        try:
            results[contender.name] = {"role": contender.role, "start": worker.build(job, contender), "rounds": []}
            workers[contender.name] = worker
        except RuntimeError as error:
            worker.close()
            results[contender.name] = {"role": contender.role, "failed": str(error)}
            say(f"  FAILED {contender.name}: {error}")
    load = []
    for number in range(rounds + 1):
        load.append(os.getloadavg()[0])
        for name in list(workers)[:: 1 if number % 2 else -1]:
            time.sleep(PAUSE)
            answer = workers[name].ask(epochs=job.epochs if number else 1)
            if number:
                results[name]["rounds"].append(answer)
            else:
                results[name]["check"] = answer
        say(f"  round {number} of {rounds} done")
    for worker in workers.values():
        worker.close()
    return outcome(job, contenders, results, load)


def smoke(jobs: dict[str, Job], contenders: list[Contender], folder: Path, logs: Path) -> dict[str, dict]:
    """Returns results like those of `measure` with one round, from one process for each of the peers' files.

    The first contender of a file does all its jobs, the others the last one of theirs: every line of a peer is run, and
    most of the time goes into imports and compilers.

    Args:
        jobs: name to work; the last ones should be the quickest.
        contenders: those that are installed.
        folder: of the peers' environments.
        logs: folder for what they print.
    """
    logs.mkdir(parents=True, exist_ok=True)
    found = {name: {} for name in jobs}
    for module in dict.fromkeys(contender.module for contender in contenders):
        start, worker = time.time(), None
        for number, contender in enumerate(c for c in contenders if c.module == module):
            able = [name for name in jobs if name in contender.jobs]
            for name in able if number == 0 else able[-1:]:
                worker = worker or Worker(contender, folder, logs / f"{module}.log")
                result = found[name][contender.name] = {"role": contender.role}
                try:
                    start_answer, answer = worker.build(jobs[name], contender), worker.ask(epochs=1)
                    result.update(start=start_answer, check=answer, rounds=[answer])
                except RuntimeError as error:
                    result["failed"] = str(error)
                    worker.close()
                    worker = None
        if worker:
            worker.close()
        say(f"  {module}: {time.time() - start:.0f} s")
    return {name: outcome(job, contenders, found[name], [os.getloadavg()[0]]) for name, job in jobs.items()}


def outcome(job: Job, contenders: list[Contender], found: dict, load: list[float]) -> dict:
    """Returns the result of a job: what was found, under which load, and whether all did the same work."""
    return {
        "job": dataclasses.asdict(job),
        "contenders": found,
        "load": load,
        "differences": differences(contenders, found),
    }


def differences(contenders: list[Contender], results: dict) -> list[str]:
    """Returns where contenders do not do the same work: another number of weights, or another loss."""
    good = [c for c in contenders if "check" in results.get(c.name, {})]
    weights = {c.name: results[c.name]["start"]["weights"] for c in good}
    losses = {c.name: results[c.name]["check"]["loss"] for c in good if c.compares_loss}
    found = [f"{name} has {n} weights" for name, n in weights.items() if n != statistics.mode(weights.values())]
    if losses:
        middle = statistics.median(losses.values())
        found += [
            f"{name} has loss {loss:.3f}, the median is {middle:.3f}"
            for name, loss in losses.items()
            if not abs(loss - middle) <= TOLERANCE * abs(middle)
        ]
    return found
