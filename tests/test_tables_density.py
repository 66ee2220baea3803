"""log p of a table is a density of its own columns: of a positive number times a probability of a word, summing to one.

price | word ~ LogNormal(mean of the word, spread of the word)             word ~ a, b, c with 0.5, 0.3, 0.2

With one latent dimension p(row) = integral p(z) p(row | z) dz is computed on a grid of z, without samples.
"""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import special, stats

from tfvae import tables
from tfvae.datasets.tables import Family

WORDS, SHARES = np.array(["a", "b", "c"]), np.array([0.5, 0.3, 0.2])
MEANS, SPREADS = np.array([1.0, 3.0, 2.0]), np.array([0.8, 0.4, 1.2])
Z = np.linspace(-8, 8, 321, dtype=np.float32)


def known_table(rows, seed):
    rng = np.random.default_rng(seed)
    word = rng.choice(3, rows, p=SHARES)
    return pd.DataFrame(
        {"word": WORDS[word], "price": np.exp(MEANS[word] + SPREADS[word] * rng.normal(size=rows)).round(3)}
    )


def true_log_prob(table):
    word = np.searchsorted(WORDS, table["word"])
    return np.log(SHARES[word]) + stats.lognorm(SPREADS[word], scale=np.exp(MEANS[word])).logpdf(table["price"])


def exact_log_prob(vae, x):
    """log integral p(z) p(x | z) dz of rows `[N, 2]`, by the trapezoidal rule, whose error is far below 1e-6 here."""
    z = Z[:, np.newaxis]
    weight = vae.prior().log_prob(z).numpy() + np.log(Z[1] - Z[0])
    decoded = vae.decode(z[:, np.newaxis])
    pieces = [decoded.log_prob(tf.constant(part)).numpy() for part in np.array_split(x, max(len(x) // 500, 1))]
    return special.logsumexp(weight[:, np.newaxis] + np.concatenate(pieces, axis=1), axis=0)


@pytest.fixture(scope="module")
def model():
    return tables.fit(known_table(3000, 0), latent_dim=1, hidden=(32,), epochs=4, batch_size=200, jit_compile=False)


def test_a_table_of_two_columns_sums_and_integrates_to_one(model):
    """Over prices from 1e-4 to 1e6 on 3001 points of log price: within 1e-3, the error of the grid at the knots."""
    assert [slot.family for slot in model.schema.slots] == [Family.POSITIVE, Family.CATEGORY]
    log_price = np.linspace(np.log(1e-4), np.log(1e6), 3001)
    total = 0.0
    for word in range(3):
        x = np.stack([np.exp(log_price), np.full_like(log_price, word)], axis=1).astype(np.float32)
        total += np.trapezoid(np.exp(exact_log_prob(model.vae, x) + log_price), log_price)
    assert total == pytest.approx(1.0, abs=1e-3)


def test_scores_are_that_density_within_their_error(model):
    """A hundred rows of which log p is known: the mean of the errors, in units of the standard errors, is about 1."""
    table = known_table(100, 1)
    exact = exact_log_prob(model.vae, model.known(table)["x"])
    found = model.score(table, contributions=False)
    errors = (found["log_prob"] - exact) / found["standard_error"]
    assert np.abs(errors).mean() < 2.0 and np.abs(found["log_prob"] - exact).mean() < 0.1


def test_a_missing_cell_is_integrated_out(model):
    """log p of the word alone is that of the row, integrated over the price; and it is near the word's share."""
    log_price = np.linspace(np.log(1e-4), np.log(1e6), 2001)
    found = np.exp(model.log_prob(pd.DataFrame({"word": WORDS, "price": [None] * 3})))
    for word in range(3):
        x = np.stack([np.exp(log_price), np.full_like(log_price, word)], axis=1).astype(np.float32)
        share = np.trapezoid(np.exp(exact_log_prob(model.vae, x) + log_price), log_price)
        assert found[word] == pytest.approx(share, abs=0.03) and share == pytest.approx(SHARES[word], abs=0.1)


@pytest.mark.slow
def test_a_trained_model_is_near_the_truth():
    """Mean log p of 5000 new rows less the true one, which nothing exceeds: from -0.03 to 4 standard errors."""
    model = tables.fit(known_table(3000, 0), latent_dim=2, epochs=100, eval_samples=500, jit_compile=False)
    table = known_table(5000, 2)
    less = model.log_prob(table) - true_log_prob(table)
    error = less.std(ddof=1) / np.sqrt(len(less))
    print(f"log p less the truth: {less.mean():.4f} +- {error:.4f}")
    assert -0.03 < less.mean() < 4 * error
