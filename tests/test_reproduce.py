"""The reproduction suite trains, resumes, writes and tabulates; the figures themselves take hours, not tests."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks.reproduce import __main__ as command
from benchmarks.reproduce import picture, protocol, rates, rows, run, table


def result(name, seed, nll, minutes=4.0, updates=800, curve=((100, -120.0), (400, -100.0))):
    return {
        **{key: getattr(rows.ROWS[name], key) for key in ("title", "paper", "rerun", "source")},
        **{"name": name, "seed": seed, "nll": nll, "standard_error": 0.25, "budget_minutes": minutes},
        "data": {"protocol": "MNIST", "sizes": {"train": 59000}},
        "plan": {"batch": 20, "updates": updates, "passes": 2.5},
        **{
            "minutes": 4.1,
            "test_samples": 5000,
            "test_examples": 500,
            "threads": 1,
            "jit_compile": "auto",
            "smoke": False,
        },
        "curve": [{"updates": u, "minutes": u / 100, "log_prob": v} for u, v in curve],
    }


@pytest.fixture
def tiny(tmp_path):
    tiny = {**command.TINY, "smoke": True, "updates": 16, "out": tmp_path / "results", "runs": tmp_path / "runs"}
    return run.Options(**tiny)


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_a_finished_one_is_left_alone(tiny, monkeypatch, capsys):
    fit, seen = run.VAE.fit, []

    def stopped(vae, *args, callbacks, **kwargs):
        seen.append(callbacks[1].initial_epoch)
        if len(seen) == 4:  # the first attempt ends after three of the eight epochs
            raise KeyboardInterrupt
        return fit(vae, *args, callbacks=callbacks, **kwargs)

    monkeypatch.setattr(run.VAE, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.run("vae", 0, tiny)
    found = run.run("vae", 0, tiny, "the command")
    assert seen == [0, 1, 2, 3, *range(3, 8)]
    assert [point["updates"] for point in found["curve"]] == [2, 4, 8, 16]
    assert all(a["minutes"] < b["minutes"] for a, b in zip(found["curve"][:-1], found["curve"][1:], strict=True))
    assert found["plan"]["updates"] == 16 and found["plan"]["passes"] == pytest.approx(16 * 20 / 400)
    assert found["nll"] > 0 and found["standard_error"] > 0 and found["test_examples"] == 100
    path = tiny.out / "vae-0-16.json"
    assert json.loads(path.read_text()) == found
    before = path.stat().st_mtime_ns
    assert run.run("vae", 0, tiny) == found and len(seen) == 9
    assert path.stat().st_mtime_ns == before and "is done" in capsys.readouterr().out
    assert not list(tiny.runs.glob("*"))


def test_the_published_rate_falls_a_seventh_of_a_power_of_ten_at_a_time():
    rate = rates.stepwise(1e-3, updates=100, updates_of_pass=10)
    found = [float(rate(t)) for t in (0, 10, 11, 40, 41, 10**6)]  # 1 pass, 3 passes, 9, ...
    assert found == pytest.approx([1e-3 * 10 ** (-i / 7) for i in (0, 0, 1, 1, 2, 7)])


def test_a_budget_becomes_updates(monkeypatch):
    data = protocol.small("dynamic")  # 400 rows: passes of 20 updates
    monkeypatch.setattr(run, "speed", lambda *_: (10.0, 0.1))
    short = run.plan(rows.ROWS["vae"], data, run.Options(budget=0.5))
    assert (short["updates"], short["epochs"], short["steps_per_epoch"], short["passes"]) == (200, 10, None, 10.0)
    shorter = run.plan(rows.ROWS["vae"], data, run.Options(budget=0.25))
    assert (shorter["updates"], shorter["epochs"], shorter["steps_per_epoch"]) == (48, 8, 6)


def test_short_epochs_see_each_row_once_a_pass():
    parts = [run.part(10, number, 4, seed=3) for number in range(5)]  # two passes of ten
    assert sorted(np.concatenate(parts)[:10]) == sorted(np.concatenate(parts)[10:]) == list(range(10))
    assert list(np.concatenate(parts)[:10]) != list(np.concatenate(parts)[10:])
    assert not np.array_equal(parts[0], run.part(10, 0, 4, seed=4))


def test_the_learning_rate_falls_to_its_floor(tiny):
    row = rows.ROWS["vae"]
    vae = run.model(row, protocol.small("dynamic"), tiny, 0, updates=100)
    rate = vae.optimizer._learning_rate
    assert float(rate(0)) == pytest.approx(3e-3) and float(rate(100)) == pytest.approx(3e-3 * rates.FLOOR)
    x = np.asarray(vae.preprocess(protocol.small("dynamic").train.x))
    bias = vae.likelihood.head.get_weights()[1].reshape(784)
    assert 1 / (1 + np.exp(-bias)) == pytest.approx(np.clip(x.mean(axis=0).ravel(), 1e-3, 1 - 1e-3), abs=1e-4)


def test_the_learning_rate_of_the_strong_recipe_rises_and_ends_at_zero(tiny):
    row = rows.ROWS["strong"]
    rate = run.model(row, protocol.small("dynamic"), tiny, 0, updates=100).optimizer._learning_rate
    assert [float(rate(t)) for t in (0, 2, 100)] == pytest.approx([0, 4e-3, 0], abs=1e-9)


@pytest.mark.parametrize("name", [name for name in rows.ROWS if not name.startswith(("strong", "usual"))])
def test_networks_are_the_papers(name, tiny):
    row = rows.ROWS[name]
    hidden = {"vamp": [300, 300], "gated": [300, 300], "hyperspherical": [256, 128]}.get(name.split("-")[0], [200, 200])
    hidden = [400] if name == "vae-784-400-40" else hidden
    latent = {"dynamic": 50, "static": 40}[row.data] if not name.startswith("hyper") else 11
    outputs = latent + 1 if name.startswith("hyper") else 2 * latent
    twice = 2 if "gated" in row.title or name == "gated-normal" else 1
    sizes = [784, *hidden], [latent, *hidden[::-1]]
    dense = [twice * (a + 1) * b for s in sizes for a, b in zip(s[:-1], s[1:], strict=True)]
    count = sum(dense) + (hidden[-1] + 1) * outputs + (hidden[0] + 1) * 784 + (500 * 784 if name == "vamp-500" else 0)
    vae = run.model(row, protocol.small(row.data), dataclasses.replace(tiny, updates=None), 0, updates=10)
    assert sum(int(np.prod(w.shape)) for w in vae.trainable_weights) == count


def test_the_table_and_the_orderings(tmp_path):
    folder = tmp_path / "reproduce"
    folder.mkdir()
    results = [
        result("vae", 0, 90.0, curve=((100, -120.0), (1600, -90.0))),
        result("vae", 1, 91.0),
        result("iwae-5", 0, 89.0, curve=((100, -105.0), (400, -95.0))),
        result("iwae-5", 1, 91.5),
        result("iwae-50", 0, 80.0, minutes=8.0),
    ]
    results += [result("iwae-5", 0, 92.0, None, 500), result("iwae-50", 0, 91.0, None, 500)]
    for index, found in enumerate(results):
        (folder / f"{index}.json").write_text(json.dumps(found))
    summary = table.summary(table.read(folder))
    row = summary["rows"][0]
    assert (row["name"], row["nll"], row["spread"], row["seeds"]) == ("vae", 90.5, 1.0, [0, 1])
    assert row["distance"] == pytest.approx(90.5 - 86.35)
    assert [(r["name"], r["nll"]) for r in summary["rows_of_updates"]] == [("iwae-5", 92.0), ("iwae-50", 91.0)]
    found = {(o["better"], o["worse"], o["at"].split(",")[0]): o for o in summary["orderings"]}
    minutes = found["iwae-5", "vae", "4 minutes"]
    assert minutes["differences"] == [-1.0, 0.5] and not minutes["holds"]
    assert ("iwae-50", "iwae-5", "8 minutes") not in found  # the budgets differ
    assert found["iwae-50", "iwae-5", "500 updates"]["differences"] == [-1.0]
    curves = found["iwae-5", "vae", "shared updates of the 4 minutes' curves"]
    assert curves["differences"] == pytest.approx([95.0 - 105.0, 0.0])  # 400 is halfway from 100 to 1600 in log
    page = tmp_path / "results.md"
    page.write_text(f"before\n{table.START}\nearlier\n{table.END}\nafter\n")
    assert table.write(folder, page) == 0 and table.write(folder, page) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "earlier" not in text
    assert "| VAE, k=1 | 90.50 +- 0.25 | 1.00 (2) | 86.76 | 86.35 | +4.15 |" in text
    assert "IWAE, k=5 < VAE, k=1 does NOT hold at 4 minutes, test: -1.00, +0.50 nats" in text
    assert "reproduce vae --budget 4 --threads 1 --test-examples 500 --seeds 0 1\n" in text
    before, after = text.split("At equal updates:")
    assert "| IWAE, k=5 | 90.25" in before and "| IWAE, k=5 | 92.00" in after and "| VAE, k=1 |" not in after
    assert "reproduce iwae-5 --updates 500 --threads 1 --test-examples 500 --seeds 0\n" in text
    page.write_text("no markers")
    assert table.write(folder, page) == 1


def test_the_minutes_to_a_papers_figure_are_the_least_that_reach_it():
    tried = [("strong", 0, 87.0, 2.0), ("strong", 0, 85.0, 5.0), ("strong", 1, 86.0, 5.0), ("strong", 0, 84.0, 9.0)]
    theirs = [("vae", 0, 95.0, 2.0), ("iwae-50", 0, 99.0, 2.0), ("piwae-8-8", 0, 99.0, 2.0)]
    published = [("vae-published", 0, 89.0, m) for m in (5.0, 10.0)] + [("iwae-50-published", 0, 91.0, 12.0)]
    published += [("iwae-50-published", 0, 95.0, 2.0)]  # less time than the recipe had
    summary = table.summary(table.ordered([result(*row) for row in tried + theirs + published]))
    found = {row["title"]: (row["budget_minutes"], row["nll"]) for row in summary["to_papers"]}
    assert found == {"VAE, k=1": (5.0, [85.5, 89.0]), "IWAE, k=50": (9.0, [84.0, 91.0]), "PIWAE(8,8)": (9.0, [84.0])}
    lines = table.minutes_of(summary["to_papers"])
    assert lines[2] == "| VAE, k=1 | 86.76 | 5 (by the clock 4.1) | 85.50 +- 0.25 (2 seeds) | 89.00 +- 0.25 |"
    assert lines[3].endswith("| 84.00 +- 0.25 | 91.00 +- 0.25 in 12 |") and lines[4].endswith("| not run |")


def test_the_picture_shows_runs_that_had_a_time_to_end_in(tmp_path):
    """One name a model; runs of fixed updates and other rows are left out, and no run makes no picture."""
    picture.picture([], tmp_path / "none.png")
    assert not list(tmp_path.iterdir())
    runs = [result("strong", 0, 85.0, 5.0), result("strong", 1, 86.0, 5.0), result("vae-published", 0, 89.0, 5.0)]
    assert picture.drawn([*runs, result("iwae-50", 0, 99.0, 2.0), result("strong", 0, 84.0, None)]) == runs
    picture.picture(runs, tmp_path / "reproduce.png")
    assert (tmp_path / "reproduce.png").stat().st_size > 10_000


def test_every_row_of_an_ordering_is_in_the_table():
    assert {name for chain in rows.ORDERINGS for name in chain} <= set(rows.ROWS)
    said, options = command.read(["all", "--seeds", "0", "1", "--budget", "2", "--threads", "1"])
    assert said.rows == list(rows.ROWS) and said.seeds == [0, 1]
    assert (options.budget, options.threads, options.smoke) == (2.0, 1, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vae"], "needs the folder benchmarks/results: stand in a checkout of tfvae, or pass --out."),
        (["table"], "benchmarks/results: .*; the file docs/results.md: stand in a checkout of tfvae, or pass --page."),
        (["table", "--out", "results"], "needs the file docs/results.md"),
        (["vae", "--out", "results"], "no mnist.npz in .*: pass --data FOLDER"),
    ],
)
def test_outside_a_checkout_it_says_what_it_needs(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=said):
        command.main([*words, "--data", "none"])
    assert not list(tmp_path.iterdir())
