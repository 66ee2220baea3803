"""The report page: one valid HTML file that stands alone, with every picture and warning, and escaped user text."""

import base64
import dataclasses
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pictures import HISTORY, examples, image_vae

import tfvae
from tfvae import plotting
from tfvae.app import provenance, report_page
from tfvae.app.report_page import use
from tfvae.core.errors import InvalidInput
from tfvae.export import endpoints
from tfvae.plotting import canvas

HOSTILE = """<script>alert("x")</script><img src=x onerror='go()'>&amp;"""
VOID = {"meta", "img", "br", "hr", "link", "input"}
TITLES = [
    "Training", "Reconstructions", "Least likely examples", "Most likely examples", "Samples", "Interpolation",
    "Manifold", "Latent plane", "Latent traversals", "KL per dimension", "Aggregated posterior", "Ladder of bounds",
]  # fmt: skip
CONFIG = {
    "created": "2026-01-31T12:00:00+00:00",
    "command": f"tfvae train '{HOSTILE}'",
    "options": {"source": HOSTILE, "recipe": None, "hidden": [200, 200], "seed": 0},
    "data": {"source": HOSTILE, "sizes": {"train": 100, "valid": 20, "test": 30}},
    "versions": {"tfvae": "0.1.0", "numpy": "2.4.6"},
    "git_revision": None,
}
ALARM = f"rate fell to 0.02 nats at epoch 3: the decoder of {HOSTILE} ignores z"


