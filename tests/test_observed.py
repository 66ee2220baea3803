"""What is known of B examples is one plain dict, whichever way it comes: the same numbers as x, y and sample_weight."""

import collections
import dataclasses
import gc
import logging
import re
import sys
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_vae

import tfvae
from tfvae.checks.data import element
from tfvae.checks.streams import num_examples, split
from tfvae.core import observed

ROOT = Path(tfvae.__file__).parent
BATCH = 16
X = (np.random.default_rng(0).random([70, 6]) < 0.4).astype(np.float32)
TARGET = (np.random.default_rng(1).random([70, 6]) < 0.4).astype(np.float32)
WEIGHT = np.linspace(0.1, 2, 70).astype(np.float32)
FORMS = {  # what is known, as a user of Keras writes it, and as one dict
    "x": ((X,), {"x": X}),
    "x and target": ((X, TARGET), {"x": X, "target": TARGET}),
    "all": ((X, TARGET, WEIGHT), {"x": X, "target": TARGET, "weight": WEIGHT}),
}


def make(**options):
    return tiny_vae(event=6, units=[8], initial=0, optimizer=0.01, **options)


class Batches(keras.utils.PyDataset):
    """The same batches, from a `PyDataset`."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * (index + 1))
        return tf.nest.map_structure(lambda part: part[rows], self.data)


def stream(data):
    return tf.data.Dataset.from_tensor_slices(data).batch(BATCH)


def generator(data):
    batches = Batches(data)
    return (batches[index % 5] for index in range(10))


def arrays(vae, data, **options):
    x, y, weight = (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
    return vae.fit(x, y, sample_weight=weight, batch_size=BATCH, shuffle=False, **options).history


WAYS = {
    "arrays": arrays,
    "arrays, run eagerly": lambda vae, data, **options: arrays(vae, data, **options),
    "arrays, first aid": lambda vae, data, **options: arrays(
        vae, data, callbacks=[tfvae.callbacks.FirstAid()], **options
    ),
    "stream": lambda vae, data, **options: vae.fit(stream(data), **options).history,
    "stream, three steps a call": lambda vae, data, **options: vae.fit(stream(data), **options).history,
    "stream, first aid": lambda vae, data, **options: (
        vae.fit(stream(data), callbacks=[tfvae.callbacks.FirstAid()], **options).history
    ),
    "PyDataset": lambda vae, data, **options: vae.fit(Batches(data), shuffle=False, **options).history,
    "generator": lambda vae, data, **options: vae.fit(generator(data), steps_per_epoch=5, **options).history,
    "batch by batch": lambda vae, data, **options: [
        vae.train_on_batch(*(part if isinstance(part, tuple) else (part,))) for part in 2 * list(Batches(data))
    ],
}
OPTIONS = {"arrays, run eagerly": {"run_eagerly": True}, "stream, three steps a call": {"steps_per_execution": 3}}


@pytest.fixture(scope="module")
def reference():
    """Returns the weights after two epochs of a form, once, by today's way through tf.data."""
    made = {}

    def weights(form):
        if form not in made:
            vae = make()
            vae.fit(stream(FORMS[form][0] if len(FORMS[form][0]) > 1 else X), epochs=2, verbose=0)
            made[form] = vae.get_weights()
        return made[form]

    return weights


CELLS = [("x", False), ("all", True), ("x", True), ("all", False)]


