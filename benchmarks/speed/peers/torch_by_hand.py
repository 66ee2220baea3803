"""PyTorch by hand: modules, one loss function, fused Adam; data resident, no loader.

eager       as it is
compile     torch.compile of the loss, backward included
..._autocast    the same, products in bfloat16 by torch.autocast
log_prob    eager, without gradients, streaming over chunks of samples
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, SHIFT, Job, data, order, weights
from benchmarks.speed.worker import Runner, serve

CHUNK = 50


def layers(job: Job) -> tuple[torch.nn.Sequential, torch.nn.Sequential]:
    """Returns encoder, x to (loc, raw scale), and decoder, z to logits, with the job's weights.

    Images are `[B, C, H, W]`, and padding is symmetric here: the borders see other pixels than in TensorFlow.
    """
    activation = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[job.activation]
    sizes = [w.shape for w in weights(job)[::2]]
    if not job.conv:
        modules = [torch.nn.Linear(i, o) for i, o in job.dense]
    else:
        count = len(job.hidden)
        modules = [torch.nn.Conv2d(s[2], s[3], 3, stride=2, padding=1) for s in sizes[:count]]
        modules += [torch.nn.Linear(*s) for s in sizes[count : count + 2]]
        modules += [
            torch.nn.ConvTranspose2d(s[3], s[2], 3, stride=2, padding=1, output_padding=1)
            for s in sizes[count + 2 : -1]
        ]
        modules += [torch.nn.Conv2d(*sizes[-1], 1)]
    values = iter(weights(job))
    for module in modules:
        kernel, bias = (torch.from_numpy(next(values)) for _ in range(2))
        kernel = kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        with torch.no_grad():
            module.weight.copy_(kernel.reshape(module.weight.shape))
            module.bias.copy_(bias)
    split = len(job.hidden) + 1
    encoder, decoder = ([], [])
    for index, module in enumerate(modules):
        own, last = (encoder, split - 1) if index < split else (decoder, len(modules) - 1)
        if job.conv and index == split - 1:
            own.append(torch.nn.Flatten())
        own += [module] if index == last else [module, activation()]
        if job.conv and index == split:
            side = job.shape[0] // 2 ** len(job.hidden)
            own.append(torch.nn.Unflatten(-1, (job.hidden[-1], side, side)))
    return torch.nn.Sequential(*encoder), torch.nn.Sequential(*decoder)


def examples(job: Job) -> torch.Tensor:
    """Returns the data; images with channels first."""
    x = torch.from_numpy(data(job))
    return x.permute(0, 3, 1, 2).contiguous() if job.conv else x


class Model(torch.nn.Module):
    """The variational autoencoder; called, it gives its loss."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.encoder, self.decoder = layers(job)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns location and scale, each `[B, D]`."""
        loc, raw = self.encoder(x).chunk(2, dim=-1)
        return loc, F.softplus(raw + SHIFT)

    def log_likelihood(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Returns log p(x | z), `[S, B]` or `[B]`."""
        logits = self.decoder(z)
        terms = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        return -terms.flatten(-len(self.job.shape)).sum(-1)

    def log_weight(self, x: torch.Tensor, loc: torch.Tensor, scale: torch.Tensor, samples: int) -> torch.Tensor:
        """Returns log p(x, z) - log q(z | x), `[S, B]`."""
        eps = torch.randn(samples, *loc.shape, device=loc.device)
        z = loc + scale * eps
        return self.log_likelihood(x, z) + 0.5 * (eps**2 - z**2).sum(-1) + scale.log().sum(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the mean of the negative bound, in nats."""
        loc, scale = self.encode(x)
        if self.job.samples > 1:
            weight = self.log_weight(x, loc, scale, self.job.samples)
            return -(torch.logsumexp(weight, 0) - math.log(self.job.samples)).mean()
        z = loc + scale * torch.randn_like(loc)
        kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)
        return (kl - self.log_likelihood(x, z)).mean()


class Train:
    """Adam on the loss."""

    def __init__(self, job: Job, compiled: bool, autocast: bool) -> None:
        torch.manual_seed(0)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=autocast)
        self.job, self.x, self.random = job, examples(job), np.random.default_rng(0)
        model = Model(job)
        self.weights = sum(p.numel() for p in model.parameters())
        self.optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)
        self.loss = torch.compile(model) if compiled else model

    def step(self, rows: torch.Tensor) -> torch.Tensor:
        """Takes a step on the given rows."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            loss = self.loss(self.x[rows])
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def first(self) -> None:
        """Takes one step."""
        self.step(torch.from_numpy(order(self.job, self.random))[0])

    def run(self, epochs: int) -> float:
        """Trains."""
        for _ in range(epochs):
            rows = torch.from_numpy(order(self.job, self.random))
            total = torch.zeros(())
            for batch in rows:
                total += self.step(batch)
        return float(total) / len(rows)


class LogProb:
    """The importance-sampled likelihood."""

    def __init__(self, job: Job) -> None:
        torch.manual_seed(0)
        self.job, self.x, self.model = job, examples(job), Model(job)
        self.weights = sum(p.numel() for p in self.model.parameters())

    @torch.no_grad()
    def block(self, x: torch.Tensor, samples: int) -> torch.Tensor:
        """Returns log p(x) of some rows, `[B]`."""
        loc, scale = self.model.encode(x)
        size, total = min(CHUNK, samples), torch.full([len(x)], -math.inf)
        for _ in range(samples // size):
            weight = self.model.log_weight(x, loc, scale, size)
            total = torch.logaddexp(total, torch.logsumexp(weight, 0))
        return total - math.log(samples)

    def first(self) -> None:
        """Works on one chunk."""
        self.block(self.x[: self.job.batch], CHUNK)

    def run(self, epochs: int) -> float:
        """Estimates."""
        for _ in range(epochs):
            values = [self.block(x, self.job.samples) for x in self.x.split(self.job.batch)]
        return -float(torch.cat(values).mean())


def make(job: Job, variant: str) -> Runner:
    """Returns the job in this variant."""
    torch.set_flush_denormal(True)  # as TensorFlow and XLA do; Adam meets denormals after some epochs
    return LogProb(job) if job.likelihood else Train(job, variant.startswith("compile"), variant.endswith("autocast"))


if __name__ == "__main__":
    serve(make)
