"""Bounds on log p(x), each one function of the evidence; w_i = p(x, z_i) / q(z_i | x).

ELBO    E_q log p(x | z) - beta KL(q(z | x) || p(z))             Kingma and Welling 2014, Higgins et al. 2017
IWAE    log 1/k sum_i w_i                                        Burda et al. 2016, equation 8
MIWAE   1/m sum_j log 1/k sum_i w_ij                             Rainforth et al. 2018, equation 9
PIWAE   value and generative gradient of IWAE(m k), inference gradient of MIWAE(m, k)      ibid., section 4
CIWAE   beta ELBO + (1 - beta) IWAE                              ibid., equation 8
Renyi   1/(1 - alpha) log 1/k sum_i w_i^(1 - alpha)              Li and Turner 2016, equation 5
"""

import math
import numbers

import keras
import tensorflow as tf

from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.evidence import Evidence, expected, log_expected_exp, total
from tfvae.core.types import Config, Tensor
from tfvae.objectives.base import LogWeightObjective, Objective
from tfvae.schedules import Schedule, at, checked

WARMUP_EPOCHS = 20  # what the ELBO proposes against collapse


@keras.saving.register_keras_serializable(package="tfvae")
class ELBO(Objective):
    """The evidence lower bound, with weight, free bits or target capacity for the rate.

        L = 1/S sum_s log p(x | z_s) - beta R
        R = KL(q(z | x) || p(z))                                      by default
        R = sum_d max(free_bits, mean_B KL_d)                         with free bits
        R = sum_f max(layer_free_bits, mean_B KL_f)                   with free bits for each of several latents
        R = |mean_B KL - capacity|                                    with a capacity

    The KL is in closed form where there is one, else the mean of log q - log p over the same samples. Any number may be
    a schedule (`tfvae.schedules`).

    Args:
        beta: weight of the rate; 1 gives a bound on log p(x), other values do not (beta-VAE).
        num_samples: samples S for each example.
        free_bits: nats that each latent dimension may use without a penalty; needs a KL that factorises.
        capacity: nats that the rate is drawn towards.
        layer_free_bits: nats that each latent of a `Joint`, all its dimensions together, may use without a penalty.

    Raises:
        InvalidInput: if a number is negative or not finite, `num_samples` is not a whole number of at least 1, or more
            than one of free bits, those of layers and a capacity are given.

    Reference:
        Kingma and Welling 2014, equation 7; beta: Higgins et al. 2017, equation 4; free bits: Kingma et al. 2016,
        equation 15; capacity: Burgess et al. 2018, equation 8.

    Example:
        >>> ELBO(beta=4.0)
        ELBO(beta=4.0, num_samples=1, free_bits=0.0, capacity=None)
    """

    def __init__(
        self,
        beta: float | Schedule = 1.0,
        num_samples: int = 1,
        free_bits: float | Schedule = 0.0,
        capacity: float | Schedule | None = None,
        layer_free_bits: float | Schedule = 0.0,
    ) -> None:
        self.beta = checked("beta", beta)
        self.num_samples = positive_integer("num_samples", num_samples)
        self.free_bits = checked("free_bits", free_bits)
        self.capacity = None if capacity is None else checked("capacity", capacity)
        self.layer_free_bits = checked("layer_free_bits", layer_free_bits)
        if (self.free_bits != 0.0) + (self.layer_free_bits != 0.0) + (capacity is not None) > 1:
            received, remedy = "more than one", "All limit the rate: pass one of them."
            raise InvalidInput("free_bits, layer_free_bits or a capacity", received, remedy)

    def __call__(self, evidence: Evidence) -> Tensor:
        """Returns the bound for each example, `[B]` in nats."""
        return -evidence.distortion - at(self.beta, evidence.step) * self.penalty(evidence)

    def penalty(self, evidence: Evidence) -> Tensor:
        """Returns R, `[B]`."""
        if self.capacity is not None:
            excess = evidence.mean(evidence.rate) - at(self.capacity, evidence.step)
            return tf.abs(excess) + tf.zeros_like(evidence.rate)
        if self.layer_free_bits != 0.0:
            floor = at(self.layer_free_bits, evidence.step)
            rates = [tf.maximum(floor, evidence.mean(factor.rate)) for factor in evidence.factors.values()]
            return total(rates) + tf.zeros_like(evidence.rate)
        if self.free_bits == 0.0:
            return evidence.rate
        if evidence.kl_per_dimension is None:
            whole = ", ".join(name for name, factor in evidence.factors.items() if factor.kl_per_dimension is None)
            remedy = (
                "Use layer_free_bits, a floor for each latent; or posterior and prior that factorise (DiagonalNormal, "
                "StandardNormal), neither of which hangs on a latent that is drawn later or is known for some rows."
            )
            received = f"none of {whole}" if len(evidence.factors) > 1 else "one that does not"
            raise InvalidInput("a KL that factorises over latent dimensions, for free bits", received, remedy)
        floor = at(self.free_bits, evidence.step)
        return tf.reduce_sum(tf.maximum(floor, evidence.mean(evidence.kl_per_dimension))) + tf.zeros_like(evidence.rate)

    def log_weight(self, evidence: Evidence) -> Tensor:
        """Returns log p(x | z) - beta (log q - log p), `[S, B]`: the rate by samples."""
        beta = at(self.beta, evidence.step)
        return evidence.log_likelihood + beta * (evidence.log_prior - evidence.log_posterior)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor | None:
        """Returns the mean over samples, `[B]`; `None` with free bits or a capacity, which couple examples."""
        plain = self.capacity is None and self.free_bits == 0.0 and self.layer_free_bits == 0.0
        return expected(log_weight, log_mass) if plain else None

    def against_collapse(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where the decoder ignores z: a rate that costs less, or later."""
        bits = at(self.free_bits, None)
        if self.capacity is not None:
            return [f"a capacity above {at(self.capacity, None):g} nats"]
        if self.layer_free_bits != 0.0:
            return self.against_unused(epoch_steps)
        more = f"more free bits than {bits:g} nats" if bits else "0.5 nats of free bits, free_bits=0.5"
        return [*self._later(epoch_steps), more]

    def against_unused(self, epoch_steps: int | None = None) -> list[str]:
        """Returns what to try where one of several latents is not used: its first nats for nothing, or later."""
        bits = at(self.layer_free_bits, None)
        more = f"more free bits for each latent than {bits:g} nats" if bits else "free bits for each latent"
        instead = "" if self.capacity is None else " instead of a capacity"
        instead = " instead of free_bits" if self.free_bits != 0.0 else instead
        return [f"{more}, layer_free_bits={2 * bits if bits else 0.5:g}{instead}", *self._later(epoch_steps)]

    def _later(self, epoch_steps: int | None) -> list[str]:
        """Returns how the rate may cost less at first."""
        beta = at(self.beta, None)
        tries = [f"a beta nearer to 1, now {beta:g}"] if beta > 1 else []
        if isinstance(self.beta, Schedule):
            tries.append(f"a longer warm-up than {self.beta!r}")
        elif beta:
            steps = f", beta=LinearWarmup(steps={WARMUP_EPOCHS * epoch_steps})" if epoch_steps else ""
            tries.append(f"a {WARMUP_EPOCHS}-epoch warm-up{steps}")
        return tries

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {
            "beta": self.beta,
            "num_samples": self.num_samples,
            "free_bits": self.free_bits,
            "capacity": self.capacity,
            **({} if self.layer_free_bits == 0.0 else {"layer_free_bits": self.layer_free_bits}),
        }


@keras.saving.register_keras_serializable(package="tfvae")
class IWAE(LogWeightObjective):
    """The importance-weighted bound, which rises to log p(x) with the number of samples.

        L_k = log 1/k sum_{i=1..k} p(x, z_i) / q(z_i | x),    z_i ~ q(z | x)

    Args:
        num_samples: samples k for each example; `IWAE(1)` is the ELBO without closed forms.

    Raises:
        InvalidInput: if `num_samples` is not a whole number of at least 1.

    Reference:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", equation 8.

    Example:
        >>> IWAE(num_samples=50)
        IWAE(num_samples=50)
    """

    def __init__(self, num_samples: int) -> None:
        self.num_samples = positive_integer("num_samples", num_samples)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the bound, `[B]`, from log-weights, `[k, B]`."""
        return log_expected_exp(log_weight, log_mass)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"num_samples": self.num_samples}


