"""The collapse alarm: raised within 3 epochs of a collapse, silent where z is used, and told once in a sentence."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny import tiny_vae

import tfvae
from tfvae import objectives, schedules
from tfvae.callbacks import Alarm, Checkpoint, CollapseAlarm, HistoryFile, ProgressBar, read_history
from tfvae.callbacks.collapse import remedy
from tfvae.core.errors import InvalidInput

tfd = tfp.distributions


# The rule, on epochs that are made up.


class Script:
    """Stands for a model: the rate and active units of each epoch are given."""

    def __init__(self, monkeypatch, objective=None, steps=50, epochs=40, **options):
        self.alarm = CollapseAlarm(None, **options)
        optimizer = type("Optimizer", (), {"iterations": 0, "learning_rate": 1e-3})()
        alone = type("Latents", (), {"several": ()})()
        words = {"objective": objective or objectives.ELBO(), "optimizer": optimizer, "latents": alone}
        self.model = type("Model", (), words)()
        self.alarm.set_model(self.model)
        self.alarm.set_params({"epochs": epochs, "steps": steps})
        self.alarm.on_train_begin()
        self.steps, self.epoch = steps, 0
        names = ("posterior_means", "mutual_information", "kl_per_dimension", "relative_activity")
        results = (lambda *_: None, self.information, lambda *_: np.array([self.rate]), lambda *_: self.activity)
        for name, result in zip(names, results, strict=True):
            monkeypatch.setattr(f"tfvae.evaluation.latents.{name}", result)

    def information(self, *_, **__):
        return type("Information", (), {"mutual_information": 0.0, "marginal_kl": 0.0})()

    def run(self, rates, active=None, units=8):
        """Returns the epochs, from 1, of all alarms so far."""
        for rate, count in zip(rates, active or [units] * len(rates), strict=True):
            self.rate, self.activity = rate, np.where(np.arange(units) < count, 1.0, 0.0)
            self.model.optimizer.iterations += self.steps
            self.alarm.on_epoch_end(self.epoch, {})
            self.epoch += 1
        return [event.epoch for event in self.alarm.alarms]


def test_each_event_is_told_once_and_a_second_one_again(monkeypatch, caplog):
    script = Script(monkeypatch)
    assert script.run([3, 4, 4, 0.05, 0.02]) == []
    assert script.run([0.02, 0.02, 0.02, 0.02]) == [6]
    assert script.run([2, 3, 0.02, 0.02, 0.02]) == [6, 14]
    (first, second) = caplog.messages
    assert first.startswith("tfvae: rate fell to 0.02 nats at epoch 6: the decoder ignores z; try a 20-epoch warm-up")
    assert "LinearWarmup(steps=1000)" in first and "0.5 nats of free bits" in first
    assert "epoch 14" in second


def test_dying_units_raise_the_alarm_and_name_their_maximum(monkeypatch, caplog):
    script = Script(monkeypatch)
    assert script.run([2, 3, 4, 5, 5, 4, 4], [5, 6, 8, 8, 3, 3, 3]) == [7]
    assert "active units fell to 3 at epoch 7, from 8" in caplog.text
    assert Script(monkeypatch).run([2, 3, 4, 5, 5, 4, 4], [5, 6, 8, 8, 4, 4, 4]) == []  # half is not under half
    assert Script(monkeypatch).run([2, 3, 4, 5, 5, 4, 4], [5, 6, 8, 8, 3, 3, 8]) == []  # two epochs are not three


def test_the_dip_of_a_healthy_start_is_no_alarm(monkeypatch):
    dip = [0.353, 0.104, 0.045, 0.047, 0.082, 0.118, 0.155, 0.201, 0.266, 0.363, 0.531, 0.804, 1.024]  # digits, D = 50
    assert Script(monkeypatch, steps=12).run(dip, [8, 4, 0, 0, 0, 0, 0, 2, 3, 5, 6, 7, 8]) == []
    assert Script(monkeypatch, steps=50).run([0.06, 0.03, 0.07, 0.09, 0.12, 0.3]) == []  # rising
    assert Script(monkeypatch, steps=12).run([0.544, 0.099, 0.037, 0.043, 0.083, 0.137, 0.193]) == []  # first 100 steps
    assert Script(monkeypatch, steps=45).run([0.040, 0.034, 0.062, 0.255, 0.95]) == []  # chains, seed 6
    assert Script(monkeypatch, steps=50).run([0.05, 0.02, 0.03, 0.04, 0.05, 0.05]) == [3]  # not on its way out


def test_no_alarm_while_the_learning_rate_rises(monkeypatch, caplog):
    script, low = Script(monkeypatch), [0.02]
    script.model.optimizer.learning_rate = 0.0
    script.alarm.on_train_begin()
    for rate in np.linspace(1e-4, 1e-3, 10):
        script.model.optimizer.learning_rate = rate
        assert script.run(low) == []
    script.alarm.on_train_end()
    assert "at step 500, the last, the learning rate still had to stop rising" in caplog.text
    state = script.alarm.get_state()  # a resumed run knows the largest rate so far
    script.alarm.on_train_begin()
    script.alarm.set_state(state)
    for rate in np.linspace(1e-3, 1e-4, 10):
        script.model.optimizer.learning_rate = rate
        script.run(low)
    assert [event.epoch for event in script.alarm.alarms] == [13]  # 10 epochs warm up, 100 steps and 3 epochs settle


def test_units_are_not_compared_with_those_of_a_random_start(monkeypatch):
    fall, units = [4, 3, 2, 1, 1.5, 2, 2.5], [8, 7, 5, 3, 3, 3, 3]
    assert Script(monkeypatch, steps=50).run(fall, units) == []  # lowest at step 200
    assert Script(monkeypatch, steps=100).run(fall, units) == [6]  # at step 400, the start is over: dying
    warm_up = objectives.ELBO(beta=schedules.LinearWarmup(steps=500))
    script = Script(monkeypatch, warm_up, steps=50)
    assert script.run([4] * 10, [8] * 10) == [] and script.run(fall[1:], units[1:]) == []  # nor with a warm-up's


def test_units_that_die_while_the_rate_falls_steadily_raise_the_alarm(monkeypatch, caplog):
    rates, units = np.linspace(25, 3, 20), np.linspace(20, 2, 20).round()
    (epoch,) = Script(monkeypatch, steps=200).run(rates, list(units), units=20)
    assert epoch == 3 + np.flatnonzero(units < 10)[0]  # the third epoch under half, from 1
    assert "from 20: the decoder drops parts of z" in caplog.text


@pytest.mark.parametrize(
    ("schedule", "steps", "epochs", "why"),
    [
        (schedules.LinearWarmup(steps=5000), 50, 10, "at step 500, the last, the objective still had to change (beta="),
        (
            schedules.Cyclical(period=250, cycles=4),
            50,
            10,
            "the last, the objective still had to change (beta=Cyclical",
        ),
        (schedules.Cyclical(period=250, cycles=4), 50, 9, "from step 350, where the warm-up ended"),  # a last plateau
        (1.0, 20, 4, "takes 100 steps and 3 epochs from the start, and there were 80 steps and 4 epochs"),
        (1.0, 200, 2, "takes 100 steps and 3 epochs from the start, and there were 400 steps and 2 epochs"),
        (schedules.Cyclical(period=250, cycles=4), None, 4, "at step 200, the last, the objective still had to change"),
    ],
)
def test_a_training_that_was_never_judged_says_so_once(schedule, steps, epochs, why, monkeypatch, caplog):
    script = Script(monkeypatch, objectives.ELBO(beta=schedule), steps=steps or 50, epochs=epochs)
    script.alarm.set_params({"epochs": epochs, "steps": steps})
    assert script.run([2.0] * epochs) == []
    script.alarm.on_train_end()
    print(caplog.messages[0])
    assert caplog.messages[0].startswith("tfvae: collapse was never judged: ") and why in caplog.text
    assert caplog.text.count("never judged") == 1


def test_a_training_that_was_judged_does_not_say_so(monkeypatch, caplog):
    script = Script(monkeypatch)
    script.run([3] * 5)
    script.alarm.on_train_end()
    assert not caplog.messages


def test_a_second_fit_looks_as_far_ahead_as_the_first(monkeypatch):
    script = Script(monkeypatch, objectives.ELBO(beta=schedules.Cyclical(period=2000, cycles=4)), epochs=40)
    script.model.optimizer.iterations = 3000  # where the second cycle's plateau begins; the third one rises at 4000
    assert script.run([0.02] * 20) == []


@pytest.mark.parametrize(
    ("schedule", "last"), [(schedules.Cyclical(period=250, cycles=4), 1000), (schedules.LinearWarmup(steps=500), 500)]
)
def test_an_unknown_number_of_steps_is_judged_after_the_schedule_and_not_on_a_plateau(monkeypatch, schedule, last):
    script = Script(monkeypatch, objectives.ELBO(beta=schedule))
    script.alarm.set_params({"epochs": 40, "steps": None})  # a generator
    (epoch,) = script.run([0.02] * 40)
    print(f"{schedule!r}: alarm at epoch {epoch} of 50 steps")
    assert last - 100 <= 50 * epoch - 100 <= last + 100


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        (schedules.LinearWarmup(steps=500), 12),  # over after epoch 10, 100 steps settle
        (schedules.Cyclical(period=250, cycles=4), 20),  # each cycle starts again: over when the last one rises no more
        (schedules.Sigmoid(midpoint=300, width=20), 10),  # 1% from its end at step 400
        (schedules.Constant(2.0), 3),
    ],
)
@pytest.mark.parametrize("name", ["beta", "capacity"])
def test_no_alarm_before_a_warm_up_is_over(schedule, first, name, monkeypatch):
    objective = objectives.ELBO(**{name: schedule})
    (epoch,) = Script(monkeypatch, objective).run([0.02] * 40)
    print(f"{schedule!r}: alarm at epoch {epoch} of 50 steps")
    assert first <= epoch <= first + 3


def test_a_warm_up_of_a_term_counts_too(monkeypatch):
    term = objectives.MaximumMeanDiscrepancy(objectives.ELBO(), weight=schedules.LinearWarmup(steps=500))
    assert Script(monkeypatch, term).run([0.02] * 9) == []


def test_a_rate_that_is_not_finite_is_left_to_first_aid(monkeypatch):
    assert Script(monkeypatch).run([float("nan")] * 6) == []


def test_units_never_active_are_reported_once_and_are_no_alarm(monkeypatch, caplog):
    script = Script(monkeypatch)
    script.run([3, 4, 4, 5, 5], [6, 6, 5, 6, 6])
    assert not caplog.messages
    script.alarm.on_train_end()
    assert len(caplog.messages) == 1 and "2 of 8 latent units were never active (6, 7)" in caplog.text
    assert script.alarm.alarms == []


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (objectives.ELBO(), ["20-epoch warm-up, beta=LinearWarmup(steps=200)", "free_bits=0.5", "weaker decoder"]),
        (objectives.ELBO(beta=6.0), ["beta nearer to 1, now 6"]),
        (objectives.ELBO(beta=schedules.LinearWarmup(steps=7)), ["longer warm-up than LinearWarmup(steps=7"]),
        (objectives.ELBO(free_bits=0.25), ["more free bits than 0.25 nats"]),
        (objectives.ELBO(capacity=3.0), ["capacity above 3 nats"]),
        (objectives.GECO(target=40.0), ["target below 40"]),
        (objectives.IWAE(num_samples=5), ["train with ELBO and a warm-up of beta first, then with IWAE"]),
        (objectives.DensityRatio(objectives.ELBO(), weight=35.0), ["less weight for density_ratio, now 35", "warm-up"]),
        (objectives.MaximumMeanDiscrepancy(objectives.ELBO(beta=0.0), weight=9.0), ["less weight for mmd, now 9"]),
    ],
)
def test_the_remedy_fits_the_objective(objective, expected):
    text = remedy(objective, steps_per_epoch=10)
    print(text)
    assert all(part in text for part in expected)
    assert ("20-epoch" in text) == (
        expected[-1] in ("weaker decoder", "beta nearer to 1, now 6", "warm-up") or "free bits than" in text
    )


class Tempered(objectives.Objective):
    """A user's objective, which has an answer of its own."""

    num_samples = 1

    def __call__(self, evidence):
        return -evidence.distortion - evidence.rate / 2

    def get_config(self):
        return {}

    def against_collapse(self, epoch_steps=None):
        return [f"a lower temperature for {epoch_steps} steps"]


