"""The pictures of a run folder: one file each, which others than pages can show."""

import importlib.util
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfvae import files, plotting
from tfvae.app import report_page

if TYPE_CHECKING:
    from tfvae.app.folder import Run

logger = logging.getLogger("tfvae")

PICTURES = {
    "learning_curves": lambda run: plotting.learning_curves(run.history),
    "reconstructions": lambda run: report_page.reconstructions(run.model, run.shown("test"), run.words),
    "samples": lambda run: report_page.samples(run.model, run.data.test.observed, run.words),
    "latent_plane": lambda run: plotting.latent_plane(run.model, run.data.test.observed, run.data.test.y),
}
TABLE_PICTURES = {
    **{name: PICTURES[name] for name in ("learning_curves", "latent_plane")},
    "columns": lambda run: next(run.table("test", run.report).pictures).draw(),
}


def pictures(run: "Run") -> dict[str, Callable[["Run"], Any]]:
    """Returns the pictures of a run, name to who draws it."""
    return TABLE_PICTURES if run.data.schema is not None else PICTURES


def draw(run: "Run") -> None:
    """Draws the pictures; warns where matplotlib is not installed."""
    if not importlib.util.find_spec("matplotlib"):
        remedy = f"pip install tfvae[plots], then tfvae train --resume {run.folder}"
        logger.warning("tfvae: no pictures, since matplotlib is not installed: %s.", remedy)
        return
    (run.folder / "pictures").mkdir(exist_ok=True)
    for name, draw_one in pictures(run).items():
        with files.whole_file(run.folder / "pictures" / f"{name}.png") as temporary:
            draw_one(run).savefig(temporary)


def is_drawn(run: "Run") -> bool:
    """Says whether all pictures are there."""
    return all((run.folder / "pictures" / f"{name}.png").exists() for name in pictures(run))
