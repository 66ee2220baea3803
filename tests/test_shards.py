"""A folder of shards is the table that one file with all rows is: its rows, schema, held-out rows and answers."""

import numpy as np
import pandas as pd
import pytest

import tfvae
import tfvae.tables
from tfvae import datasets
from tfvae.app import rows as answers
from tfvae.app import run as runs
from tfvae.app.options import Options
from tfvae.core import reading
from tfvae.datasets import shard_source
from tfvae.datasets.tables import reading as tables_reading

N = 330


def people(rows=N):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "fare": rng.lognormal(3, 1, rows).round(2),
            "class": rng.choice(["first", "second", "third"], rows),
            "born": pd.Timestamp("1900-01-01") + pd.to_timedelta(rng.integers(0, 20000, rows), unit="D"),
        }
    )
    frame["age"] = frame["age"].astype("Int64").mask(rng.random(rows) < 0.1)
    frame.loc[rows - 1, "class"] = "crew"
    return frame


@pytest.fixture
def frame():
    return people()


@pytest.fixture
def folder(tmp_path, frame, monkeypatch):
    monkeypatch.setattr(tables_reading, "ROWS", 64)
    monkeypatch.setenv("TFVAE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "people"
    path.mkdir()
    for number, (start, end) in enumerate([(0, 100), (100, 101), (101, N)]):
        frame.iloc[start:end].to_parquet(path / f"part-{number}.parquet", index=False)
    (path / "notes.txt").write_text("no shard")
    return path


@pytest.fixture
def whole(tmp_path, frame):
    frame.to_parquet(tmp_path / "whole.parquet", index=False)
    return tmp_path / "whole.parquet"


def by_row(part):
    order = np.argsort(part.index)
    return [np.asarray(array)[order] for array in (part.index, part.mask, part.x)]


@pytest.mark.parametrize("condition", [None, "class", "age"])
def test_the_folder_is_the_file(folder, whole, condition, frame):
    if condition == "age":
        for path in [whole, *folder.glob("*.parquet")]:
            pd.read_parquet(path).assign(age=lambda t: t["age"].fillna(30)).to_parquet(path, index=False)
    shards, file = (datasets.load(source, seed=3, condition=condition) for source in (folder, whole))
    assert shards.protocol["schema"] == file.protocol["schema"] and shards.name == "people"
    for name in ("sizes", "splits", "missing"):
        assert shards.protocol[name] == file.protocol[name]
    for split in ("train", "valid", "test"):
        (index, mask, x), (theirs, their_mask, their_x) = by_row(getattr(shards, split)), by_row(getattr(file, split))
        np.testing.assert_array_equal(index, theirs)
        np.testing.assert_array_equal(mask, their_mask)
        fare = shards.schema.places("fare")
        if split == "train":  # whose noise is as wide as the last digit
            np.testing.assert_allclose(x[:, fare], their_x[:, fare], atol=0.0101)
        else:
            np.testing.assert_array_equal(x, their_x)
        if condition is not None:
            ours, other = (getattr(data, split) for data in (shards, file))
            np.testing.assert_allclose(
                np.asarray(ours.condition)[np.argsort(ours.index)], other.condition[np.argsort(other.index)], rtol=1e-6
            )


def test_a_sample_has_each_word(folder, monkeypatch):
    monkeypatch.setattr(shard_source, "SAMPLE", 40)
    count, sample = shard_source.looked_at(folder)
    assert count == N and len(sample) == 40 and "crew" in set(sample["class"])
    assert "crew" in datasets.load(folder).schema["class"].values


def test_a_counter_of_which_a_sample_is_seen_is_left_out_as_of_one_file(folder, monkeypatch):
    monkeypatch.setattr(shard_source, "SAMPLE", 150)
    ids = np.random.default_rng(0).permutation(N)
    whole = people().assign(id=ids, far=7 * ids)
    for place, (start, end) in enumerate([(0, 100), (100, 101), (101, N)]):
        whole.iloc[start:end].to_parquet(folder / f"part-{place}.parquet", index=False)
    schema = datasets.load(folder).schema
    assert schema["id"].kind == "left out" and "count the rows" in schema["id"].why and schema["far"].kind != "left out"


def test_what_was_encoded_is_used_again_until_a_shard_changes(folder, monkeypatch, caplog):
    before = datasets.load(folder, seed=1)
    assert "are encoded in" in caplog.text
    encode, times = shard_source._encode, []
    monkeypatch.setattr(shard_source, "_encode", lambda *a: times.append(1) or encode(*a))
    again = datasets.load(folder, seed=1)
    assert not times and again.protocol == before.protocol
    np.testing.assert_array_equal(again.train.x, before.train.x)
    datasets.load(folder, seed=1, schema=before.protocol["schema"])  # as a resumed run asks
    assert not times
    people().iloc[:100][::-1].to_parquet(folder / "part-0.parquet", index=False)
    assert datasets.load(folder, seed=1).protocol["crc32"] != before.protocol["crc32"] and times


def test_what_another_process_has_encoded_meanwhile_is_taken(folder, monkeypatch):
    encode = shard_source._encode

    def slower(path, temporary, *rest):
        monkeypatch.setattr(shard_source, "_encode", encode)
        encode(path, temporary, *rest)
        datasets.load(folder)

    monkeypatch.setattr(shard_source, "_encode", slower)
    assert len(datasets.load(folder).train) == len(datasets.load(folder).train.mask)


def test_shards_may_hold_text_in_any_of_its_types(folder):
    people().iloc[100:101].astype({"class": "category"}).to_parquet(folder / "part-1.parquet", index=False)
    assert "crew" in datasets.load(folder).schema["class"].values


def test_nothing_half_encoded_stays(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_source, "_encode", lambda path, temporary, *_: (temporary / "x").touch() or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        datasets.load(folder)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.usefixtures("without_pages")
def test_a_run_reads_in_parts_scores_and_resumes(folder, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGE", 0)
    small = {"epochs": 2, "hidden": (8,), "latent_dim": 2, "batch_size": 32, "eval_samples": 5}
    options = Options.of(source=str(folder), **small)
    report = runs.train(options, tmp_path / "run", verbose=0)
    (tmp_path / "run" / "metrics.json").unlink()
    assert runs.resume(tmp_path / "run", verbose=0).log_prob == report.log_prob
    scores = {}
    for name, source in (("folder", folder), ("file", whole)):
        monkeypatch.setattr(answers, "ROWS", 50)
        out = tmp_path / f"{name}.csv"
        assert (
            answers.answered(str(tmp_path / "run"), str(source), str(out), answers.scores(0.01, False), {}, print) == N
        )
        scores[name] = out.read_bytes()
    assert scores["folder"] == scores["file"]


@pytest.mark.slow
def test_a_model_in_python_learns_from_a_folder(folder):
    model = tfvae.tables.fit(folder, epochs=2, hidden=(8,), latent_dim=2)
    assert np.isfinite(model.log_prob(folder)).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.rename(columns={"fare": "price"}), r"price \(double\)"),
        (lambda t: t.assign(fare=t["fare"].astype(str)), r"fare \(string\)"),
        (lambda t: t[["fare", "age", "class", "born"]], "another order"),
    ],
    ids=["name", "type", "order"],
)
def test_a_shard_with_other_columns_is_named(folder, change, said):
    change(people().iloc[:5]).to_parquet(folder / "part-1.parquet", index=False)
    with pytest.raises(tfvae.InvalidInput, match=rf"part-1.parquet. Received .*{said}"):
        datasets.load(folder)


def test_a_cell_that_does_not_fit_is_named_by_its_row_over_all_shards(folder, monkeypatch):
    monkeypatch.setattr(shard_source, "SAMPLE", 5)
    schema = {"columns": [{"name": "class", "kind": "category", "values": ["first", "second", "third"]}]}
    with pytest.raises(tfvae.InvalidInput, match=r"'crew' in row 329"):
        datasets.load(folder, schema=schema)


def test_a_folder_without_shards_is_not_a_table(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(tfvae.InvalidInput):
        datasets.load(str(tmp_path / "empty"))
