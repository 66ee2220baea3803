"""Flows: every transform is invertible, knows its log-determinant, and carries the right gradients in both directions.

Random tests state how many standard errors (s.e.) they allow; all draws are seeded, so a failure is no bad luck.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfvae
from tfvae import flows
from tfvae.core.chain import stopped

tfd = tfp.distributions
C = 2  # features of x that the transforms see

ELEMENTS = {"affine": flows.Affine, "spline": lambda: flows.Spline(num_bins=4, bound=3.0)}
AUTOREGRESSIVE = (flows.InverseAutoregressive, flows.MaskedAutoregressive)
TRANSFORMS = {
    f"{kind.__name__}-{name}": (lambda kind=kind, make=make: kind([7, 6], make()))
    for kind in (*AUTOREGRESSIVE, flows.Coupling)
    for name, make in ELEMENTS.items()
}
TRANSFORMS["Permutation"] = flows.Permutation
TRANSFORMS["Permutation-random"] = lambda: flows.Permutation(seed=14)
TRANSFORMS["Chain"] = lambda: flows.stack(flows.Coupling([7]), flows.InverseAutoregressive([7], flows.Spline(4)))


def built(transform: flows.Transform, dim: int, context: int = C, spread: float = 0.25) -> flows.Transform:
    """Returns the transform with weights that are far from the identity."""
    transform.build((dim, context))
    for weight in transform.weights:
        weight.assign(points(*weight.shape, seed=weight.shape[-1], scale=spread))
    return transform


def points(*shape: int, seed: int = 1, scale: float = 1.0) -> tf.Tensor:
    return tf.constant(scale * np.random.RandomState(seed).normal(size=shape), tf.float32)


def jacobian(function, z: tf.Tensor) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = function(z)
    return tape.batch_jacobian(value, z).numpy()


# Elements.


@pytest.mark.parametrize("name", ELEMENTS)
def test_element_is_increasing_and_its_slope_and_inverse_are_right(name):
    element, v = ELEMENTS[name](), points(500, 3, scale=2.0)
    parameters = points(500, 3, element.num_parameters, seed=2)
    with tf.GradientTape() as tape:
        tape.watch(v)
        value, log_slope = element.forward(v, parameters)
    slope = tape.gradient(value, v)
    assert np.all(slope > 0)
    np.testing.assert_allclose(tf.math.log(slope), log_slope, atol=1e-4)
    back, log_back = element.inverse(value, parameters)
    np.testing.assert_allclose(back, v, atol=2e-4)
    np.testing.assert_allclose(log_back, -log_slope, atol=1e-3)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_zero_parameters_make_the_identity(name, direction):
    element, v = ELEMENTS[name](), points(50, 3, scale=3.0)
    value, log_slope = getattr(element, direction)(v, tf.zeros([50, 3, element.num_parameters]))
    np.testing.assert_allclose(value, v, atol=2e-6)
    np.testing.assert_allclose(log_slope, np.zeros([50, 3]), atol=2e-6)


@pytest.mark.parametrize("bound", [0.5, 2.0])
def test_affine_is_its_formula(bound):
    """v exp(s) + t with s = bound tanh(raw / bound)."""
    element, v, raw = flows.Affine(bound), points(50, 3), points(50, 3, 2, seed=2)
    value, log_slope = element.forward(v, raw)
    expected = bound * np.tanh(raw[..., 1] / bound)
    np.testing.assert_allclose(log_slope, expected, rtol=1e-5)
    np.testing.assert_allclose(value, v * np.exp(expected) + raw[..., 0], rtol=1e-5, atol=1e-6)


def test_spline_is_tfps():
    element, v = flows.Spline(num_bins=5, bound=2.0), points(200, 3)
    raw = points(200, 3, element.num_parameters, seed=2)
    free = 1 - 5 * 0.01
    widths, heights = (4 * (0.01 + free * tf.nn.softmax(part)) for part in (raw[..., :5], raw[..., 5:10]))
    slopes = 0.01 + tf.math.softplus(raw[..., 10:] + np.log(np.expm1(0.99)))
    spline = tfp.bijectors.RationalQuadraticSpline(widths, heights, slopes, range_min=-2.0)
    value, log_slope = element.forward(v, raw)
    np.testing.assert_allclose(value, spline.forward(v), atol=1e-5)
    np.testing.assert_allclose(log_slope, spline.forward_log_det_jacobian(v, 0), atol=1e-4)


@pytest.mark.parametrize("name", ELEMENTS)
def test_extreme_parameters_and_values_stay_finite(name):
    element = ELEMENTS[name]()
    v = tf.constant([-1e4, -3.0, -1e-7, 0.0, 1.0, 3.0, 1e4])[:, tf.newaxis]
    for size in (-100.0, 100.0):
        for index in range(element.num_parameters):
            raw = size * tf.one_hot([[index]] * 7, element.num_parameters)
            for direction in (element.forward, element.inverse):
                with tf.GradientTape() as tape:
                    tape.watch([v, raw])
                    value, log_slope = direction(v, raw)
                gradients = tape.gradient([value, log_slope], [v, raw])
                assert all(np.isfinite(t).all() for t in (value, log_slope, *gradients)), (size, index)


# Transforms.


@pytest.mark.parametrize("name", TRANSFORMS)
def test_inverse_undoes_forward_and_the_log_determinant_is_the_jacobians(name):
    transform, z, context = built(TRANSFORMS[name](), 3), points(20, 3), points(20, C, seed=5)
    tensors = transform.tensors()
    moved, log_det = transform.forward(z, tensors, context)
    back, log_back = transform.inverse(moved, tensors, context)
    np.testing.assert_allclose(back, z, atol=1e-4)
    np.testing.assert_allclose(log_back, -log_det, atol=1e-3)
    matrix = jacobian(lambda z: transform.forward(z, tensors, context)[0], z)
    np.testing.assert_allclose(np.linalg.slogdet(matrix)[1], log_det, atol=1e-3)
    assert np.abs(moved - z).max() > 0.1  # it is not the identity


def test_the_permutation_of_the_list_is_not_its_own_inverse():
    """Else `inverse` could be `forward`; each dimension comes from where `order` says."""
    transform, z = TRANSFORMS["Permutation-random"](), points(5, 3)
    order = transform.order(3)
    assert order.tolist() == [1, 2, 0] and order[order].tolist() != [0, 1, 2]
    assert np.array_equal(transform.forward(z, {}, None)[0], z.numpy()[:, [1, 2, 0]])
    assert np.array_equal(transform.inverse(z, {}, None)[0], z.numpy()[:, [2, 0, 1]])


@pytest.mark.parametrize("kind", AUTOREGRESSIVE)
@pytest.mark.parametrize("units", [[9], [4, 5]])
def test_autoregressive_jacobian_is_triangular(kind, units):
    transform, z, context = built(kind(units), 4), points(6, 4), points(6, C)
    matrix = jacobian(lambda z: transform.forward(z, transform.tensors(), context)[0], z)
    assert np.all(matrix[:, *np.triu_indices(4, 1)] == 0)
    assert np.all(np.diagonal(matrix, axis1=1, axis2=2) > 0)
    below = np.abs(matrix[:, *np.tril_indices(4, -1)]).max(axis=0)
    assert np.all(below > 1e-4)  # each dimension sees all before it


def test_coupling_keeps_the_first_half():
    transform, z, context = built(flows.Coupling([5]), 5), points(6, 5), points(6, C)
    moved = transform.forward(z, transform.tensors(), context)[0]
    assert np.array_equal(moved[:, :2], z[:, :2])
    assert np.all(np.abs(moved - z)[:, 2:].max(axis=0) > 0)


@pytest.mark.parametrize("kind", [*AUTOREGRESSIVE, flows.Coupling])
def test_every_moved_dimension_hears_the_context(kind):
    transform, z = built(kind([6]), 4), points(8, 4)
    one, other = (transform.forward(z, transform.tensors(), points(8, C, seed=s))[0].numpy() for s in (1, 2))
    heard = np.abs(one - other).max(axis=0) > 1e-3
    assert heard.tolist() == ([False, False, True, True] if kind is flows.Coupling else [True] * 4)


@pytest.mark.parametrize("element", ELEMENTS)
def test_implicit_gradient_is_that_of_the_unrolled_search(element):
    """The D-step inverse has its gradient from one triangular solve; an unrolled loop has the same, to all inputs."""
    transform = built(flows.InverseAutoregressive([6], ELEMENTS[element]()), 4, spread=0.15)
    z, context, tensors = points(5, 4), points(5, C, seed=3), transform.tensors()
    inputs = [z, context, *tf.nest.flatten(tensors)]

    def unrolled(z, context, tensors):
        v = tf.zeros_like(z)
        for _ in range(4):
            v, _ = transform.element.inverse(z, transform.conditioner.apply(tensors, v, context))
        return v, -transform.forward(v, tensors, context)[1]

    def gradients(inverse):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            v, log_det = inverse(z, context, tensors)
            loss = tf.reduce_sum(tf.sin(v)) + tf.reduce_sum(tf.cos(log_det))
        return loss, tape.gradient(loss, inputs)

    loss, exact = gradients(unrolled)
    for compiled in (False, True):
        found = tf.function(gradients, jit_compile=compiled)(lambda z, c, t: transform.inverse(z, t, c))
        np.testing.assert_allclose(found[0], loss, rtol=1e-5)
        for one, other in zip(found[1], exact, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_known_inverse_is_not_searched_for(monkeypatch):
    posterior = tfvae.posteriors.Flow(12, flows.InverseAutoregressive([12]))
    posterior.build((None, 5))
    parameters, passes = posterior.parameters(points(2, 5)), []
    apply = flows.conditioner.Conditioner.apply
    monkeypatch.setattr(flows.conditioner.Conditioner, "apply", lambda *args: passes.append(1) or apply(*args))
    z, _, trail = posterior.sample_and_log_prob(parameters, 3, tf.constant([0, 1]))
    posterior.held_log_q(parameters, z, trail)
    assert len(passes) == 3  # forward, one step at the known inverse, its log-determinant
    posterior.distribution(**parameters).log_prob(z)
    assert len(passes) == 3 + 12 + 2


def test_one_dimension_without_context_ignores_z_and_still_learns():
    transform = built(flows.MaskedAutoregressive([5], flows.Spline(4)), 1, context=0)
    assert len(transform.weights) == 3  # no kernel from z: two biases and a kernel
    z = points(30, 1)
    back = transform.inverse(transform.forward(z, transform.tensors(), None)[0], transform.tensors(), None)[0]
    np.testing.assert_allclose(back, z, atol=1e-4)


# Distributions.


def distribution(chain: flows.Chain, dim: int, context: tf.Tensor | None = None) -> flows.FlowDistribution:
    base = tfd.MultivariateNormalDiag(tf.zeros([dim]), tf.ones([dim]))
    return flows.FlowDistribution(base, chain, chain.tensors(), context)


def grid(dim: int, half: float = 9.0, count: int = 361) -> tuple[tf.Tensor, float]:
    axis = np.linspace(-half, half, count, dtype=np.float32)
    return tf.constant(np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), -1).reshape(-1, dim)), (
        axis[1] - axis[0]
    ) ** dim


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if "Permutation" not in name])
def test_density_integrates_to_one_and_agrees_with_samples(name):
    """Mass to 1e-3; means and second moments of 20000 samples within 4.5 s.e. (5 moments: false alarms 3e-5)."""
    chain = flows.Chain([TRANSFORMS[name](), flows.Permutation(), TRANSFORMS[name]()])
    q = distribution(built(chain, 2, context=0), 2)
    where, cell = grid(2)
    density = np.exp(q.log_prob(where).numpy().astype(np.float64)) * cell
    assert abs(density.sum() - 1) < 1e-3
    z, log_q = q.experimental_sample_and_log_prob(20000, seed=[0, 1])
    np.testing.assert_allclose(q.log_prob(z), log_q, atol=2e-3)
    assert np.array_equal(q.sample(20000, seed=[0, 1]), z)
    moments = lambda z: np.stack([z[:, 0], z[:, 1], z[:, 0] ** 2, z[:, 1] ** 2, z[:, 0] * z[:, 1]], -1)  # noqa: E731
    sampled, exact = moments(z.numpy()), density @ moments(where.numpy())
    assert np.all(np.abs(sampled.mean(0) - exact) < 4.5 * sampled.std(0) / np.sqrt(20000))


@pytest.mark.parametrize("element", ELEMENTS)
def test_one_dimensional_flow_integrates_to_one(element):
    chain = built(flows.stack(*(flows.MaskedAutoregressive([5], ELEMENTS[element]()) for _ in range(2))), 1, context=0)
    where, cell = grid(1, half=15.0, count=6001)
    assert abs(np.exp(distribution(chain, 1).log_prob(where)).sum() * cell - 1) < 1e-3


@pytest.mark.parametrize("name", ["InverseAutoregressive-affine", "Coupling-spline", "MaskedAutoregressive-affine"])
def test_xla_agrees_with_eager(name):
    chain = built(flows.stack(TRANSFORMS[name](), TRANSFORMS[name]()), 3)
    z, context = points(4, 5, 3), points(5, C)
    base = tfd.MultivariateNormalDiag(tf.zeros([5, 3]), tf.ones([5, 3]))

    def log_prob(z, tensors):
        return flows.FlowDistribution(base, chain, tensors, context).log_prob(z)

    compiled = tf.function(log_prob, jit_compile=True)(z, chain.tensors())
    np.testing.assert_allclose(compiled, log_prob(z, chain.tensors()), atol=1e-4)


@pytest.mark.parametrize("name", ["InverseAutoregressive-affine", "Coupling-affine", "MaskedAutoregressive-spline"])
def test_batches_of_conditions_broadcast_against_points(name):
    """A mixture of K flows (a VampPrior) asks for the density of `[S, 1, D]` under contexts `[K, C]`."""
    chain, contexts = built(flows.stack(TRANSFORMS[name](), TRANSFORMS[name]()), 3), points(4, C)
    base = tfd.MultivariateNormalDiag(tf.zeros([4, 3]), tf.ones([4, 3]))
    q = flows.FlowDistribution(base, chain, chain.tensors(), contexts)
    z = points(6, 1, 3)
    one_by_one = [distribution(chain, 3, tf.tile(contexts[k : k + 1], [6, 1])).log_prob(z[:, 0]) for k in range(4)]
    np.testing.assert_allclose(q.log_prob(z), tf.stack(one_by_one, 1), atol=1e-4)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([4])), q)
    expected = tf.reduce_logsumexp(tf.stack(one_by_one, 1), 1) - np.log(4)
    np.testing.assert_allclose(mixture.log_prob(z[:, 0]), expected, atol=1e-4)


# The gradient path.

POSTERIORS = {
    "InverseAutoregressive": lambda: tfvae.posteriors.Flow(
        3, [flows.InverseAutoregressive([6]), flows.Permutation(), flows.InverseAutoregressive([6], flows.Spline(4))]
    ),
    "Coupling": lambda: tfvae.posteriors.Flow(
        3, flows.stack(flows.Coupling([6]), flows.Coupling([6])), base=tfvae.posteriors.FullNormal(3)
    ),
    "MaskedAutoregressive": lambda: tfvae.posteriors.Flow(3, flows.MaskedAutoregressive([6])),
    "DiagonalNormal": lambda: tfvae.posteriors.DiagonalNormal(3),
}


@pytest.mark.parametrize("name", POSTERIORS)
def test_path_gradient_is_zero_where_posterior_and_target_are_equal(name):
    """Sticking the landing: log q(z) - log p(z) has no gradient at all when p is q, sample by sample."""
    posterior, x = POSTERIORS[name](), points(4, 5)
    posterior.build((None, 5))
    for weight in posterior.weights:
        weight.assign(points(*weight.shape, scale=0.2))
    for held in (True, False):
        with tf.GradientTape() as tape:
            parameters = posterior.parameters(x)
            z, log_q, trail = posterior.sample_and_log_prob(parameters, 6, tf.constant([3, 4]))
            log_q = posterior.held_log_q(stopped(parameters), z, trail) if held else log_q
            gap = log_q - posterior.distribution(**stopped(parameters)).log_prob(z)
        gradients = tape.gradient(gap, posterior.trainable_variables, unconnected_gradients="zero")
        largest = max(np.abs(g).max() for g in gradients)
        assert largest < 1e-4 if held else largest > 0.1


def test_frozen_flow_gives_no_gradient_to_its_weights():
    posterior, x = POSTERIORS["Coupling"](), points(4, 5)
    posterior.build((None, 5))
    with tf.GradientTape() as tape:
        q = posterior.distribution(**stopped(posterior.parameters(x)))
        value = q.log_prob(points(4, 3))
    assert all(g is None for g in tape.gradient(value, posterior.trainable_variables))


# Construction.


@pytest.mark.parametrize("part", [tfvae.posteriors.Flow, tfvae.priors.Flow])
def test_coupling_in_one_dimension_is_refused(part):
    with pytest.raises(tfvae.InvalidInput, match="latent_dim of at least 2 for flows.Coupling.*Spline"):
        part(1, flows.Coupling([4]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flows.Coupling([]), "width of each hidden layer"),
        (lambda: flows.Coupling(64), "width of each hidden layer"),
        (lambda: flows.Coupling([0]), "units"),
        (lambda: tfvae.priors.Flow(9, flows.MaskedAutoregressive([16, 8])), "units of at least latent_dim=9"),
        (lambda: flows.Coupling([4], element="affine"), "flows.Affine"),
        (lambda: flows.Affine(bound=0), "bound"),
        (lambda: flows.Spline(num_bins=1), "num_bins between 2 and 50"),
        (lambda: flows.Spline(bound=-1.0), "bound"),
        (lambda: flows.Chain([]), "a list of tfvae.flows transforms"),
        (lambda: flows.Chain([3]), "a list of tfvae.flows transforms"),
        (lambda: flows.Permutation(seed=-1), "seed"),
        (lambda: tfvae.posteriors.Flow(3, base=tfvae.posteriors.DiagonalNormal(2)), "base with latent_dim=3"),
        (lambda: tfvae.posteriors.Flow(3, base=tfvae.posteriors.VonMisesFisher(3)), "posterior of real vectors"),
        (lambda: tfvae.posteriors.Flow(3, base=tfvae.posteriors.Flow(3)), "other than a Flow"),
        (lambda: tfvae.posteriors.Flow(3, base=tfvae.priors.StandardNormal(3)), "base to be a posterior"),
        (
            lambda: tfvae.posteriors.Flow(3, base=tfvae.posteriors.DiagonalNormal(3, network=tfvae.networks.mlp([4]))),
            "Give the network to the Flow",
        ),
        (lambda: tfvae.priors.Flow(3, base=tfvae.priors.StandardNormal(2)), "base with latent_dim=3"),
        (lambda: tfvae.priors.Flow(3, base=tfvae.priors.HypersphericalUniform(3)), "prior of real vectors"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(tfvae.InvalidInput, match=message):
        make()


def test_chains_are_taken_apart_and_come_back_from_their_config():
    inner = flows.stack(
        flows.Coupling([4], flows.Spline(4, bound=2.0), activation="tanh"), flows.MaskedAutoregressive([3])
    )
    chain = flows.Chain([flows.Permutation(seed=7), inner])
    assert [type(t).__name__ for t in chain.transforms] == [
        "Permutation",
        "Coupling",
        "Permutation",
        "MaskedAutoregressive",
    ]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(chain))
    built(chain, 3)
    again.build((3, C))
    again.set_weights(chain.get_weights())
    z, context = points(5, 3), points(5, C)
    one, other = (c.forward(z, c.tensors(), context)[0] for c in (chain, again))
    assert np.array_equal(one, other)