@pytest.mark.parametrize(("form", "as_dict"), CELLS, ids=["x-as today", "all-dict", "x-dict", "all-as today"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_takes_the_dict_and_todays_form_to_the_same_weights(reference, way, form, as_dict):
    vae, data = make(**OPTIONS.get(way, {})), FORMS[form][as_dict]
    WAYS[way](vae, data, **({} if way == "batch by batch" else {"epochs": 2, "verbose": 0}))
    worst = max(np.abs(a - b).max() for a, b in zip(vae.get_weights(), reference(form), strict=True))
    print(f"| {way} | {form} | {'dict' if as_dict else 'as today'} | {worst:.1e} |")
    assert int(vae.optimizer.iterations) == 10
    assert worst < 1e-6  # the same operations, in other programs


@pytest.mark.slow
@pytest.mark.parametrize("as_dict", [False, True], ids=["as today", "dict"])
@pytest.mark.parametrize("form", FORMS)
def test_validation_evaluation_and_prediction_take_both(form, as_dict):
    vae, data = make(), FORMS[form][as_dict]
    x, y, weight = (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)
    logs = vae.evaluate(x, y, sample_weight=weight, batch_size=BATCH, verbose=0, return_dict=True)
    assert vae.evaluate(stream(data), verbose=0, return_dict=True) == pytest.approx(logs, rel=1e-6)
    np.testing.assert_array_equal(vae.predict(x, verbose=0), vae.predict(X, verbose=0))
    np.testing.assert_allclose(vae.predict(stream(data), verbose=0), vae.predict(X, verbose=0), rtol=1e-5)
    still = make()
    still.compile(keras.optimizers.SGD(0.0))
    for validation in (data, stream(data)):
        history = still.fit(X, batch_size=BATCH, verbose=0, validation_data=validation).history
        assert {name: history[f"val_{name}"][0] for name in logs} == pytest.approx(logs, rel=1e-6)


@pytest.mark.slow
def test_validation_split_takes_the_last_rows_of_every_key():
    history, given = (
        make().fit(data, batch_size=BATCH, shuffle=False, verbose=0, **options).history
        for data, options in (
            (FORMS["all"][1], {"validation_split": 0.3}),
            (
                {k: v[:49] for k, v in FORMS["all"][1].items()},
                {"validation_data": tuple(v[49:] for v in FORMS["all"][0])},
            ),
        )
    )
    assert history == given
    train, held = split(FORMS["all"][1], 0.3)
    assert train.keys() == held.keys() == FORMS["all"][1].keys() and observed.num_rows(held) == 21


def test_normal_form_has_every_key():
    known = make().known({"x": X})
    assert known.keys() == {"x", "target", "condition", "weight"} and known["condition"] == {}
    assert known["target"] is known["x"]
    np.testing.assert_array_equal(known["weight"], np.ones(70))
    known = make().known({**FORMS["all"][1], "weight": WEIGHT[:, None]})
    np.testing.assert_array_equal(known["target"], TARGET)
    np.testing.assert_array_equal(known["weight"], WEIGHT)


def test_pack_drops_none_and_alone_gives_x_back():
    assert observed.pack(1, target=None, weight=2) == {"x": 1, "weight": 2}
    assert observed.pack({"x": 1, "target": 3}, weight=2) == {"x": 1, "target": 3, "weight": 2}
    assert observed.alone({"x": 1}) == 1 and observed.alone({"x": 1, "weight": 2}) == {"x": 1, "weight": 2}
    assert observed.of_keras((1, 2, 3)) == {"x": 1, "target": 2, "weight": 3}
    assert observed.of_keras(({"x": 1},)) == observed.of_keras({"x": 1}) == {"x": 1}


def test_the_size_of_the_data_is_that_of_the_rows():
    for data in ({"x": X, "weight": WEIGHT}, X):
        assert num_examples(data) == 70
    assert num_examples(stream({"x": X})) == num_examples(Batches({"x": X})) == 80  # the first batch stands for all
    assert num_examples(generator({"x": X})) is None


Pair = collections.namedtuple("Pair", ["x", "weight"])
REFUSED = {
    "an unknown key": (
        {"x": X, "image": X},
        "a dict with x and perhaps mask, condition, labels, target, weight.*'image'",
    ),
    "no x": ({"target": X}, "a dict with keys"),
    "None inside": ({"x": X, "weight": None}, "a dict without None.*weight=None.*Leave out the key"),
    "a NamedTuple": (Pair(X, WEIGHT), "a Pair.*Put all that is known into the dict"),
    "a dict and weights": (({"x": X}, None, WEIGHT), "a dict and more beside it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_loses_on_some_ways_is_refused(name):
    data, said = REFUSED[name]
    with pytest.raises(tfvae.InvalidInput, match=said):
        element(make(), data)


@pytest.mark.parametrize("key", ["target", "weight"])
def test_a_dict_of_arrays_has_one_number_of_rows(key):
    with pytest.raises(tfvae.InvalidInput, match="70 rows, as x has"):
        make().fit({**FORMS["all"][1], key: FORMS["all"][1][key][:9]}, verbose=0)


def test_labels_are_dropped_with_one_note(caplog):
    vae = make()
    with caplog.at_level(logging.WARNING, "tfvae"):
        vae.fit(X, np.arange(70) % 3, batch_size=BATCH, verbose=0)
        vae.fit(stream((X, np.arange(70) % 3)), verbose=0)
    assert caplog.text.count("labels in y are not used") == 1


LABELS = np.arange(70) % 3
GIVEN = {  # what a step of a user's own sees, for what fit was given
    "x": (dict(x=X), (True, False, False)),
    "labels": (dict(x=X, y=LABELS), (True, True, False)),
    "weights": (dict(x=X, sample_weight=WEIGHT), (True, True, True)),  # Keras drops the weights of x without y
    "all": (dict(x=X, y=TARGET, sample_weight=WEIGHT), (True, True, True)),
    "labels, split": (dict(x=X, y=LABELS, validation_split=0.3), (True, True, False)),
}


def own_model(seen):
    class Own(tfvae.VAE):
        def train_step(self, data):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            seen.append((not isinstance(x, dict), y is not None, weight is not None))
            return super().train_step(data)

        def test_step(self, data):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            seen.append((not isinstance(x, dict), y is not None, weight is not None))
            return super().test_step(data)

    return tiny_vae(event=6, units=None, kind=Own, run_eagerly=True)


@pytest.mark.parametrize("aid", [False, True], ids=["", "first aid"])
@pytest.mark.parametrize("name", GIVEN)
def test_steps_of_ones_own_see_what_was_given(name, aid):
    seen, (given, expected) = [], GIVEN[name]
    vae = own_model(seen)
    callbacks = [tfvae.callbacks.FirstAid()] if aid else []
    vae.fit(**given, batch_size=35, verbose=0, callbacks=callbacks, **(
        {} if "validation_split" in given else {"validation_data": tuple(
            given[key] for key in ("x", "y", "sample_weight") if key in given
        ) if len(given) != 2 or "y" in given else given["x"]}
    ))  # fmt: skip
    assert set(seen[:2]) == {expected}
    seen.clear()
    vae.evaluate(**{key: part for key, part in given.items() if key != "validation_split"}, verbose=0)
    assert set(seen) == {expected}


def test_a_step_that_one_model_alone_was_given_is_taken():
    vae, seen = make(), []
    step = vae.train_step
    vae.train_step = lambda data: [seen.append(1), step(data)][1]
    vae.fit(X, batch_size=35, verbose=0)
    assert seen


@pytest.mark.slow
def test_weights_may_be_a_list_and_stand_where_keras_has_them():
    vae = make()
    weighted = vae.evaluate(X, sample_weight=WEIGHT, batch_size=BATCH, verbose=0)
    assert vae.evaluate(X, None, BATCH, 0, WEIGHT) == vae.evaluate(X, None, BATCH, 0, WEIGHT.tolist()) == weighted
    assert weighted != vae.evaluate(X, batch_size=BATCH, verbose=0)
    one, other = make(), make()
    one.fit(X, sample_weight=WEIGHT.tolist(), batch_size=BATCH, verbose=0)
    other.fit(X, sample_weight=WEIGHT, batch_size=BATCH, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


WRONG = {
    "a size in the place of y": (lambda vae: vae.fit(X, 10, verbose=0), "Received a int"),
    "y beside a stream": (lambda vae: vae.fit(stream(X), TARGET, verbose=0), "Received y beside it"),
    "weights beside a stream": (lambda vae: vae.evaluate(stream(X), sample_weight=WEIGHT), "Received sample_weight"),
    "validation without x": (lambda vae: vae.fit(X, validation_data={"image": X}, verbose=0), "with keys .'image'"),
    "validation with more": (lambda vae: vae.fit(X, validation_data={"x": X, "image": X}, verbose=0), "'image', 'x'"),
    "validation with None": (lambda vae: vae.fit(X, validation_data={"x": X, "weight": None}), "weight=None"),
    "a batch without x": (lambda vae: vae.predict_on_batch({"image": X}), "with keys .'image'"),
    "labels in a dict": (
        lambda vae: vae.fit({"x": X, "target": LABELS}, class_weight={0: 2.0}, verbose=0), "Pass the labels as y"
    ),
    "labels in a stream of dicts": (
        lambda vae: vae.fit(stream({"x": X, "target": LABELS}), class_weight={0: 2.0}), "Pass the labels as y"
    ),
    "one weight": (lambda vae: vae.fit(X, sample_weight=3.0, verbose=0), "sample_weight with 70 rows.*Received 3.0"),
    "a seed that is an array": (lambda vae: setattr(vae, "seed", np.array([3])), "seed to be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    call, said = WRONG[name]
    with pytest.raises(tfvae.InvalidInput, match=said):
        call(make())


@dataclasses.dataclass
class Plain(tfvae.objectives.Objective):
    """An objective of a user's, as a dataclass: it cannot be hashed."""

    num_samples: int = 1

    def __call__(self, evidence):
        return evidence.elbo

    def get_config(self):
        return {"num_samples": self.num_samples}


@pytest.mark.slow
def test_an_objective_that_cannot_be_hashed_trains_as_any_other():
    one, other = make(objective=Plain()), make()
    one.fit(X, batch_size=BATCH, verbose=0)
    other.fit(X, batch_size=BATCH, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_steps_a_call_may_be_set_after_compile():
    vae = make()
    vae.steps_per_execution = 4
    vae.fit(stream(X), verbose=0)
    assert int(vae.optimizer.iterations) == 5


@pytest.mark.slow
def test_a_part_that_was_frozen_stays_where_it_is_whatever_was_compiled_before():
    vae = make()
    vae.fit(X, batch_size=BATCH, verbose=0)
    vae.posterior.trainable = False
    vae.fit(X[:40], batch_size=BATCH, verbose=0)
    before = vae.posterior.get_weights()
    vae.fit(X, batch_size=BATCH, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, vae.posterior.get_weights(), strict=True))


@pytest.mark.slow
def test_programs_go_with_what_they_were_made_for():
    """An optimizer after another `compile`; a guard, which holds a copy of the weights, after its fit."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    vae = make()
    optimizer = weakref.ref(vae.optimizer)
    vae.fit(X, batch_size=BATCH, verbose=0)
    vae.compile(keras.optimizers.Adam(0.01))
    gc.collect()
    assert optimizer() is None
    with pytest.raises(KeyboardInterrupt):
        vae.fit(X, batch_size=BATCH, verbose=0, callbacks=[tfvae.callbacks.FirstAid(), Interrupt()])
    assert vae.guard is None and vae._programs.cache_info().currsize == 0
    vae.fit(X, batch_size=BATCH, verbose=0)
    vae.fit(X, batch_size=BATCH, verbose=0)
    assert vae._programs.cache_info()[:2] == (1, 1)  # hits, misses: the second fit compiles nothing


def test_the_walk_of_x_is_the_one_in_the_design_notes():
    """Which files a row of x is handed to, from `fit` to the likelihood, in the order of the table."""
    page = (ROOT.parent / "docs" / "design.md").read_text()
    documented = re.findall(r"^\| \d+ \| `(\S+\.py)` \|", page, re.MULTILINE)
    assert len(documented) <= 15 and len(set(documented)) == len(documented)
    vae, visited = make(run_eagerly=True), []

    def holds_x(value, depth=0):
        if isinstance(value, np.ndarray | tf.Tensor):
            return len(value.shape) == 2 and value.shape[-1] == 6
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
        return depth < 2 and any(holds_x(part, depth + 1) for part in parts)

    def profile(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(ROOT)):
            count = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount + 2
            given = [frame.f_locals.get(name) for name in frame.f_code.co_varnames[:count] if name != "self"]
            if any(map(holds_x, given)):
                visited.append(str(Path(file).relative_to(ROOT)))

    sys.setprofile(profile)
    try:
        vae.fit(X, batch_size=70, verbose=0)
    finally:
        sys.setprofile(None)
    order = list(dict.fromkeys(visited))
    expected = [file for file in documented[:10] if file not in ("preprocessing.py", "training/device.py")]
    assert [file for file in order if file in expected] == expected
    leaves = {
        "core/observed.py",
        "checks/containers.py",
        "checks/units.py",
        "core/reading.py",
        "checks/streams.py",
        "core/sets.py",
        "core/context.py",
        "core/network.py",
        "likelihoods/base.py",
        *("checks/known.py", "checks/labels.py", "checks/values.py"),
        "networks/dense.py",
        "vae.py",
        "distributions/binary.py",
    }
    assert set(order) <= {*documented, *leaves}
