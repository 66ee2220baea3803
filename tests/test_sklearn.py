"""scikit-learn's shape: clones, pipelines, searches, pickles in another process, frames in and out, its own checks."""

import os
import subprocess
import sys
from datetime import date

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from estimator_cases import CLASSES, quick, small, table
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import tfvae
from tfvae.datasets.tables.column import LeftOut
from tfvae.datasets.tables.numbers import Date, Real
from tfvae.sklearn import VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer
from tfvae.sklearn.base import seed_of, to_pandas
from tfvae.tables import filling

PLACE = "log p(x) is estimated with noise that depends on the place of a row in X, within its standard error"
EXPECTED = {  # checks of scikit-learn that an estimator need not pass, with the reason
    VAETransformer: {
        "check_methods_sample_order_invariance": "codes are float32: their last digit depends on the place of a row"
    },
    VAEImputer: {},
    VAEDensity: dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), PLACE),
    VAEOutlierDetector: {
        **dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), PLACE),
        "check_classifier_data_not_an_array": "whole numbers of a frame are counts, those of an array real numbers",
    },
}


@pytest.fixture(autouse=True, scope="module")
def in_a_second():
    with quick():
        yield


@pytest.fixture(scope="module")
def numbers():
    """Forty rows of three columns that hang on each other; cells of the last one are missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=[40, 1]) + 0.1 * rng.normal(size=[40, 3])
    x[::5, 2] = np.nan
    return x


@pytest.fixture(scope="module")
def detector(numbers):
    return small(VAEOutlierDetector).fit(numbers)


@pytest.fixture(scope="module")
def density(numbers):
    return small(VAEDensity, latent_dim=None).fit(numbers)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_clone_has_the_arguments_and_is_not_fitted(kind, numbers):
    estimator = small(kind, schema={"missing": ["-"]})
    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params() and copy.get_params()["schema"] == {"missing": ["-"]}
    method = copy.transform if hasattr(copy, "transform") else copy.score_samples
    with pytest.raises(NotFittedError):
        method(numbers)


def test_settings_reach_the_model_and_none_leaves_them_to_the_rules(density, detector):
    """Half of three columns are at least two latent dimensions; of 40 rows a tenth is held out, or three tenths."""
    assert density.model_.vae.posterior.latent_shape == (2,) and len(density.model_.held_out) == 4
    assert density.model_.num_samples == 5 and len(detector.model_.held_out) == 12


def test_columns_of_an_array_are_real_however_few_values_they_have():
    """What a schema says goes before; there is nothing to learn from one value."""
    x = np.array([[0, 1, 1, 1], [1, 2, 1, 2], [0, 3, 1, 3], [1, 1, 1, 1], [0, 2, 1, 2], [1, 3, 1, 3]] * 3)
    density = small(VAEDensity, schema={"columns": [{"name": "x3", "kind": "ordered"}]}).fit(x)
    assert [c.kind for c in density.model_.schema.columns] == ["real", "real", "left out", "ordered"]
    assert np.isfinite(density.score_samples([[0.5, -7, 2, 1], [3, np.nan, 1, 2]])).all()  # no category is unknown


def test_an_array_of_booleans_is_one_of_zeros_and_ones():
    x = np.random.default_rng(0).random((60, 3)) > 0.5
    model = VAETransformer(latent_dim=2, hidden=(4,), epochs=1, num_samples=5, random_state=0).fit(x)
    np.testing.assert_allclose(model.transform(x), model.transform(x.astype(np.uint8)), atol=1e-5)


def test_categories_of_a_frame_are_known_though_a_fold_lacks_one():
    frame = pd.DataFrame({"level": pd.Categorical([10, 20] * 10, categories=[10, 20, 30]), "x": np.arange(20.0) ** 2})
    density = small(VAEDensity).fit(frame)
    assert density.model_.schema["level"].values == ("10", "20", "30")
    other = pd.DataFrame({"level": pd.Categorical([30], categories=[10, 20, 30]), "x": [4.0]})
    assert np.isfinite(density.score_samples(other)).all()


def test_seeds_repeat_and_the_global_generator_stays(density, numbers):
    np.random.seed(5)
    again = clone(density).fit(numbers)
    drawn = np.random.random()
    np.random.seed(5)
    assert np.random.random() == drawn
    np.testing.assert_array_equal(again.score_samples(numbers), density.score_samples(numbers))
    np.testing.assert_array_equal(density.sample(9, random_state=1), density.sample(9, random_state=1))
    assert (density.sample(9, random_state=1) != density.sample(9, random_state=2)).any()


def test_a_seed_of_a_number_repeats_and_one_of_a_generator_goes_on(density):
    generator = np.random.RandomState(0)
    assert density.model_.seed == seed_of(0) == seed_of(generator) not in (seed_of(1), seed_of(generator))


def test_density_scores_and_draws(density, numbers):
    scores, drawn = density.score_samples(numbers), density.sample(50, random_state=1)
    assert scores.shape == (40,) and density.score(numbers) == pytest.approx(scores.sum())
    assert drawn.shape == (50, 3) and drawn.dtype == np.float64 and np.isfinite(drawn).all()
    assert len(np.unique(drawn)) > 140  # not all at one resolution


def test_the_flag_is_the_p_value_at_the_rate(detector, numbers):
    model, scores = detector.model_, detector.score_samples(numbers)
    np.testing.assert_array_equal(detector.predict(numbers) == -1, model.p_values(scores) <= 0.3)
    np.testing.assert_array_equal(detector.decision_function(numbers), scores - detector.offset_)
    assert detector.predict([[1000.0, -1000.0, 0.0]]).tolist() == [-1]


def test_the_further_out_a_number_is_the_stranger_its_row(detector, numbers):
    """By Student's t in the units of x, where no value of an array has a mass of its own."""
    rows = np.array([[2.0, 2.0, 2.0], [2.0, 4.0, 2.0], [2.0, 8.0, 2.0], [2.0, 80.0, 2.0], [2.0, 800.0, 2.0]])
    assert np.all(np.diff(detector.score_samples(rows)) < -0.5)  # nats; a factor of 10 adds (df + 1) log 10 in the end
    (law,) = detector.model_.vae.likelihood.likelihoods
    assert isinstance(law.likelihood, tfvae.likelihoods.StudentT)
    repeated = np.where(np.arange(40)[:, np.newaxis] % 2, numbers, [0.0, np.nan, np.nan])
    assert len(small(VAEOutlierDetector).fit(repeated).model_.schema.slots) == 3
    assert len(small(VAEDensity).fit(repeated).model_.schema.slots) == 4  # the mass of the first column's zero
    frame = pd.DataFrame(repeated, columns=["a", "b", "c"])
    assert small(VAEOutlierDetector).fit(frame).model_.schema["a"].atoms == ()