class Page(HTMLParser):
    """Reads a page as a browser does; fails where an element is not closed, or closed twice."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.source, self.open, self.elements, self.texts = path.read_text(encoding="utf-8"), [], [], []
        self.feed(self.source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"attribute twice in {tag}"
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, dict(attributes), []))
            self.texts.append(self.open[-1])

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        for _, _, words in self.open:
            words.append(data)

    def all(self, tag, kind=None):
        """Returns the text of each element, in order."""
        found = [(attributes, words) for name, attributes, words in self.texts if name == tag]
        return ["".join(words) for attributes, words in found if kind is None or attributes.get("class") == kind]


@pytest.fixture(scope="module")
def model():
    vae, x = image_vae(latent=3, seed=0), examples(30, 6, 4, 1).round()
    vae.compile("adam")
    report = tfvae.evaluation.evaluate(vae, x, num_samples=20, per_example=True, verbose=False)
    assert report.warnings  # too few samples to tell whether the weights can be trusted
    return vae, x, report


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    vae, x, report = model
    path = tmp_path_factory.mktemp("page") / "report.html"
    labels, shown = np.arange(30) % 3, np.clip(x, 0.1, 0.9)
    words = {"labels": labels, "shown": shown, "history": HISTORY, "config": CONFIG, "alarms": [ALARM]}
    report_page.write(path, vae, report, x, **words)
    return path


@pytest.fixture(scope="module")
def page(path):
    return Page(path)


@pytest.fixture
def stubs(monkeypatch):
    """Replaces every drawing by an empty figure; returns the calls by name."""
    calls = {}
    for name in [name for name in vars(plotting) if name in DRAWN]:

        def stub(*args, name=name, **kwargs):
            calls.setdefault(name, []).append((args, kwargs))
            return canvas.empty_figure(1, 1)

        monkeypatch.setattr(plotting, name, stub)
    assert len(DRAWN) == 14
    return calls


DRAWN = {line.split()[0] for line in plotting.__doc__.splitlines() if re.match(r" {4}[a-z_]+ {3,}", line)}


def test_the_page_is_valid_and_readable_on_a_phone(page):
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.elements[0] == ("html", {"lang": "en"})
    tags = [tag for tag, _ in page.elements]
    assert tags.count("title") == tags.count("h1") == tags.count("main") == 1
    metas = [attributes for tag, attributes in page.elements if tag == "meta"]
    assert {"charset": "utf-8"} in metas
    assert any(meta.get("name") == "viewport" and "width=device-width" in meta["content"] for meta in metas)
    assert "prefers-color-scheme: dark" in page.source and "max-width: 40rem" in page.source
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_the_page_stands_alone(page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "svg", "video", "audio", "a"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert not attributes.keys() & {"href", "srcset", "action", "background", "poster"}
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "url(" not in (attributes.get("style") or "")
    assert not re.search(r"url\(|@import|https?:|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page.source))


def test_every_picture_is_there_with_a_caption_and_a_text_for_who_cannot_see_it(page):
    headings = page.all("h3")
    assert headings[: len(TITLES)] == TITLES
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == len(page.all("figcaption")) == len(TITLES)
    for image in images:
        assert base64.b64decode(image["src"].partition(",")[2]).startswith(b"\x89PNG")
        assert len(image["alt"]) > 20 and int(image["width"]) > 100 and int(image["height"]) > 50
    assert all(caption.endswith(".") and len(caption) > 30 for caption in page.all("figcaption"))
    assert len({image["src"] for image in images}) == len(TITLES)
    assert not page.all("p", "absent soft")


def test_every_warning_stands_once_before_the_table(page, model):
    report = model[2]
    assert page.all("p", "warning") == [f"Warning: {text}" for text in (*report.warnings, ALARM)]
    assert page.source.index('class="warning"') < page.source.index("<table")
    assert page.source.count("Whether the importance weights can be trusted") == len(report.warnings) == 1


def test_the_numbers_of_the_report_are_there(page, model):
    report = model[2]
    cells = page.all("td")
    for name in ("log p(x)", "ELBO", "active units", "I(x; z)"):
        assert name in cells
    assert f"{report.log_prob.mean:.3f} +- {report.log_prob.standard_error:.3f}" in cells
    assert page.all("strong")[:2] == [f"{report.log_prob.mean:.2f}", f"{report.elbo.mean:.2f}"]
    bits = -report.log_prob.mean / (np.log(2) * 24)
    assert f"{bits:.3f} bits/dim" in page.all("ul", "tiles")[0]  # of log p(x), not of the bound
    assert "Trained for 4 epochs on 100 examples" in "".join(page.all("header"))
    assert "scored on 30 test examples with 20 importance samples" in "".join(page.all("header"))


def test_what_users_wrote_is_text(page):
    assert page.all("title") == page.all("h1") == [f"A variational autoencoder of {Path(HOSTILE).name}"]
    assert f"tfvae train '{HOSTILE}'" in page.all("pre")
    assert "<script" not in page.source and "<img src=x" not in page.source and "&lt;script&gt;" in page.source


def test_how_to_use_and_repeat_it(page):
    code = "\n".join(page.all("pre"))
    for words in ('load_model("model.keras")', 'tf.saved_model.load("saved_model/1")', "--model_base_path"):
        assert words in code
    assert {"200, 200", "train: 100; valid: 20; test: 30", "0.1.0", CONFIG["created"]} <= set(page.all("td"))


# In other surroundings


def test_least_and_most_likely_examples_are_drawn_in_order(model, stubs, tmp_path):
    vae, x, report = model
    report_page.write(tmp_path / "report.html", vae, report, x)
    log_prob = report.per_example["log_prob"]
    order = np.argsort(log_prob)
    _, (worst, named), (best, _) = stubs["reconstructions"]
    np.testing.assert_array_equal(worst[1]["x"], x[order[:8]])
    np.testing.assert_array_equal(best[1]["x"], x[order[::-1][:8]])
    assert named["titles"][0] == f"row {order[0]}\n{log_prob.min():.1f}"
    report_page.write(tmp_path / "report.html", vae, dataclasses.replace(report, per_example=None), x)
    assert len(stubs["reconstructions"]) == 4  # the first ones only


def test_the_same_model_gives_the_same_page(model, stubs, tmp_path):
    vae, x, report = model
    for name in ("one.html", "two.html"):
        report_page.write(tmp_path / name, vae, report, x, history=HISTORY)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert stubs.keys() == DRAWN - {"reliability", "confusion", "columns", "pairs"}  # of labels, of tables
    page = Page(tmp_path / "one.html")
    assert page.all("h1") == ["A variational autoencoder"]
    assert "Use the model" not in page.all("h2")  # there is no run folder around it
    assert provenance.versions()["tensorflow"] in page.all("td")


def test_a_picture_that_the_model_does_not_have_is_named_with_the_reason(model, stubs, monkeypatch, tmp_path):
    vae, x, report = model

    def refuse(report):
        raise InvalidInput("a report with a KL for each dimension", "one without", "Try another.")

    monkeypatch.setattr(plotting, "kl_per_dimension", refuse)
    report_page.write(tmp_path / "report.html", vae, report, x, history=HISTORY)
    page = Page(tmp_path / "report.html")
    (absent,) = page.all("p", "absent soft")
    assert absent.startswith("KL per dimension: not drawn. Expected a report with a KL for each dimension.")
    assert page.source.count("<figure>") == len(TITLES) - 1


def test_without_matplotlib_there_are_no_pictures_and_it_says_so(model, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    vae, x, report = model
    report_page.write(tmp_path / "report.html", vae, report, x, config=CONFIG, history=HISTORY)
    page = Page(tmp_path / "report.html")
    assert "<img" not in page.source and "<figure" not in page.source
    assert "pip install tfvae[plots]" in page.all("p", "absent")[0]
    assert len(page.all("p", "warning")) == len(report.warnings)


def test_another_number_of_examples_is_refused(model, tmp_path):
    vae, x, report = model
    with pytest.raises(InvalidInput, match="the 30 rows of the report"):
        report_page.write(tmp_path / "report.html", vae, report, x[:29])
    assert not (tmp_path / "report.html").exists()


def test_a_single_example_has_a_page(model, stubs, tmp_path):
    vae, x, _ = model
    report = tfvae.evaluation.evaluate(vae, x[:1], num_samples=5, per_example=True, verbose=False)
    report_page.write(tmp_path / "report.html", vae, report, x[:1])
    page = Page(tmp_path / "report.html")
    assert "interpolation" not in stubs and "nan" not in "".join(page.all("ul")) and "unknown" in page.all("strong")


@pytest.mark.parametrize("name", ["vae", "conditional", "m2", "not-miwae"])
def test_the_code_for_a_server_has_what_the_endpoint_asks_for(model, name):
    more = {"conditional": {"condition": 4}, "m2": {"num_classes": 3}}.get(name, {})
    vae = tfvae.recipes.RECIPES[name]((6,), latent_dim=2, **more)
    (_, python), (_, serve), _ = use.blocks(vae, model[2], masked="mask" in vae.used_names)
    asked = {signature: [spec.name for spec in specs] for signature, (_, *specs) in endpoints(vae).items()}
    shown = dict(re.findall(r'signatures\["(\w+)"\]\((.*)\)(?=\[|\n|$)', serve))
    for signature, arguments in shown.items():
        names = [part.partition("=")[0].strip() for part in re.split(r", (?=\w+=)", arguments)]
        assert names == asked[signature]
    assert shown.keys() == {"reconstruct", "log_prob"} | ({"classify"} & asked.keys())
    assert ("vae.classify(x" in python) == ("classify" in asked)
    compile(python, "python", "exec"), compile(serve, "serve", "exec")