def test_an_objective_of_ones_own_says_what_to_try():
    assert remedy(Tempered(), 10) == "try a lower temperature for 10 steps or a weaker decoder"
    wrapped = remedy(objectives.MomentMatching(Tempered(), weight=3.0), 10)
    assert wrapped == "try less weight for moments, now 3, a lower temperature for 10 steps or a weaker decoder"


# Logs, resume, other posteriors.


@pytest.fixture
def vae(make_vae):
    return make_vae(latent=3)


def test_logs_reach_every_later_callback(vae, binary, tmp_path):
    writers = [
        keras.callbacks.CSVLogger(tmp_path / "keras.csv"),
        HistoryFile(tmp_path / "history.csv"),
        keras.callbacks.TensorBoard(tmp_path / "board"),
    ]
    fit = vae.fit(binary, epochs=2, batch_size=4, verbose=0, callbacks=[CollapseAlarm(binary), *writers])
    names = {"active_units", "mutual_information", "kl_00", "kl_01", "kl_02"}
    assert names <= fit.history.keys()
    assert names <= read_history(tmp_path / "history.csv")[1].keys()
    assert names <= set((tmp_path / "keras.csv").read_text().splitlines()[0].split(","))
    events = b"".join(path.read_bytes() for path in (tmp_path / "board").rglob("events*"))
    assert all(f"epoch_{name}".encode() in events for name in names)
    expected = np.mean(tfvae.distributions.kl.kl_per_dimension(vae.encode(binary), vae.prior()), axis=0)
    np.testing.assert_allclose([fit.history[f"kl_0{d}"][-1] for d in range(3)], expected, rtol=1e-5)