@pytest.mark.parametrize("rate", [0.1, 0.05, 0.29, 0.999])
def test_the_threshold_is_where_the_p_value_passes_the_rate(rate):
    held_out = np.random.default_rng(0).normal(size=99)
    held_out[:20] = held_out[20:40]  # ties
    model = tfvae.tables.TableModel(vae=None, schema=None, held_out=held_out)
    scores = np.concatenate([held_out, [-9, 9], np.nextafter(held_out, -9), np.nextafter(held_out, 9)])
    np.testing.assert_array_equal(scores < model.threshold(rate), model.p_values(scores) <= rate)


def test_too_few_rows_held_out_for_the_rate_are_refused(numbers):
    with pytest.raises(tfvae.InvalidInput, match="Expected 9 rows held out for a rate of 0.1. Received 4"):
        small(VAEOutlierDetector, held_out=0.1, false_positive_rate=0.1).fit(numbers)
    with pytest.raises(tfvae.InvalidInput, match="false_positive_rate between 0 and 1"):
        small(VAEOutlierDetector, false_positive_rate=0.0).fit(numbers)


def test_an_array_is_filled_where_it_is_missing_alone(numbers):
    filled = small(VAEImputer).fit_transform(numbers)
    observed = ~np.isnan(numbers)
    np.testing.assert_array_equal(filled[observed], numbers[observed])
    assert np.isfinite(filled).all()


def test_a_frame_comes_back_filled_with_its_index_names_and_types():
    frame = table()
    before = frame.copy(deep=True)
    filled = small(VAEImputer).fit_transform(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert frame.isna().sum().sum() > 30 and not filled.isna().any().any()
    assert filled.index.equals(frame.index) and filled.dtypes.equals(frame.dtypes)
    for name in frame:
        known = frame[name].notna()
        pd.testing.assert_series_equal(filled[name][known], frame[name][known])
        assert {type(value) for value in filled[name]} == {type(value) for value in frame[name][known]}


def test_times_of_a_zone_come_back_though_an_hour_is_there_twice():
    times = pd.date_range("2023-10-28", periods=60, freq="h", tz="Europe/Berlin").to_series(index=range(60))
    frame = pd.DataFrame({"time": times.mask(np.arange(60) % 9 == 4), "n": np.arange(60) * 0.5})
    filled = small(VAEImputer).fit_transform(frame)
    assert filled["time"].dtype == frame["time"].dtype and not filled["time"].isna().any()
    pd.testing.assert_series_equal(filled["time"][frame["time"].notna()], frame["time"].dropna())
    assert filled["time"].between(times.min(), times.max()).all()


def test_draws_have_the_names_and_types_of_the_frame():
    frame = table()
    drawn = small(VAEDensity).fit(frame).sample(7, random_state=0)
    assert len(drawn) == 7 and drawn.dtypes.equals(frame.dtypes) and not drawn.isna().any().any()
    assert set(drawn["word"]) <= {"a", "b", "c"} and set(drawn["level"]) <= {10, 20, 30}


def test_draws_beyond_an_integer_type_are_its_ends():
    drawn = filling.new(pd.Series(["300", "7", "-1"]), pd.Series([], dtype="uint8"), Real("x"))
    assert drawn.dtype == np.uint8 and drawn.tolist() == [255, 7, 0]


@pytest.mark.parametrize(
    ("known", "words", "found"),
    [
        ([date(2020, 1, 31), None], ["2020-01-31", "2021-02-03"], [date(2020, 1, 31), date(2021, 2, 3)]),
        ([2**53 + 1, None], [str(2**53 + 1), "7"], [2**53 + 1, 7]),
    ],
)
def test_new_values_are_of_the_type_of_the_objects_beside_them(known, words, found):
    """As polars' days and whole numbers with gaps come over Arrow: objects, none of which is rounded."""
    column = pd.Series(known, dtype=object)
    own = Date("x") if isinstance(known[0], date) else Real("x")
    values = filling.values(pd.Series(words, dtype=object), column, own)
    assert values.tolist() == found and {type(v) for v in values} == {type(known[0])}
    back = to_pandas(pa.table({"x": pa.array(known)}))["x"]
    assert back[0] == known[0]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.date_range("2020-01-01", periods=4)),
        pd.Series(pd.period_range("2020-01", periods=4, freq="M")),
        pd.Series(pd.timedelta_range("1h", periods=4)),
    ],
    ids=str,
)
def test_a_time_that_no_model_saw_is_missing_in_new_rows(column):
    own = LeftOut("when")
    found = filling.new(own.words(np.full(3, np.nan)), column, own)
    assert found.dtype == column.dtype and found.isna().all() and len(found) == 3


