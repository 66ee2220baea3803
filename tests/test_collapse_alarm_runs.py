"""The collapse alarm on training runs: raised within 3 epochs of a collapse, silent where z is used."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.datasets import load_digits
from tiny import tiny_vae

import tfvae
from tfvae import objectives
from tfvae.callbacks import CollapseAlarm

tfd = tfp.distributions


# Training runs: a collapse is dated by the rate of the whole validation set, which the alarm does not look at.


class Causal(tfd.Distribution):
    """Binary pixels in order, each given those before it: logit_i = logits_i + sum_{j < i} kernel_ji (2 x_j - 1)."""

    def __init__(self, logits, kernel, name="Causal"):
        parameters = dict(locals())
        self.logits, self.kernel = logits, kernel
        super().__init__(tf.float32, tfd.NOT_REPARAMETERIZED, False, True, parameters, name=name)

    def _batch_shape(self):
        return self.logits.shape[:-1]

    def _event_shape(self):
        return self.logits.shape[-1:]

    def _log_prob(self, x):
        logits = self.logits + (2 * x - 1) @ self.kernel
        return tf.reduce_sum(x * logits - tf.math.softplus(logits), axis=-1)


class CausalBernoulli(tfvae.likelihoods.Likelihood):
    """A decoder that models a chain of pixels without z."""

    support = tfvae.core.sets.BINARY

    def head_shapes(self):
        return {"logits": self.event_shape}

    def build_own(self):
        size = self.event_shape[0]
        start = keras.initializers.Constant(np.diag(np.full(size - 1, 1.5), 1))  # it has read some chains before
        self.kernel = self.add_weight(shape=(size, size), initializer=start, name="kernel")
        self.earlier = tf.constant(np.triu(np.ones([size, size]), 1), tf.float32)

    def distribution(self, logits):
        return Causal(logits, self.kernel * self.earlier)


def chains(rows, size, seed):
    """Binary chains that keep their value from pixel to pixel with probability 0.9."""
    rng = np.random.default_rng(seed)
    flips = rng.random([rows, size]) < np.where(np.arange(size), 0.1, 0.5)
    return (np.cumsum(flips, axis=1) % 2).astype(np.float32)


def digits():
    return (load_digits().data / 16 > 0.5).astype(np.float32)


def train(data, decoder, seed, epochs=10, units=(64, 64), latent=8, **objective):
    keras.utils.set_random_seed(seed)
    network = tfvae.networks.mlp(units)
    options = {"network": network, "seed": seed, "optimizer": 1e-3, "objective": objectives.ELBO(**objective)}
    vae = tiny_vae(decoder, data.shape[1], latent, units, **options)
    train, valid = data[:-360], data[-360:]
    alarm = CollapseAlarm(valid[:200])
    fit = vae.fit(train, validation_data=valid, batch_size=32, epochs=epochs, verbose=0, callbacks=[alarm])
    return fit.history["val_rate"], [event.epoch for event in alarm.alarms], fit.history["active_units"]


def collapse_epoch(rates):
    """The first epoch, from 1, from which on the rate of the whole validation set stays under 0.1 nats, or None."""
    return next((e + 1 for e in range(len(rates) - 2) if max(rates[e:]) < 0.1), None)


RUNS = {
    "chains, causal decoder": lambda seed: train(chains(1800, 32, seed), CausalBernoulli, seed),
    "digits, beta 4": lambda seed: train(digits(), tfvae.likelihoods.Bernoulli, seed, beta=4.0),
    "chains, independent pixels": lambda seed: train(chains(1800, 32, seed), tfvae.likelihoods.Bernoulli, seed),
    "digits, 50 units": lambda seed: train(digits(), tfvae.likelihoods.Bernoulli, seed, units=(200, 200), latent=50),
}
COLLAPSING = ("chains, causal decoder", "digits, beta 4")


def check_runs(name, seeds):
    runs = [RUNS[name](seed) for seed in seeds]
    collapsed = [collapse_epoch(rates) for rates, _, _ in runs]
    alarms = [epochs for _, epochs, _ in runs]
    last = ", ".join(f"{rates[-1]:.2g}/{active[-1]:.0f}" for rates, _, active in runs)
    told = [" ".join(map(str, epochs)) or "-" for epochs in alarms]
    print("\n| case | seeds | epoch of the collapse | epochs of the alarms | last rate (nats) / active units |")
    print("|---|---|---|---|---|")
    shown = ", ".join(str(epoch or "-") for epoch in collapsed)
    print(f"| {name} | {seeds[0]} to {seeds[-1]} | {shown} | {', '.join(told)} | {last} |")
    if name in COLLAPSING:
        assert all(epochs is not None for epochs in collapsed) and all(len(epochs) == 1 for epochs in alarms)
        assert all(0 <= epochs[0] - epoch <= 3 for epoch, epochs in zip(collapsed, alarms, strict=True))
    else:
        assert not any(collapsed) and not any(alarms)


@pytest.mark.parametrize("name", RUNS)
def test_collapse_raises_the_alarm_and_a_healthy_run_does_not(name):
    check_runs(name, range(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_collapse_raises_the_alarm_and_a_healthy_run_does_not_over_ten_seeds(name):
    """Seeds 100 to 109, on which nothing was chosen: the rule was made on seeds 0 to 9.

    Ten quiet runs of ten still allow a false-alarm rate of 26% at 95% confidence, 1 - 0.05^(1/10); so do ten alarms in
    ten collapses for the rate of collapses that are missed.
    """
    check_runs(name, range(100, 110))
