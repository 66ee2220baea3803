"""Objectives: lower bounds on log p(x), each one function of the evidence.

ELBO    E_q log p(x | z) - beta KL(q || p)                     Kingma and Welling 2014, Higgins et al. 2017
IWAE    log 1/k sum_i w_i,   w_i = p(x, z_i) / q(z_i | x)      Burda et al. 2016, equation 8
"""

import abc
import math
import numbers
from typing import Any

import keras
import tensorflow as tf

from tfvae.errors import InvalidInput, positive_integer
from tfvae.evidence import Evidence


class Objective(abc.ABC):
    """A bound to maximise, `[B]` in nats; subclasses set `num_samples` and define `__call__` and `get_config`.

    Attributes:
        num_samples: how many samples S of z the bound takes for each example.
    """

    num_samples: int

    @abc.abstractmethod
    def __call__(self, evidence: Evidence) -> tf.Tensor:
        """Returns the bound for each example, `[B]` in nats."""

    @abc.abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        """Returns the objective that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        """Returns the expression that makes the objective."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


@keras.saving.register_keras_serializable(package="tfvae")
class ELBO(Objective):
    """The evidence lower bound, with the rate weighted by beta.

        L = 1/S sum_s log p(x | z_s) - beta KL(q(z | x) || p(z))

    The KL is in closed form where there is one, else the mean of log q - log p over the same samples.

    Args:
        beta: weight of the rate; 1 gives a bound on log p(x), other values do not (beta-VAE).
        num_samples: samples S for each example.

    Raises:
        InvalidInput: if beta is negative or not finite, or `num_samples` is not a whole number of at least 1.

    Reference:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes", equation 7; Higgins et al. 2017, equation 4.

    Example:
        >>> ELBO(beta=4.0)
        ELBO(beta=4.0, num_samples=1)
    """

    def __init__(self, beta: float = 1.0, num_samples: int = 1) -> None:
        if isinstance(beta, bool) or not isinstance(beta, numbers.Real) or not (0 <= beta < math.inf):
            raise InvalidInput("beta to be a finite number of at least 0", f"beta={beta!r}", "beta=1.0 is the ELBO.")
        self.beta = float(beta)
        self.num_samples = positive_integer("num_samples", num_samples)

    def __call__(self, evidence: Evidence) -> tf.Tensor:
        """Returns the bound for each example, `[B]` in nats."""
        return -evidence.distortion - self.beta * evidence.rate

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"beta": self.beta, "num_samples": self.num_samples}


@keras.saving.register_keras_serializable(package="tfvae")
class IWAE(Objective):
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

    def __call__(self, evidence: Evidence) -> tf.Tensor:
        """Returns the bound for each example, `[B]` in nats."""
        return tf.reduce_logsumexp(evidence.log_weight, axis=0) - math.log(self.num_samples)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_samples": self.num_samples}
