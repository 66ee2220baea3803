"""Pythae's VAE, trained by its own trainer with its defaults: Adam at 1e-4, batch 64, no decay.

Only the networks are ours: of the same sizes, in PyTorch's own initialisation, as the documentation of Pythae builds
them; its encoder gives a log-variance, its decoder probabilities. The data set draws its images when the loader asks
for a batch, all at once (`__getitems__`), which is the cheapest way there is: about 4% of a step.
"""

import itertools
import logging
import tempfile

import numpy as np
import torch
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from benchmarks.quality.task import LATENT, LAYERS, PIXELS, Recorder, Settings, main

HALF = len(LAYERS) // 2
logging.disable(logging.WARNING)


class Binarized(BaseDataset):
    """Grey images, drawn anew at every visit."""

    def __getitems__(self, indices: list[int]) -> list[DatasetOutput]:
        """Returns a draw of each image."""
        grey = self.data[indices]
        drawn = (torch.rand_like(grey) < grey).float()
        return [DatasetOutput(data=x, labels=y) for x, y in zip(drawn, self.labels[indices], strict=True)]


def network(layers: tuple) -> torch.nn.Sequential:
    """Returns tanh layers and a linear one."""
    parts = [(torch.nn.Linear(*pair), torch.nn.Tanh()) for pair in layers]
    return torch.nn.Sequential(*itertools.chain(*parts))[:-1]


class Encoder(BaseEncoder):
    """x to location and log-variance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network(LAYERS[:HALF])

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Returns both, each `[B, D]`."""
        loc, log_variance = self.layers(x).chunk(2, dim=-1)
        return ModelOutput(embedding=loc, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """z to the probabilities of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = network(LAYERS[HALF:])

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Returns them, `[B, 784]`."""
        return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))


class TimeIsUp(Exception):
    """Ends the trainer's loop, which has no other way out."""


class Record(TrainingCallback):
    """Hands the weights to the recorder after each epoch."""

    def __init__(self, recorder: Recorder, model: VAE) -> None:
        self.recorder, self.model, self.epoch = recorder, model, 0

    def weights(self) -> list[np.ndarray]:
        """Returns kernel, bias, ... in the order of the task; the raw scale is half the log-variance."""
        made = [p.detach().numpy().T.copy() for part in (self.model.encoder, self.model.decoder)
                for p in part.parameters()]  # fmt: skip
        for raw in made[2 * HALF - 2 : 2 * HALF]:
            raw[..., LATENT:] /= 2
        return made

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        """Stops the training when the time is up."""
        self.epoch += 1
        if self.recorder.epoch_end(self.epoch, self.weights, self.epoch == training_config.num_epochs):
            raise TimeIsUp


def train(data: dict[str, np.ndarray], settings: Settings, recorder: Recorder, seed: int) -> None:
    """Trains until the recorder says stop; the settings are Pythae's own."""
    recorder.start()
    torch.manual_seed(seed)
    x = torch.tensor(data["train"], dtype=torch.float32) / 255
    config = VAEConfig(input_dim=(PIXELS,), latent_dim=LATENT, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())
    trainer = BaseTrainer(
        model,
        Binarized(x, torch.zeros(len(x))),
        training_config=BaseTrainerConfig(output_dir=tempfile.mkdtemp(), num_epochs=10_000, no_cuda=True, seed=seed),
        callbacks=[Record(recorder, model)],
    )
    try:
        trainer.train()
    except TimeIsUp:
        return


if __name__ == "__main__":
    main(train, scale="exp")
