"""The laws that the library's own parts pass, for a part of your own: one call, and a list of what holds.

check_part   tries every law of a posterior, prior, likelihood, objective, estimator or schedule
Report       what it found: printed as a list, and false where a law is broken
"""

from tfvae.testing.check import check_part
from tfvae.testing.report import Report

__all__ = ["Report", "check_part"]


def __dir__() -> list[str]:
    return __all__