def test_the_progress_bar_leaves_out_the_dimensions(vae, binary, capsys):
    fit = vae.fit(binary, epochs=1, verbose=2, callbacks=[CollapseAlarm(binary), ProgressBar()])
    printed = capsys.readouterr().out
    assert "active_units" in printed and "mutual_information" in printed and "kl_00" not in printed
    assert "kl_00" in fit.history


def test_a_writer_before_the_alarm_is_refused(vae, binary, tmp_path):
    with pytest.raises(InvalidInput, match="HistoryFile first"):
        vae.fit(binary, verbose=0, callbacks=[HistoryFile(tmp_path / "h.csv"), CollapseAlarm(binary)])


@pytest.mark.slow
def test_a_resumed_run_has_the_alarms_of_one_never_stopped(make_vae, binary, tmp_path, caplog):
    stream = tf.data.Dataset.from_tensor_slices(binary).batch(1)

    def make():
        keras.utils.set_random_seed(0)
        return make_vae(optimizer=keras.optimizers.Adam(1e-2), objective=objectives.ELBO(beta=50.0))

    def fit(vae, epochs, *callbacks):
        vae.fit(stream, epochs=epochs, verbose=0, callbacks=list(callbacks))
        return callbacks[0]

    whole = fit(make(), 12, CollapseAlarm(binary))
    (event,) = whole.alarms
    assert isinstance(event, Alarm)
    for stop in (event.epoch - 2, event.epoch):
        fit(make(), stop, CollapseAlarm(binary), Checkpoint(tmp_path / str(stop)))
        checkpoint = Checkpoint(tmp_path / str(stop))
        caplog.clear()
        resumed = fit(checkpoint.restore(), 12, CollapseAlarm(binary), checkpoint)
        assert resumed.alarms == whole.alarms
        assert [alarm.message for alarm in resumed.alarms] == [alarm.message for alarm in whole.alarms]
        np.testing.assert_allclose(resumed.get_state()["_rates"], whole.get_state()["_rates"], rtol=1e-5)
        assert caplog.text.count("rate fell") == (stop < event.epoch)
        assert "never judged" not in caplog.text
    last = Checkpoint(tmp_path / str(event.epoch))
    nothing_left = fit(last.restore(), event.epoch, CollapseAlarm(binary), last)  # as after a kill past the training
    assert nothing_left.alarms == whole.alarms


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        (lambda: tfvae.posteriors.Flow(3), None),
        (lambda: tfvae.posteriors.PowerSpherical(3), lambda: tfvae.priors.HypersphericalUniform(3)),
        (lambda: tfvae.posteriors.Categorical(2, 3), lambda: tfvae.priors.UniformCategorical(2, 3)),
    ],
)
def test_posteriors_without_a_mean_or_a_kl_per_dimension(posterior, prior, binary):
    posterior, prior = posterior(), prior() if prior else None
    estimator = None if posterior.reparameterized else tfvae.estimators.ScoreFunction()
    options = {"objective": objectives.ELBO(num_samples=2), "estimator": estimator}
    vae = tiny_vae(units=None, posterior=posterior, prior=prior, seed=0, **options)
    alarm = CollapseAlarm(binary)
    history = vae.fit(binary, epochs=1, verbose=0, callbacks=[alarm]).history
    assert np.isfinite(history["active_units"]).all() and np.isfinite(history["mutual_information"]).all()
    assert len(alarm.get_state()["_rates"]) == 1
