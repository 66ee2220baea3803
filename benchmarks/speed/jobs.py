"""The work, in NumPy alone: which network on which data, and the weights that every contender starts from.

    train:       one epoch is rows / batch steps of Adam on the ELBO (k = 1) or the bound of k samples (k > 1)
    likelihood:  log p(x) of every row with k importance samples

Encoder x -> hidden -> (loc, raw scale) of D dimensions, decoder z -> hidden reversed -> logits of a Bernoulli over x.
The data are binary images made from ten random prototypes, which need no download: how long dense algebra takes depends
on values only where numbers become denormal, as some do after several epochs. TensorFlow and XLA take them for zero,
and PyTorch is told to: it was up to four times as slow.
"""

import dataclasses
import math

import numpy as np

LEARNING_RATE, EPSILON = 1e-3, 1e-7  # of Adam, for all
SHIFT = math.log(math.e - 1)  # scale = softplus(raw + SHIFT): one where raw is zero


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        title: what it is, in words.
        shape: of one example.
        hidden: widths of the encoder's layers, or with `conv` channels of its stride-2 convolutions; the decoder has
            them reversed.
        latent: number of latent dimensions D.
        activation: of the hidden layers.
        samples: k.
        batch: examples in a step; in a likelihood job, rows that are worked on together.
        rows: examples in the data, a multiple of `batch`.
        epochs: passes over them that are timed together.
        conv: convolutions in place of dense layers.
        likelihood: estimate log p(x) in place of training.
        half_a_minute: steps that take so long on two cores.
    """

    title: str
    shape: tuple[int, ...]
    hidden: tuple[int, ...]
    latent: int
    activation: str
    samples: int
    batch: int
    rows: int
    epochs: int = 1
    conv: bool = False
    likelihood: bool = False
    half_a_minute: int = 1

    @property
    def pixels(self) -> int:
        """Numbers in one example."""
        return math.prod(self.shape)

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return self.rows // self.batch

    @property
    def dense(self) -> list[tuple[int, int]]:
        """Inputs and outputs of the dense layers, in the order of `weights`; not for convolutions."""
        encoder = [self.pixels, *self.hidden, 2 * self.latent]
        decoder = [self.latent, *self.hidden[::-1], self.pixels]
        return [pair for widths in (encoder, decoder) for pair in zip(widths, widths[1:], strict=False)]


# A round is seconds of one call, so that what a call of `fit` costs, 60 to 90 ms in (a), is little beside it, as it is
# in a fit of half a minute, which the jobs are about; of convolutions one epoch, since JAX takes 15 s for it.
JOBS = {
    "a": Job("MLP 784-500-500-50, batch 128", (784,), (500, 500), 50, "relu", 1, 128, 19200, 4, half_a_minute=4000),
    "b20": Job(
        "IWAE net 784-200-200-50, k = 50, batch 20", (784,), (200, 200), 50, "tanh", 50, 20, 800, 10, half_a_minute=3000
    ),
    "b128": Job(
        "IWAE net 784-200-200-50, k = 50, batch 128",
        (784,),
        (200, 200),
        50,
        "tanh",
        50,
        128,
        1280,
        6,
        half_a_minute=500,
    ),
    "c": Job(
        "convolutions 32-64, 28x28, batch 64",
        (28, 28, 1),
        (32, 64),
        16,
        "relu",
        1,
        64,
        640,
        conv=True,
        half_a_minute=1200,
    ),
    "d": Job("log p(x) of 100 images, 5000 samples", (784,), (200, 200), 50, "tanh", 5000, 100, 100, likelihood=True),
    "e": Job("digits 64-64-64-8, batch 32", (64,), (64, 64), 8, "relu", 1, 32, 1408, epochs=100, half_a_minute=150_000),
}
JOBS |= {  # what products in bfloat16 give; several epochs, so that what a call of `fit` costs is little beside them
    "a16": dataclasses.replace(JOBS["a"], title="bfloat16: MLP 784-500-500-50, batch 128", epochs=2),
    "b16": dataclasses.replace(JOBS["b128"], title="bfloat16: IWAE net 784-200-200-50, k = 50, batch 128", epochs=4),
    "w16": dataclasses.replace(
        JOBS["a"], title="bfloat16: MLP 784-1000-1000-50, batch 500", hidden=(1000, 1000), batch=500, rows=10_000,
        epochs=5, half_a_minute=600,
    ),
}  # fmt: skip

SMOKE = {  # a job of each kind, less of it
    "c": dataclasses.replace(JOBS["c"], rows=128),
    "d": dataclasses.replace(JOBS["d"], rows=10, batch=10, samples=100, title="log p(x) of 10 images, 100 samples"),
    "a16": dataclasses.replace(JOBS["e"], rows=320, epochs=1, title="bfloat16: digits 64-64-64-8, batch 32"),
    "e": dataclasses.replace(JOBS["e"], rows=320, epochs=1),
}


def data(job: Job) -> np.ndarray:
    """Returns the job's binary examples, `[rows, *shape]`, float32."""
    random = np.random.default_rng(0)
    prototypes = random.random((10, job.pixels)) ** 3
    x = random.random((job.rows, job.pixels)) < prototypes[random.integers(0, 10, job.rows)]
    return x.astype(np.float32).reshape(job.rows, *job.shape)


def weights(job: Job) -> list[np.ndarray]:
    """Returns kernel, bias, kernel, bias, ... of encoder layers, posterior head, decoder layers, likelihood head.

    Kernels are in the layout of Keras: dense `[in, out]`, convolution `[h, w, in, out]`, transposed `[h, w, out, in]`.
    """
    if not job.conv:
        shapes = [(pair, pair[1]) for pair in job.dense]
    else:
        side = job.shape[0] // 2 ** len(job.hidden)
        flat, channels = side * side * job.hidden[-1], (job.shape[-1], *job.hidden)
        shapes = [((3, 3, i, o), o) for i, o in zip(channels, job.hidden, strict=False)]
        shapes += [((flat, 2 * job.latent), 2 * job.latent), ((job.latent, flat), flat)]
        back = (job.hidden[-1], *job.hidden[::-1])
        shapes += [((3, 3, o, i), o) for i, o in zip(back, back[1:], strict=False)]
        shapes += [((job.hidden[0], job.shape[-1]), job.shape[-1])]
    random = np.random.default_rng(1)
    made = []
    for kernel, bias in shapes:
        field = math.prod(kernel[:-2])
        deviation = math.sqrt(2 / (field * (kernel[-1] + kernel[-2])))
        made += [random.normal(0, deviation, kernel).astype(np.float32), np.zeros(bias, np.float32)]
    return made


def order(job: Job, random: np.random.Generator) -> np.ndarray:
    """Returns a shuffled epoch: the row numbers of each step, `[steps, batch]`, int32."""
    return random.permutation(job.rows).astype(np.int32).reshape(job.steps, job.batch)
