"""What was compiled for a model goes with the layers that it had: a replaced part is seen, a copy starts anew."""

import copy
import pickle

import keras
import numpy as np
import pytest

import tfvae
from tfvae import evaluation
from tfvae.core import keras_private

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "clone_model": keras.models.clone_model,
}


@pytest.fixture
def other():
    """A prior without trainable weights, as the standard one has none: nothing but the part itself tells them apart."""
    prior = tfvae.priors.DiagonalNormal(2, trainable=False)
    prior.build((None,))
    prior.set_weights([weight + 0.5 for weight in prior.get_weights()])
    return prior


def test_a_replaced_part_is_seen_and_the_first_one_when_it_comes_back(make_vae, binary, other):
    """Against a model that was made of these parts."""
    vae = make_vae()
    made, prior = tfvae.VAE(vae.posterior, vae.likelihood, other), vae.prior
    first = evaluation.kl_per_dimension(vae, binary)
    vae.prior = other
    replaced = evaluation.kl_per_dimension(vae, binary)
    np.testing.assert_allclose(replaced, evaluation.kl_per_dimension(made, binary), rtol=1e-6)
    assert not np.allclose(replaced, first, rtol=0.01)
    vae.prior = prior
    assert np.array_equal(evaluation.kl_per_dimension(vae, binary), first)


@pytest.mark.parametrize("training", [False, True])
def test_a_step_with_a_replaced_part_is_another_key_of_programs(make_vae, other, training):
    vae = make_vae()
    step, prior = vae.make_step(training), vae.prior
    assert step == vae.make_step(training) and hash(step) == hash(vae.make_step(training))
    vae.prior = other
    assert step != vae.make_step(training)
    vae.prior = prior
    assert step == vae.make_step(training)


CHANGES = {
    "num_data": lambda vae: setattr(vae, "num_data", 70),
    "seed": lambda vae: setattr(vae, "seed", 4),
    "objective": lambda vae: setattr(vae, "objective", tfvae.objectives.ELBO()),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_step_depends_on_is_in_its_key(make_vae, change, training):
    """N, which a fit on other data changes; the seed; the objective, by identity."""
    vae = make_vae()
    step = vae.make_step(training)
    CHANGES[change](vae)
    assert step != vae.make_step(training) and vae.make_step(training) == vae.make_step(training)


def test_layers_are_those_that_attributes_hold_now(make_vae, other):
    """Keras' list keeps the first one, and refuses another network within a part."""
    vae = make_vae(preprocessing=[keras.layers.Rescaling(1.0)])
    prior, rest = vae.prior, (vae.posterior, vae.likelihood, vae.preprocessing[0], vae.scaling)
    assert set(keras_private.layers_now(vae)) == {prior, *rest}
    vae.prior = other
    assert set(keras_private.layers_now(vae)) == {other, *rest} and prior in vae.layers
    with pytest.raises(ValueError, match="already built"):
        vae.posterior.network = tfvae.networks.mlp([4])


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_carries_the_numbers_and_no_program(make_vae, binary, name):
    """Its own weights, its own programs: what is then done to the first model does not reach it."""
    vae = make_vae()
    before = evaluation.kl_per_dimension(vae, binary)
    twin = COPIES[name](vae)
    assert vae.graphs.made and twin.graphs is not vae.graphs and not twin.graphs.made
    twin.set_weights(vae.get_weights())  # a clone has weights of its own
    vae.set_weights([0 * weight for weight in vae.get_weights()])
    assert np.array_equal(evaluation.kl_per_dimension(twin, binary), before)
    assert not np.array_equal(evaluation.kl_per_dimension(vae, binary), before)
    assert twin.get_config()["seed"] == vae.seed and len(twin.weights) == len(vae.weights)
