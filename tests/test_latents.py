"""Posteriors and priors: each is a normalised distribution on its space, and does what it declares.

Every law runs over the lists of latent_cases. Random tests state how many standard errors (s.e.) they allow; at 4.5
s.e. one number in 150000 raises a false alarm. All draws are seeded: a failure is no bad luck.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from latent_cases import (
    CASES,
    EVENT,
    PAIRS,
    PARTS,
    POSTERIORS,
    PRIOR_OF,
    PRIORS,
    distribution,
    grid,
    make,
    masses,
    noise,
    pair,
    randomised,
)

import tfvae
from tfvae import posteriors, priors
from tfvae.core.chain import stopped, with_gradient_of
from tfvae.distributions.kl import closed_form_kl, kl_per_dimension

tfd = tfp.distributions


# Laws.


@pytest.mark.parametrize(("name", "dim"), CASES)
def test_density_integrates_to_one_and_agrees_with_samples(name, dim):
    """Mass to 1e-3; first and second moments of 20000 samples within 4.5 s.e."""
    part = make(name, dim)
    p, (z, measure) = distribution(part), grid(part.space, part.latent_shape)
    mass = masses(p, z, measure)
    assert abs(mass.sum() - 1) < 1e-3
    drawn, log_prob = p.experimental_sample_and_log_prob(20000, seed=[1, 2])
    np.testing.assert_allclose(p.log_prob(drawn), log_prob, atol=1e-3)

    def moments(z):
        flat = np.reshape(z, [len(z), -1]).astype(np.float64)
        return np.concatenate([flat, (flat[:, :, None] * flat[:, None]).reshape(len(z), -1)], -1)

    sampled, exact = moments(drawn.numpy()), mass @ moments(z.numpy())
    standard_error = sampled.std(0) / np.sqrt(len(sampled))
    assert np.all(np.abs(sampled.mean(0) - exact) < 4.5 * standard_error + 1e-5)


@pytest.mark.parametrize("name", POSTERIORS)
def test_closed_form_kl_is_the_integral(name):
    """KL(q || p) in closed form against quadrature, to 1e-3 nats, alone and summed over dimensions."""
    part = make(f"posterior {name}", POSTERIORS[name][2][-1])
    q, (z, measure) = distribution(part), grid(part.space, part.latent_shape)
    with_closed_form = {
        "DiagonalNormal",
        "LowRankNormal",
        "FullNormal",
        "LogNormal",
        "LogitNormal",
        "VonMisesFisher",
        "PowerSpherical",
        "Categorical",
    }
    for prior in PRIOR_OF[part.space](part.latent_dim):
        p = distribution(prior)
        closed, per_dimension = closed_form_kl(q, p), kl_per_dimension(q, p)
        assert (closed is not None) == (name in with_closed_form)
        assert (per_dimension is not None) == (name in ("DiagonalNormal", "LogNormal", "LogitNormal", "Categorical"))
        if closed is not None:
            mass, ratio = masses(q, z, measure), tf.reshape(q.log_prob(z), [-1]) - tf.reshape(p.log_prob(z), [-1])
            assert closed.shape == (1,)
            np.testing.assert_allclose(closed[0], mass @ np.where(mass > 0, ratio, 0), atol=1e-3)
        if per_dimension is not None:
            assert per_dimension.shape == (1, part.latent_dim)
            np.testing.assert_allclose(tf.reduce_sum(per_dimension, -1), closed, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, (kind, _, _) in POSTERIORS.items() if kind.reparameterized])
def test_pathwise_gradient_is_the_gradient_of_the_integral(name):
    """d/draw E_q sin(3 w.z + 1) from 20000 samples within 4.5 s.e. of quadrature, for every raw output of the head."""
    part = make(f"posterior {name}", POSTERIORS[name][2][-1])
    z, measure = grid(part.space, part.latent_shape)
    w = noise(*part.latent_shape, seed=9)
    raw = {key: noise(1, *shape, seed=5, scale=0.7) for key, shape in part.head_shapes().items()}

    def function(z):
        return tf.sin(tf.reduce_sum(3 * w * z, axis=list(range(-len(part.latent_shape), 0))) + 1)

    def exact(raw):
        log_q = part.distribution(**part.constrain(**raw)).log_prob(z)[:, 0]
        return tf.reduce_sum(tf.exp(log_q) * measure.astype(np.float32) * function(z)[:, 0])

    def sampled(raw):
        q = part.constrain(**raw)
        return tf.reduce_sum(function(part.sample_and_log_prob(q, 1, tf.constant([5, 6]))[0]))

    def gradient(value, raw):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            result = value(raw)
        return tape.gradient(result, raw)

    each = gradient(sampled, {key: tf.repeat(value, 20000, axis=0) for key, value in raw.items()})
    for key, value in gradient(exact, raw).items():
        standard_error = tf.math.reduce_std(each[key], axis=0) / np.sqrt(20000)
        assert np.all(np.abs(tf.reduce_mean(each[key], axis=0) - value[0]) < 4.5 * standard_error + 1e-4), key


@pytest.mark.parametrize("name", PARTS)
def test_every_weight_has_a_finite_gradient(name):
    part = make(name, 3)
    z = distribution(part).sample(4, seed=[1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(distribution(part).log_prob(tf.stop_gradient(z)))
    for weight, gradient in zip(part.weights, tape.gradient(loss, part.trainable_variables), strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient != 0), weight.path


@pytest.mark.parametrize("name", PARTS)
def test_declared_capabilities_hold(name):
    part = make(name, 3)
    p = distribution(part)
    shape = p.sample(2, seed=[1, 2]).shape
    assert tuple(shape[-len(part.latent_shape) :]) == part.latent_shape == tuple(p.event_shape)
    if part.has_mean:
        assert np.isfinite(p.mean()).all()
    else:
        with pytest.raises(NotImplementedError):
            p.mean()
    if part.reparameterized and part.trainable_variables:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(distribution(part).sample(2, seed=[1, 2]) ** 2)
        assert all(g is not None for g in tape.gradient(loss, part.trainable_variables))
    if isinstance(part, priors.Prior) and part.jit_sample:
        z, log_prob = tf.function(
            lambda: distribution(part).experimental_sample_and_log_prob(6, seed=tf.constant([3, 4])), jit_compile=True
        )()
        np.testing.assert_allclose(log_prob, p.log_prob(z), atol=2e-3)


@pytest.mark.parametrize("name", PRIORS)
def test_xla_density_of_priors_is_the_eager_one(name):
    part = make(f"prior {name}", 3)
    p = distribution(part)
    z = p.sample(6, seed=[1, 2])
    compiled = tf.function(lambda z: distribution(part).log_prob(z), jit_compile=True)(z)
    np.testing.assert_allclose(compiled, p.log_prob(z), atol=1e-3)


@pytest.mark.parametrize("name", POSTERIORS)
def test_xla_step_with_unknown_batch_size(name):
    """Samples, density, KL and their gradients compile for `[None, ...]`, as in `fit`; densities are the eager ones."""
    part = make(f"posterior {name}", 3)
    assert part.jit_sample
    prior = next(iter(PRIOR_OF[part.space](part.latent_dim)), None)

    @tf.function(jit_compile=True, input_signature=[tf.TensorSpec([None, EVENT]), tf.TensorSpec([2], tf.int32)])
    def step(x, seed):
        with tf.GradientTape() as tape:
            parameters = part.parameters(x)
            q = part.distribution(**parameters)
            z, log_q, trail = part.sample_and_log_prob(parameters, 3, seed)
            log_q = with_gradient_of(log_q, part.held_log_q(stopped(parameters), z, trail))
            kl = None if prior is None else closed_form_kl(q, distribution(prior))
            loss = tf.reduce_sum(log_q) + tf.reduce_sum(z**2)
            loss += 0.0 if kl is None else tf.reduce_sum(kl)
        return z, log_q, tape.gradient(loss, part.trainable_variables, unconnected_gradients="zero")

    x = noise(4, EVENT)
    z, log_q, gradients = step(x, tf.constant([1, 2]))
    assert all(np.isfinite(g).all() for g in gradients)
    np.testing.assert_allclose(log_q, part(x).log_prob(z), atol=2e-3)


@pytest.mark.parametrize("name", POSTERIORS)
def test_batch_of_any_size_and_stateless_seeds_in_a_graph(name):
    """One trace serves 0 and 7 examples and any number of samples; the graph draws what eager code draws."""
    part = make(f"posterior {name}", 3)

    @tf.function(
        input_signature=[tf.TensorSpec([None, EVENT]), tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)]
    )
    def served(x, num_samples, seed):
        parameters = part.parameters(x)
        z, log_q, trail = part.sample_and_log_prob(parameters, num_samples, seed)
        log_q = with_gradient_of(log_q, part.held_log_q(stopped(parameters), z, trail))
        return z, log_q, part.distribution(**parameters).log_prob(z), part.center(parameters)

    x, seed = noise(7, EVENT), tf.constant([4, 5])
    for rows in (0, 7):
        z, log_q, again, center = served(x[:rows], 3, seed)
        assert z.shape == (3, rows, *part.latent_shape) and log_q.shape == (3, rows)
        assert center.shape == (rows, *part.latent_shape)
        np.testing.assert_allclose(log_q, again, atol=1e-3)
    eager, *_ = part.sample_and_log_prob(part.parameters(x), 3, seed)
    np.testing.assert_allclose(z, eager, atol=1e-4)
    assert not np.allclose(served(x, 3, seed + 1)[0], z)


@pytest.mark.parametrize("name", POSTERIORS)
def test_held_parameters_are_constants_inside_the_density(name):
    """Full gradient = path gradient + score, exactly; the value is the same to the last bit."""
    part, seed, x = make(f"posterior {name}", 3), tf.constant([7, 8]), noise(4, EVENT)

    def gradient(log_q):
        with tf.GradientTape() as tape:
            value = log_q(part.parameters(x))
        return value, tape.gradient(value, part.trainable_variables, unconnected_gradients="zero")

    def held(p):
        z, log_q, trail = part.sample_and_log_prob(p, 5, seed)
        return with_gradient_of(log_q, part.held_log_q(stopped(p), z, trail))

    full_value, full = gradient(lambda p: part.sample_and_log_prob(p, 5, seed)[1])
    path_value, path = gradient(held)
    z, *_ = part.sample_and_log_prob(part.parameters(x), 5, seed)
    _, score = gradient(lambda p: part.distribution(**p).log_prob(tf.stop_gradient(z)))
    assert np.array_equal(full_value, path_value)
    for whole, one, other in zip(full, path, score, strict=True):
        np.testing.assert_allclose(one + other, whole, rtol=2e-3, atol=2e-3 * (1 + np.abs(whole).max()))


@pytest.mark.parametrize("size", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("name", [name for name, (kind, _, _) in POSTERIORS.items() if kind is not posteriors.Flow])
def test_extreme_raw_outputs_give_finite_values_and_gradients(name, size):
    part = make(f"posterior {name}", 3)
    shapes = part.head_shapes()
    raw = {key: tf.constant(size * np.sign(noise(2, *shape, seed=6)), tf.float32) for key, shape in shapes.items()}
    with tf.GradientTape() as tape:
        tape.watch(raw)
        z, log_q, _ = part.sample_and_log_prob(part.constrain(**raw), 20, tf.constant([1, 2]))
        total = tf.reduce_sum(z) + tf.reduce_sum(log_q)
    gradients = tape.gradient(total, list(raw.values()), unconnected_gradients="zero")
    assert np.isfinite(z).all() and np.isfinite(log_q).all()
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("name", PARTS)
def test_densities_stay_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    kind, arguments, _ = PARTS[name]
    options = {k: v() if callable(v) else v for k, v in arguments.items()}
    if issubclass(kind, posteriors.Posterior):
        part = kind(3, **options, network=tfvae.networks.mlp([8]))
    else:
        part = kind(3, **options)
        part.bind(randomised(posteriors.DiagonalNormal(3, network=tfvae.networks.mlp([8]))), (EVENT,))
    p = distribution(randomised(part))
    z, log_prob = p.experimental_sample_and_log_prob(4, seed=[1, 2])
    assert z.dtype == log_prob.dtype == tf.float32 and np.isfinite(log_prob).all()
    np.testing.assert_allclose(p.log_prob(z), log_prob, atol=1e-3)


@pytest.mark.parametrize(("posterior", "prior"), PAIRS)
def test_keras_file_round_trip(posterior, prior, tmp_path):
    model, x = pair(posterior, prior), noise(4, EVENT)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights) == len({w.path for w in model.weights})
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-5)
    assert loaded.posterior.get_config().keys() == model.posterior.get_config().keys()


@pytest.mark.parametrize("name", ["FullNormal", "Flow-InverseAutoregressive", "VonMisesFisher", "RelaxedCategorical"])
def test_saved_model_runs_without_the_package(name, tmp_path):
    model = pair(name, "VampPrior")
    module = tf.Module()
    module.variables_ = [v.value for v in model.weights]
    module.score = tf.function(model.call, input_signature=[tf.TensorSpec([None, EVENT])])
    tf.saved_model.save(module, str(tmp_path))
    x, served = noise(4, EVENT), tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(served.score(x), model(x), rtol=1e-3)


WITHOUT_SPREAD = {  # of raw outputs of the head, those at which q(z | x) is a point
    **dict.fromkeys(["scale", "base_scale"], lambda raw: 0 * raw - 100.0),
    "triangle": lambda raw: -100.0 * tfp.math.fill_triangular_inverse(tf.eye(3, batch_shape=raw.shape[:-1])),
    "factor": lambda raw: 0 * raw,
    "concentration": lambda raw: 0 * raw + 1e6,
    "logits": lambda raw: 1e4 * raw,
}


@pytest.mark.parametrize("name", POSTERIORS)
def test_center_is_where_all_samples_are_when_the_spread_vanishes(name):
    part = make(f"posterior {name}", 3)
    raw = {key: noise(2, *shape, seed=5, scale=0.7) for key, shape in part.head_shapes().items()}
    parameters = part.constrain(**{key: WITHOUT_SPREAD.get(key, tf.identity)(value) for key, value in raw.items()})
    z, *_ = part.sample_and_log_prob(parameters, 20, tf.constant([1, 2]))
    np.testing.assert_allclose(z, tf.broadcast_to(part.center(parameters), z.shape), atol=5e-3)
