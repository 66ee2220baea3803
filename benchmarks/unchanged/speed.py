"""Ratios of times: two processes, one for each version, are given the same calls of about a second in turn.

ratio = median over pairs of after / before,  with the 95% interval of a bootstrap over pairs;   below 1: faster

python -m benchmarks.unchanged.speed      in a tree: a worker of `benchmarks.speed.worker`
"""

import dataclasses
import subprocess
import time
from pathlib import Path

import numpy as np

from benchmarks.speed.driver import PAUSE, Worker, say
from benchmarks.speed.jobs import EPSILON, JOBS, LEARNING_RATE, SMOKE, Job, data
from benchmarks.unchanged.trees import command, environment

CALL = 1.0  # seconds
VARIANTS = {"fit": ("a", "b20", "e"), "fit_xla": ("a", "b20", "e"), "evaluate": ("a",), "log_prob": ("d",)}


def model(job: Job, jit_compile: bool):
    """Returns the job's model, compiled, from a fixed seed."""
    import keras

    import tfvae

    keras.utils.set_random_seed(0)
    vae = tfvae.VAE(
        tfvae.posteriors.DiagonalNormal(job.latent, network=tfvae.networks.mlp(job.hidden, job.activation)),
        tfvae.likelihoods.Bernoulli(job.shape, network=tfvae.networks.mlp(job.hidden[::-1], job.activation)),
        seed=0,
    )
    plain = job.likelihood or job.samples == 1
    vae.compile(
        keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON),
        objective=tfvae.objectives.ELBO() if plain else tfvae.objectives.IWAE(job.samples),
        jit_compile=jit_compile,
    )
    return vae


class Call:
    """A method of the model, called on the job's data."""

    def __init__(self, job: Job, variant: str) -> None:
        self.job, self.variant, self.x = job, variant, data(job)
        self.vae = model(job, jit_compile=variant == "fit_xla")
        self.weights = self.vae.count_params()

    def first(self) -> None:
        """Compiles."""
        self.run(1)

    def run(self, epochs: int) -> float:
        """Calls so many times, or fits so many epochs."""
        x, batch = self.x, self.job.batch
        if self.variant.startswith("fit"):
            return self.vae.fit(x, batch_size=batch, epochs=epochs, verbose=0).history["loss"][-1]
        for seed in range(epochs):
            if self.variant == "evaluate":
                loss = self.vae.evaluate(x, batch_size=batch, verbose=0, return_dict=True)["loss"]
            else:
                loss = -np.mean(self.vae.log_prob(x, num_samples=self.job.samples, seed=seed))
        return float(loss)


class Side(Worker):
    """The process of one version."""

    def __init__(self, tree: Path, log: Path) -> None:
        self.spawned, self.log = time.time(), log
        self.process = subprocess.Popen(
            command("speed"), cwd=tree, env=environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w"),
        )  # fmt: skip


def measure(trees: list[Path], pairs: int, jobs: list[str], smoke: bool = False) -> dict[str, dict]:
    """Returns, for each job and variant, the ratio with its interval, the seconds, and whether the losses are equal.

    Args:
        trees: of the version before and the one after.
        pairs: how many calls of each.
        jobs: names of jobs.
        smoke: less work.
    """
    results = {}
    sides = [Side(tree, tree.with_name(f"{tree.name}-speed.log")) for tree in trees]
    for variant, able in [("fit", ("e",))] if smoke else VARIANTS.items():
        for name in [name for name in able if name in jobs]:
            job = (SMOKE if smoke else JOBS)[name]
            if name == "d" and not smoke:
                job = dataclasses.replace(job, samples=2500)  # about a second
            request = {"job": dataclasses.asdict(job), "variant": variant}
            for side in sides:
                side.ask(**request, spawned=side.spawned)
            warm = [side.ask(epochs=job.epochs)["seconds"] for side in sides]
            epochs = job.epochs if smoke else max(1, round(job.epochs * CALL / min(warm)))
            rounds = []
            for number in range(pairs):
                answers = {}
                for index in (0, 1) if number % 2 else (1, 0):
                    time.sleep(PAUSE)
                    answers[index] = sides[index].ask(epochs=epochs)
                rounds.append([answers[0], answers[1]])
            results[f"{job.title}: {variant}"] = summary(rounds)
            say(f"  {job.title}: {variant} {results[f'{job.title}: {variant}']['ratio']:.3f}")
    for side in sides:
        side.close()
    return results


def summary(rounds: list[list[dict]]) -> dict:
    """Returns what the pairs of answers say."""
    seconds = np.array([[answer["seconds"] for answer in pair] for pair in rounds])
    ratios, random = seconds[:, 1] / seconds[:, 0], np.random.default_rng(0)
    medians = np.median(random.choice(ratios, [4000, len(ratios)]), axis=1)
    return {
        "ratio": float(np.median(ratios)),
        "interval": np.quantile(medians, [0.025, 0.975]).tolist(),
        "pairs": len(ratios),
        "seconds": np.median(seconds, axis=0).tolist(),
        "same_loss": all(before["loss"] == after["loss"] for before, after in rounds),
    }


if __name__ == "__main__":
    import tfvae
    from benchmarks.speed.worker import serve
    from benchmarks.unchanged.trees import check_import

    check_import(tfvae.__file__)
    serve(Call)