def test_names_of_columns_are_those_of_scikit_learn(numbers):
    frame = pd.DataFrame(numbers, columns=["a", "b", "c"])
    codes = small(VAETransformer).set_output(transform="pandas").fit(frame)
    assert codes.n_features_in_ == 3 and codes.feature_names_in_.tolist() == ["a", "b", "c"]
    assert codes.get_feature_names_out().tolist() == ["vaetransformer0", "vaetransformer1"]
    found = codes.transform(frame[::-1])
    assert found.columns.tolist() == ["vaetransformer0", "vaetransformer1"] and found.index.equals(frame[::-1].index)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(codes.transform(numbers), codes.transform(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        codes.transform(frame[["b", "a", "c"]])
    assert small(VAEImputer).fit(frame).get_feature_names_out().tolist() == ["a", "b", "c"]


def test_pipelines_and_column_transformers_take_them():
    frame, y = table(), np.arange(60) % 2
    columns = ColumnTransformer(
        [("codes", small(VAETransformer), ["number", "word"]), ("same", "passthrough", ["row"])]
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    assert pipeline.predict(frame).shape == (60,)
    assert columns.fit(frame).get_feature_names_out()[-1] == "same__row"


def test_a_search_compares_densities_on_held_out_rows(density, numbers):
    folds = [(np.arange(40), np.arange(30, 40))]
    search = GridSearchCV(small(VAEDensity), {"latent_dim": [1, None]}, cv=folds, refit=False).fit(numbers)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and scores[1] == pytest.approx(density.score(numbers[30:]), rel=1e-6)


@pytest.mark.slow
def test_joblib_carries_them_to_another_process(detector, numbers, tmp_path):
    """Which finds what it needs; `import tfvae` alone imports none of it."""
    joblib.dump((detector, numbers), tmp_path / "detector.joblib")
    code = (
        "import sys, joblib, tfvae\n"
        "assert not {'tfvae.sklearn', 'tfvae.tables', 'tfvae.datasets.tables'} & sys.modules.keys()\n"
        "detector, x = joblib.load('detector.joblib'); print(*detector.score_samples(x), *detector.predict(x))"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(tfvae.__file__))}
    words = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    run = subprocess.run([sys.executable, "-c", code], **words)
    assert run.returncode == 0, run.stderr[-2000:]
    found = np.array(run.stdout.split(), float)
    # the other process compiles its graphs, this one runs them step by step: the same to float32's rounding
    np.testing.assert_allclose(found[:40], detector.score_samples(numbers), rtol=1e-4)
    np.testing.assert_array_equal(found[40:], detector.predict(numbers))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLASSES)
def test_scikit_learns_own_checks_pass(kind):
    """Prints the checks that are expected to fail, with the reason; the test of another failure is red."""
    estimator = small(kind, random_state=None)
    found = check_estimator(estimator, expected_failed_checks=EXPECTED[kind], on_skip=None)
    by_status = {status: [f["check_name"] for f in found if f["status"] == status] for status in ("passed", "skipped")}
    print(f"{kind.__name__}: {len(by_status['passed'])} passed, skipped {by_status['skipped']}")
    for check in found:
        if check["status"] == "xfail":
            print(f"  expected failure: {check['check_name']}: {check['expected_to_fail_reason']}")
    assert len(by_status["passed"]) >= 35 and by_status["skipped"] in ([], ["check_array_api_input"])
