"""Writes the report page: every text that comes from a user is escaped, every picture is in the file.

page = head + figures + warnings + table + pictures + use + provenance              picture = base64(PNG) + caption
"""

import base64
import html
import importlib.util
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfvae import files
from tfvae.app import provenance
from tfvae.app.report_page import use
from tfvae.app.report_page.picture import Picture
from tfvae.app.report_page.pictures import pictures
from tfvae.app.report_page.style import CSS
from tfvae.checks import data as inputs
from tfvae.core.errors import InvalidInput
from tfvae.core.observed import Observed, num_rows
from tfvae.evaluation.hidden import hidden_cells
from tfvae.evaluation.report import Report
from tfvae.plotting import canvas
from tfvae.vae import VAE

if TYPE_CHECKING:
    from tfvae.app.report_page.table import TablePart  # which needs pandas

PIXELS = 90  # of the page for an inch of a picture
NO_PICTURES = (
    "No pictures: there is no matplotlib here. Install it (pip install tfvae[plots]), then write this page again."
)


def write(
    path: str | os.PathLike,
    vae: VAE,
    report: Report,
    x: Any,
    labels: Any = None,
    shown: Any = None,
    split: str = "test",
    history: Mapping[str, Sequence[float]] | None = None,
    config: Mapping[str, Any] | None = None,
    alarms: Sequence[str] = (),
    words: Sequence[str] = (),
    table: "TablePart | None" = None,
) -> None:
    """Writes the report of a trained model as one HTML file, whole or not at all.

    A picture that a model of this kind does not have is named with the reason; without matplotlib there are none, and
    the page says so. The same arguments give the same file.

    Args:
        path: the file to create or replace; its folder exists.
        vae: the model.
        report: what `tfvae.evaluation.evaluate(vae, x)` returned; with `per_example=True` the page also shows the least
            and the most likely examples.
        x: the raw examples that the report is about, `[N, ...]`, or an `Observed` of what is known of them.
        labels: of them, `[N]`, or `None`.
        shown: the same examples as a person wants to see them, for example before they were binarised; by default x.
        split: what x are, a word.
        history: name to one value an epoch, as `vae.fit(...).history`, or `None`.
        config: what a run's `config.json` holds: source, options, versions, command; `None` outside a run. With it the
            page says how to load and serve the model, whose files are beside the page.
        alarms: sentences that came up in training, for example the messages of a `tfvae.callbacks.CollapseAlarm`.
        words: names of the labels that the model is told, in order; none where they are numbers.
        table: of a table, what stands in place of pictures of examples.

    Raises:
        InvalidInput: if x has a wrong shape, or another number of rows than the report.
        OSError: if the file cannot be written.

    Example:
        >>> report = tfvae.evaluation.evaluate(vae, x, num_samples=100, per_example=True)
        >>> write("report.html", vae, report, x)
    """
    x = tf.nest.map_structure(np.asarray, inputs.given(vae, x))
    if num_rows(x) != report.examples:
        remedy = "Pass the examples that were evaluated, in their order."
        raise InvalidInput(f"x with the {report.examples} rows of the report", f"{num_rows(x)} rows", remedy)
    title = "A variational autoencoder" + (f" of {Path(config['options']['source']).name}" if config else "")
    parts = [
        f"<header><h1>{_text(title)}</h1>{_summary(vae, report, split, history, config)}</header>",
        _tiles(vae, report),
        *(f'<p class="warning" role="note"><b>Warning:</b> {_text(t)}</p>' for t in (*report.warnings, *alarms)),
        f'<h2>Numbers</h2><p class="soft">Of the {_text(split)} data.</p>{_table(report)}',
        *_missing(vae, x),
        *(_section(*section) for section in (table.sections if table else ())),
        "<h2>Pictures</h2>",
        *_pictures(pictures(vae, report, x, labels, shown, history, words, table)),
        *([_use(vae, report, "mask" in x)] if config else []),
        _provenance(vae, report, config),
    ]
    with files.whole_file(path) as temporary:
        Path(temporary).write_text(_page(title, "\n".join(parts)), encoding="utf-8")


