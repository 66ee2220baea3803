"""tfvae as its users run it: `vae.fit(x, epochs=...)` on the grey images, binarised inside the model."""

import keras
import numpy as np

import tfvae
from benchmarks.quality.task import HIDDEN, LATENT, PIXELS, Recorder, Settings, main, weights

ESTIMATORS = {
    "pathwise": tfvae.estimators.Pathwise(),
    "stl": tfvae.estimators.StickingTheLanding(),
    "dreg": tfvae.estimators.DoublyReparameterized(),
}


@keras.saving.register_keras_serializable(package="quality")
class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of the settings, as Keras wants it.

    Args:
        settings: whose rate.
        steps: in a pass over the data.
    """

    def __init__(self, settings: Settings, steps: int) -> None:
        self.settings, self.steps = settings, steps

    def __call__(self, step) -> object:
        """Returns the rate of a step."""
        return self.settings.rate(keras.ops.cast(step, "float32") / self.steps, keras.ops)


class Record(keras.callbacks.Callback):
    """Hands the weights to the recorder after each epoch."""

    def __init__(self, recorder: Recorder, settings: Settings) -> None:
        super().__init__()
        self.recorder, self.settings, self.over = recorder, settings, False

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stops the training when the time is up."""
        last = epoch + 1 == self.settings.epochs
        self.over = self.recorder.epoch_end(epoch + 1, self.weights, last)
        self.model.stop_training |= self.over

    def weights(self) -> list[np.ndarray]:
        """Returns the weights, or their averages where Adam keeps them, in the order of the task."""
        optimizer = self.model.optimizer
        kept = optimizer._model_variables_moving_average if optimizer.use_ema else optimizer._trainable_variables
        value = {id(v): a for v, a in zip(optimizer._trainable_variables, kept, strict=True)}
        return [value[id(v)].numpy() for v in in_order(self.model)]


def in_order(vae: tfvae.VAE) -> list[keras.Variable]:
    """Returns the model's weights in the order of the task."""
    layers = (vae.posterior.network, vae.posterior.head, vae.likelihood.network, vae.likelihood.head)
    return [v for layer in layers for v in layer.trainable_variables]


def model() -> tfvae.VAE:
    """Returns the model, which takes grey images from 0 to 255."""
    return tfvae.VAE(
        tfvae.posteriors.DiagonalNormal(LATENT, network=tfvae.networks.mlp(HIDDEN, "tanh")),
        tfvae.likelihoods.Bernoulli(PIXELS, network=tfvae.networks.mlp(HIDDEN[::-1], "tanh")),
        preprocessing=[keras.layers.Rescaling(1 / 255), tfvae.preprocessing.StochasticBinarization()],
        seed=0,
    )


def train(data: dict[str, np.ndarray], settings: Settings, recorder: Recorder, seed: int) -> None:
    """Trains until the recorder says stop."""
    recorder.start()
    keras.utils.set_random_seed(seed)
    vae, x = model(), data["train"]
    for variable, value in zip(in_order(vae), weights(x, seed, settings.output_bias), strict=True):
        variable.assign(value)
    averaged = {"use_ema": True, "ema_momentum": settings.average} if settings.average else {}
    rate = Rate(settings, -(-len(x) // settings.batch))
    adam = keras.optimizers.Adam(rate, epsilon=settings.epsilon, **averaged)
    record = Record(recorder, settings)
    for epochs, samples, estimator in settings.parts():
        vae.compile(
            adam,
            objective=tfvae.objectives.IWAE(samples) if samples > 1 else tfvae.objectives.ELBO(),
            estimator=ESTIMATORS[estimator],
            jit_compile=True,
        )
        how = {"initial_epoch": epochs.start, "epochs": epochs.stop, "callbacks": [record], "verbose": 0}
        vae.fit(x, batch_size=settings.batch, **how)
        if record.over:
            return


if __name__ == "__main__":
    main(train)