@keras.saving.register_keras_serializable(package="tfvae")
class MIWAE(LogWeightObjective):
    """The mean of m importance-weighted bounds of k samples each: a stronger signal for the posterior than IWAE(m k).

        L = 1/m sum_j log 1/k sum_i w_ij

    Args:
        m: number of bounds.
        k: samples of each bound.

    Raises:
        InvalidInput: if `m` or `k` is not a whole number of at least 1.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better", equation 9.
    """

    def __init__(self, m: int, k: int) -> None:
        self.m, self.k = positive_integer("m", m), positive_integer("k", k)
        self.num_samples = self.m * self.k

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the bound, `[B]`, from log-weights, `[m k, B]`."""
        if log_mass is None:
            groups = tf.reshape(log_weight, [self.m, self.k, -1])
            return tf.reduce_mean(log_expected_exp(groups, axis=1), axis=0)
        in_groups = tf.stack([self.m, tf.shape(log_weight)[0] // self.m, -1])
        groups, masses = tf.reshape(log_weight, in_groups), tf.reshape(log_mass, in_groups) + math.log(self.m)
        return tf.reduce_mean(log_expected_exp(groups, masses, axis=1), axis=0)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"m": self.m, "k": self.k}


@keras.saving.register_keras_serializable(package="tfvae")
class PIWAE(LogWeightObjective):
    """IWAE(m k) for the decoder's parameters and MIWAE(m, k) for the posterior's, from the same samples.

        value and gradient of p:  log 1/(mk) sum_ij w_ij        gradient of q:  1/m sum_j log 1/k sum_i w_ij

    Args:
        m: number of bounds on the inference side.
        k: samples of each bound.

    Raises:
        InvalidInput: if `m` or `k` is not a whole number of at least 1.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better", section 4.
    """

    def __init__(self, m: int, k: int) -> None:
        self._inference = MIWAE(m, k)
        self.num_samples = self._inference.num_samples

    @property
    def inference(self) -> Objective:
        """The bound that the posterior's parameters follow."""
        return self._inference

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the value, `[B]`, from log-weights, `[m k, B]`."""
        return log_expected_exp(log_weight, log_mass)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return self._inference.get_config()


@keras.saving.register_keras_serializable(package="tfvae")
class CIWAE(LogWeightObjective):
    """A convex combination of the ELBO and the importance-weighted bound, from the same samples.

        L = beta 1/k sum_i log w_i + (1 - beta) log 1/k sum_i w_i

    Args:
        beta: share of the ELBO, in [0, 1].
        num_samples: samples k for each example.

    Raises:
        InvalidInput: if `beta` is outside [0, 1], or `num_samples` is not a whole number of at least 1.

    Reference:
        Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better", equation 8.
    """

    def __init__(self, beta: float, num_samples: int) -> None:
        if isinstance(beta, bool) or not isinstance(beta, numbers.Real) or not 0 <= beta <= 1:
            raise InvalidInput("beta in [0, 1]", f"beta={beta!r}", "It is the share of the ELBO.")
        self.beta, self.num_samples = float(beta), positive_integer("num_samples", num_samples)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the bound, `[B]`, from log-weights, `[k, B]`."""
        return self.beta * expected(log_weight, log_mass) + (1 - self.beta) * log_expected_exp(log_weight, log_mass)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"beta": self.beta, "num_samples": self.num_samples}