def _page(title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>{CSS}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


def _summary(
    vae: VAE,
    report: Report,
    split: str,
    history: Mapping[str, Sequence[float]] | None,
    config: Mapping[str, Any] | None,
) -> str:
    """Returns what was trained on what, two sentences."""
    shape = " x ".join(map(str, vae.event_shape))
    recipe = config["options"].get("recipe") if config else None
    model = (
        f"{'; '.join(_latent(vae, name) for name in vae.latents.names)}, {type(vae.likelihood).__name__} likelihood"
        f" of {shape} values, {vae.count_params():,} weights"
        f"{f', after the recipe {recipe}' if recipe else ''}."
    )
    model += f" It is told {_told(vae)}." if vae.conditions else ""
    sizes = config["data"].get("sizes", {}) if config else {}
    trained = [f"for {len(next(iter(history.values())))} epochs"] if history else []
    trained += [f"on {sizes['train']} examples"] if "train" in sizes else []
    trained = f"Trained {' '.join(trained)} to maximise {vae.objective!r}, " if trained else ""
    scored = f"{report.examples} {split} examples with {report.num_samples} importance samples each."
    return f"<p>{_text(model)}</p><p>{_text(trained + ('scored on ' if trained else 'Scored on ') + scored)}</p>"


def _latent(vae: VAE, name: str) -> str:
    """Returns what one latent is, in words."""
    posterior, prior = vae.latents.posterior[name], vae.latents.prior[name]
    kinds = f"{type(posterior).__name__} posterior and {type(prior).__name__} prior"
    text = f"{kinds} of {posterior.space.description} in D = {posterior.latent_dim} dimensions"
    if not vae.latents.several:
        return text
    above = {"posterior": vae.latents.above[name], "prior": vae.latents.prior_above[name]}
    given = [f"the {side} given {', '.join(sorted(names))}" for side, names in above.items() if names]
    return f"{name}: {text}{''.join(f', {each}' for each in given)}"


def _told(vae: VAE) -> str:
    """Returns what the model is told, in words."""
    return ", ".join(f"{name}, {part!r}" for name, part in vae.conditions.items())


def _tiles(vae: VAE, report: Report) -> str:
    """Returns the figures that a reader wants first."""
    level, error = report.log_prob
    error = "" if math.isnan(error) else f", +- {error:.2f}"
    bits = f", {report.bits_per_dimension(level):.3f} bits/dim" if report.discrete else ""
    information = report.information.items()
    active = "unknown" if report.active_units is None else f"{report.active_units} of {len(report.unit_activity)}"
    shown = [
        (f"{level:.2f}", f"{report.level}, nats an example{error}{bits}"),
        (f"{report.elbo.mean:.2f}", f"ELBO, nats an example; gap {report.variational_gap.mean:.2f}"),
        (f"{report.rate.mean:.2f}", "rate, nats an example: what the code costs"),
        *((f"{found.mutual_information:.2f}", f"I(x; {z}), nats: what {_code(z)} tells") for z, found in information),
        (active, "latent dimensions in use"),
    ]
    tiles = (f"<li><strong>{_text(value)}</strong><span>{_text(words)}</span></li>" for value, words in shown)
    return f'<ul class="tiles">{"".join(tiles)}</ul>'


def _code(z: str) -> str:
    return "the code" if z == "z" else z


def _table(report: Report) -> str:
    table, end, _ = report._repr_html_().partition("</table>")  # its warnings stand at the top of the page
    return f'<div class="scroll report" tabindex="0">{table}{end}</div>'


def _missing(vae: VAE, x: Observed) -> Iterator[str]:
    """Yields what is missing, and how well cells are imputed that were hidden on purpose, if there is a mask."""
    if "mask" not in x:
        return
    yield "<h2>Missing cells</h2>"
    try:
        found = hidden_cells(vae, x)
    except InvalidInput as reason:
        missing = {"missing": f"{1 - x['mask'].mean():.1%} of all cells", "hidden on purpose": f"none. {reason}"}
        yield _facts(missing)
        return
    error, mean, (gain, spread) = found.error, found.error_of_mean, found.gain
    within = ", ".join(f"{share:.0%} of them lie within {level:.0%} intervals" for level, share in found.within.items())
    yield _facts(
        {
            "missing": f"{found.missing:.1%} of all cells",
            "hidden on purpose": f"{found.cells} cells that were observed, a tenth of them, of at most 500 rows",
            "error of imputed means": f"{error:.3f} standard deviations of each dimension, root mean square",
            "error of the dimensions' means": f"{mean:.3f}; square errors fall by {gain:.3f} +- {spread:.3f} a row",
            "intervals": within,
        }
    )


def _section(title: str, sentence: str, body: str) -> str:
    """Returns a section of a table's page; its body is HTML."""
    return f'<h2>{_text(title)}</h2><p class="soft">{_text(sentence)}</p><div class="scroll" tabindex="0">{body}</div>'


def _pictures(found: Iterable[Picture]) -> Iterator[str]:
    """Yields the pictures as HTML; at the end those that this model does not have, with the reason."""
    if importlib.util.find_spec("matplotlib") is None:
        yield f'<p class="absent">{_text(NO_PICTURES)}</p>'
        return
    absent = []
    for picture in found:
        try:
            yield _figure(picture)
        except InvalidInput as error:
            absent.append(f"{picture.title}: not drawn. {error}")
    yield from (f'<p class="absent soft">{_text(reason)}</p>' for reason in absent)


def _figure(picture: Picture) -> str:
    figure = picture.draw()
    width, height = (round(size * PIXELS) for size in figure.get_size_inches())
    data = base64.b64encode(canvas.png(figure)).decode("ascii")
    image = (
        f'<img src="data:image/png;base64,{data}" alt="{_text(picture.shows)}" width="{width}" height="{height}"'
        f' style="--width:{width}px">'
    )
    return (
        f"<figure><h3>{_text(picture.title)}</h3>"
        f'<div class="picture" tabindex="0">{image}</div><figcaption>{_text(picture.look_for)}</figcaption></figure>'
    )


def _use(vae: VAE, report: Report, masked: bool) -> str:
    blocks = use.blocks(vae, report, masked)
    return "<h2>Use the model</h2>" + "".join(f"<p>{_text(t)}</p><pre>{_text(code)}</pre>" for t, code in blocks)


def _provenance(vae: VAE, report: Report, config: Mapping[str, Any] | None) -> str:
    """Returns data, options, versions and the command, enough to repeat the run."""
    evaluation = {"seed": report.seed, "importance samples": report.num_samples, "objective": repr(vae.objective)}
    groups = {"Evaluation": evaluation, "Versions": provenance.versions()}
    command = ""
    if config:
        made = {"created": config["created"], "git revision": config["git_revision"] or "unknown"}
        groups = {
            "Data": config["data"],
            "Options": {name: value for name, value in config["options"].items() if value is not None},
            "Evaluation": evaluation,
            "Versions": {**config["versions"], **made},
        }
        command = f"<pre>{_text(config['command'] or 'tfvae.app.run.train, from Python')}</pre>"
    tables = "".join(f"<h3>{_text(name)}</h3>{_facts(facts)}" for name, facts in groups.items())
    return f"<h2>How it was made</h2>{command}{tables}"


def _facts(facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{_text(name.replace("_", " "))}</th><td>{_text(_words(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f'<div class="scroll"><table class="facts">{rows}</table></div>'


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_words(item)}" for name, item in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, (list, tuple)) else str(value)


def _text(value: Any) -> str:
    return html.escape(str(value))
