"""The report page: a trained model and its evaluation as one HTML file that a person opens.

    page = what was trained on what + the figures + warnings + pictures + how to use the model + how it was made

The file stands alone: pictures inside, no script, nothing is loaded from elsewhere.
"""

from tfvae.app.report_page.given import reconstructions, samples
from tfvae.app.report_page.page import write

__all__ = ["reconstructions", "samples", "write"]


def __dir__() -> list[str]:
    return __all__