@keras.saving.register_keras_serializable(package="tfvae")
class Renyi(LogWeightObjective):
    """The variational Renyi bound: alpha = 1 is the ELBO, 0 is IWAE, below 0 an upper bound in the limit of samples.

        L = 1/(1 - alpha) log 1/k sum_i w_i^(1 - alpha)

    Args:
        alpha: order of the divergence, any finite number.
        num_samples: samples k for each example.

    Raises:
        InvalidInput: if `alpha` is not finite, or `num_samples` is not a whole number of at least 1.

    Reference:
        Li and Turner 2016, "Renyi Divergence Variational Inference", equation 5.
    """

    def __init__(self, alpha: float, num_samples: int) -> None:
        if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not math.isfinite(alpha):
            raise InvalidInput("alpha to be a finite number", f"alpha={alpha!r}", "0.5 lies between IWAE and the ELBO.")
        self.alpha, self.num_samples = float(alpha), positive_integer("num_samples", num_samples)

    def of_log_weight(self, log_weight: Tensor, log_mass: Tensor | None = None) -> Tensor:
        """Returns the bound, `[B]`, from log-weights, `[k, B]`."""
        order = 1.0 - self.alpha
        if order == 0:
            return expected(log_weight, log_mass)
        return log_expected_exp(order * log_weight, log_mass) / order

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {"alpha": self.alpha, "num_samples": self.num_samples}
