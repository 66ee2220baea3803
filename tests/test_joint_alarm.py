"""The alarm and first aid on several latents: which of them is not used, which of them is not finite."""

import numpy as np
import pytest
from ladders import data, ladder

from tfvae import objectives, schedules
from tfvae.callbacks import CollapseAlarm, Diverged, FirstAid
from tfvae.callbacks.collapse import remedy

X = data(64, 1)


def watched(monkeypatch, rates, objective=None, **options):
    """Returns the alarm after epochs whose rates of z2 and z1 are made up, 200 steps each."""
    vae, alarm = ladder("topdown"), CollapseAlarm(X, **options)
    vae.compile("adam", objective or objectives.ELBO())
    alarm.set_model(vae)
    alarm.set_params({"epochs": 40, "steps": 200})
    alarm.on_train_begin()
    names = ("posterior_means", "mutual_information", "relative_activity", "rates")
    information = type("Information", (), {"mutual_information": 0.0, "marginal_kl": 0.0})()
    results = (None, information, np.ones(3), None)
    for name, result in zip(names, results, strict=True):
        monkeypatch.setattr(f"tfvae.evaluation.latents.{name}", lambda *_, result=result, **__: result)
    for epoch, (two, one) in enumerate(zip(*rates, strict=True)):
        each = {"z2": np.full(4, two), "z1": np.full(4, one)}
        monkeypatch.setattr("tfvae.evaluation.latents.rates", lambda *_, each=each, **__: each)
        vae.optimizer.iterations.assign_add(200)
        alarm.on_epoch_end(epoch, {})
    return alarm


def test_a_latent_whose_rate_dies_is_named_once_and_again_after_it_lived(monkeypatch, caplog):
    two = [2, 2, 0.05, 0.02, 0.02, 0.02, 0.02, 1, 0.02, 0.02, 0.02]
    alarm = watched(monkeypatch, (two, [5] * len(two)))
    assert [event.epoch for event in alarm.alarms] == [5, 11]
    first = alarm.alarms[0].message
    assert first.startswith("rate of z2 is 0.02 nats at epoch 5, beside 5 nats of the others: it is not used; try ")
    assert "layer_free_bits=0.5" in first and "LinearWarmup(steps=4000)" in first and first in caplog.text


def test_a_latent_on_its_way_up_and_a_collapse_of_all_name_none(monkeypatch):
    assert watched(monkeypatch, ([0.02, 0.04, 0.06, 0.09, 0.2], [5] * 5)).alarms == []
    alarm = watched(monkeypatch, ([0.01] * 6, [0.02] * 6))
    (event,) = alarm.alarms
    assert event.message.startswith("rate fell to 0.03 nats") and "layer_free_bits" in event.message


def test_what_was_seen_of_each_latent_survives_a_checkpoint(monkeypatch):
    alarm = watched(monkeypatch, ([2, 0.05, 0.02, 0.02, 0.02], [5] * 5))
    other = CollapseAlarm(X)
    other.set_state(alarm.get_state())
    assert other.alarms == alarm.alarms
    assert vars(other)["_unused"] == ["z2"] and vars(other)["_each"][-1] == {"z2": 0.02, "z1": 5.0}


@pytest.mark.parametrize(
    "objective",
    [
        objectives.ELBO(),
        objectives.ELBO(layer_free_bits=0.25),
        objectives.ELBO(free_bits=0.1),
        objectives.ELBO(beta=schedules.LinearWarmup(10)),
        objectives.ELBO(beta=4.0),
        objectives.ELBO(capacity=1.0),
    ],
    ids=repr,
)
def test_the_free_bits_that_are_proposed_compile(objective):
    """Of all latents of a ladder drawn upwards, whose KL does not factorise: `free_bits` would not."""
    words = remedy(objective, 10, several=True)
    (bits,) = [part for part in words.split(", ") if part.startswith("layer_free_bits=")]
    ladder("bottomup").compile("adam", objectives.ELBO(layer_free_bits=float(bits.split("=")[1].split(" ")[0])))
    assert "instead" in words or (objective.free_bits == 0.0 and objective.capacity is None)


def test_the_logs_tell_the_rate_of_each_latent_of_the_probe():
    vae = ladder("bottomup")
    vae.compile("adam")
    history = vae.fit(X, epochs=1, verbose=0, callbacks=[CollapseAlarm(X)]).history
    assert {"kl_z1", "kl_z2", "active_units", "mutual_information"} <= history.keys()
    assert history["kl_z1"][0] > 0


def test_first_aid_names_the_latent_whose_numbers_are_not_finite():
    vae = ladder("topdown")
    vae.compile("adam")
    part = vae.posterior.parts["z1"]
    part.head.dense.bias.assign(np.full(part.head.dense.bias.shape, np.nan))
    with pytest.raises(Diverged) as stopped:
        vae.fit(X, epochs=1, verbose=0, callbacks=[FirstAid()])
    found = stopped.value.diagnosis
    assert "posterior.z1.loc" in found.parameters and not [p for p in found.parameters if p.startswith("posterior.z2")]
    assert found.terms[0] == "log posterior of z1" and "of the posterior of z1" in found.layer
