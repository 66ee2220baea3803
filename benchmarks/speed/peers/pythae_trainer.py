"""Pythae: its models and its own trainer's epochs, with the networks of the job; and its `get_nll`.

Timed are the trainer's epochs (`train_step`: loader, loss, Adam, progress bar), without the copies of the best model
and the files that its `train` makes besides. Its encoders give a log-variance, and its decoders probabilities. The IWAE
logs a surrogate in place of the bound, so that its loss is not compared.
"""

import logging
import tempfile

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig

from benchmarks.speed.jobs import EPSILON, LEARNING_RATE, Job
from benchmarks.speed.peers.torch_by_hand import examples, layers
from benchmarks.speed.worker import Runner, serve

logging.disable(logging.WARNING)


class Encoder(BaseEncoder):
    """x to location and log-variance."""

    def __init__(self, layers: torch.nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Returns both, each `[B, D]`."""
        loc, log_variance = self.layers(x).chunk(2, dim=-1)
        return ModelOutput(embedding=loc, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """z to the probabilities of the pixels."""

    def __init__(self, layers: torch.nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layers, self.shape = layers, shape

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Returns them, `[B, *shape]`."""
        return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)).reshape(-1, *self.shape))


def model(job: Job, shape: tuple[int, ...]) -> VAE:
    """Returns Pythae's model with the job's networks."""
    settings = {"input_dim": shape, "latent_dim": job.latent, "reconstruction_loss": "bce"}
    importance = job.samples > 1 and not job.likelihood
    config = IWAEConfig(**settings, number_samples=job.samples) if importance else VAEConfig(**settings)
    encoder, decoder = layers(job)
    return (IWAE if importance else VAE)(config, encoder=Encoder(encoder), decoder=Decoder(decoder, shape))


class Train:
    """Pythae's trainer."""

    def __init__(self, job: Job) -> None:
        x = examples(job)
        made = model(job, tuple(x.shape[1:]))
        self.weights = sum(p.numel() for p in made.parameters())
        config = BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(),
            num_epochs=1000,
            learning_rate=LEARNING_RATE,
            per_device_train_batch_size=job.batch,
            optimizer_params={"eps": EPSILON},
            no_cuda=True,
        )
        self.x, self.batch, self.epoch = x, job.batch, 0
        self.trainer = BaseTrainer(made, BaseDataset(x, torch.zeros(len(x))), training_config=config)
        self.trainer.prepare_training()

    def first(self) -> None:
        """Takes one step, without the loader."""
        self.trainer._optimizers_step(self.trainer.model({"data": self.x[: self.batch]}))

    def run(self, epochs: int) -> float:
        """Trains."""
        for _ in range(epochs):
            self.epoch += 1
            loss = self.trainer.train_step(self.epoch)
            self.trainer.callback_handler.on_epoch_end(training_config=self.trainer.training_config)
        return loss


class LogProb:
    """Pythae's `get_nll`, which works on one example after the other."""

    def __init__(self, job: Job) -> None:
        self.job, self.x = job, examples(job)
        self.model = model(job, job.shape).eval()
        self.weights = sum(p.numel() for p in self.model.parameters())

    @torch.no_grad()
    def first(self) -> None:
        """Works on one batch of samples of one example."""
        self.model.get_nll(self.x[:1], n_samples=100, batch_size=100)

    @torch.no_grad()
    def run(self, epochs: int) -> float:
        """Estimates."""
        for _ in range(epochs):
            log_prob = self.model.get_nll(self.x, n_samples=self.job.samples, batch_size=min(100, self.job.samples))
        return -log_prob


def make(job: Job, variant: str) -> Runner:
    """Returns the job."""
    torch.set_flush_denormal(True)  # as TensorFlow and XLA do; Adam meets denormals after some epochs
    del variant
    torch.manual_seed(0)
    return LogProb(job) if job.likelihood else Train(job)


if __name__ == "__main__":
    serve(make)
