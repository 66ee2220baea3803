"""What a model with a missingness can do: log p(x, mask | z) is an estimate, by points drawn for missing cells."""

from tfvae.checks.parts import check_kind
from tfvae.core.errors import InvalidInput
from tfvae.core.model import Model
from tfvae.likelihoods import Likelihood
from tfvae.missingness import Missingness
from tfvae.scaling import Scaling


def check_missingness(missingness: Missingness, likelihood: Likelihood, scaling: Scaling) -> None:
    """Raises `InvalidInput` if it is not a missingness, or cells of x do not stand alone in likelihood and scaling."""
    check_kind("missingness", missingness, Missingness)
    if not likelihood.has_quantile:
        remedy = (
            "Take likelihoods.Normal or Laplace; or leave missingness out, which takes cells to be missing at random."
        )
        expected = "a likelihood of independent cells whose quantiles are a formula, beside missingness"
        raise InvalidInput(expected, type(likelihood).__name__, remedy)
    shape = tuple(scaling.scaled_shape(likelihood.event_shape))
    if shape != likelihood.event_shape:
        remedy = "Pass scaling=tfvae.scaling.Identity(), or leave missingness out."
        expected = f"a scaling that keeps the shape {likelihood.event_shape} beside missingness"
        raise InvalidInput(expected, f"{type(scaling).__name__}, which gives {shape}", remedy)


def check_density(vae: Model) -> None:
    """Raises `InvalidInput` unless log p(x, z) is a function that gives the same number each time."""
    if vae.missingness is not None:
        expected = "a model without missingness, for log p(x, z), annealing, refinement and inference gaps"
        received = f"{type(vae.missingness).__name__}, under which log p(x, mask | z) is estimated by draws"
        raise InvalidInput(expected, received, "Use vae.log_prob, vae.infer or vae.elbo.")
