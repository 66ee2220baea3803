"""The estimators: each asks one thing of the model of a table.

VAETransformer       E[z | x]
VAEOutlierDetector   log p(x) - threshold,    threshold: where the p-value among held-out rows is the rate asked for
VAEImputer           E[missing | observed]; of words the most probable one
VAEDensity           log p(x); x ~ p(x)
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    OneToOneFeatureMixin,
    OutlierMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from tfvae.core.errors import InvalidInput
from tfvae.sklearn.base import _OfTables, alike, is_frame, seed_of, to_pandas
from tfvae.tables.filling import new


class _Scores:
    """Scores of rows, of a class that is `_OfTables`."""

    def score_samples(self, X: Any) -> np.ndarray:
        """Returns log p(x) of each row in nats, `[N]` float64: a density of numbers, a mass of words and counts.

        It is estimated by importance sampling with noise that depends on the place of a row in X: elsewhere the same
        row scores differently, as far as the standard error says (`model_.score`).

        Args:
            X: a frame or an array, as for `fit`; of cells that are missing nothing is counted.

        Raises:
            InvalidInput: for a cell that its column cannot have.
        """
        table = self._table(X)
        return self.model_.log_prob(table).astype(np.float64)


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _OfTables, BaseEstimator):
    """Codes of rows: x becomes E[z | x], the mean of the encoder's q(z | x).

    Arguments are those of all estimators, see `tfvae.sklearn`; `latent_dim` is the number of columns that come out.

    Source:
        Kingma and Welling 2014, "Auto-Encoding Variational Bayes".

    Example:
        >>> codes = VAETransformer(latent_dim=2).set_output(transform="pandas").fit_transform(frame)
    """

    def transform(self, X: Any) -> np.ndarray:
        """Returns E[z | x] of each row, `[N, D]` float32.

        Args:
            X: a frame or an array, as for `fit`.

        Raises:
            InvalidInput: for a cell that its column cannot have.
        """
        table = self._table(X)
        return self.model_.encode(table).to_numpy()

    def __sklearn_tags__(self) -> Any:
        """Returns scikit-learn's description of the estimator: codes are float32, whatever X is."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.vae.posterior.latent_shape[0]


class VAEImputer(OneToOneFeatureMixin, TransformerMixin, _OfTables, BaseEstimator):
    """Missing cells filled by what the model says of them given the others; observed ones stay as they are.

        numbers   E[cell | observed cells], at the resolution of the column        words   the most probable one
        numbers with single values that are often   the most probable of these, or the mean of the others

    A cell is missing where it is NaN or None, or holds what the schema calls missing ("", "?", "NA", ...). In columns
    that no model sees, of one value, of identifiers or of missing cells alone, gaps stay. Arguments are those of all
    estimators, see `tfvae.sklearn`.

    Source:
        Mattei and Frellsen 2019, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets".

    Example:
        >>> filled = VAEImputer(random_state=0).fit_transform(frame)
    """

    def transform(self, X: Any) -> Any:
        """Returns X with its gaps filled: a frame of the same library, or an array.

        Args:
            X: a frame or an array, as for `fit`.

        Raises:
            InvalidInput: for a cell that its column cannot have.
        """
        table = self._table(X)
        return alike(self.model_.impute(table), X)


class VAEDensity(DensityMixin, _Scores, _OfTables, BaseEstimator):
    """Density of rows, with the methods of `sklearn.neighbors.KernelDensity`.

    Arguments are those of all estimators, see `tfvae.sklearn`. A search compares settings by `score`, on rows that the
    search holds out.

    Attributes:
        like_: no row of the X that `fit` was given; draws are of its kind.

    Source:
        Burda, Grosse and Salakhutdinov 2016, "Importance Weighted Autoencoders", section 5.

    Example:
        >>> best = GridSearchCV(VAEDensity(), {"latent_dim": [2, 8]}).fit(frame).best_estimator_
        >>> rows = best.sample(1000, random_state=0)
    """

    like_: Any

    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains a model on the rows of a table; arguments and errors as for all estimators."""
        super().fit(X, y)
        self.like_ = X[:0] if is_frame(X) else np.empty([0, self.n_features_in_])
        return self

    def score(self, X: Any, y: Any = None) -> float:
        """Returns the sum of log p(x) over the rows, in nats.

        Args:
            X: a frame or an array, as for `fit`.
            y: not looked at.
        """
        return float(self.score_samples(X).sum())

    def sample(self, n_samples: int = 1, random_state: int | np.random.RandomState | None = None) -> Any:
        """Returns new rows x ~ p(x), of the kind of the X that `fit` was given: its columns, words and types.

        Args:
            n_samples: how many.
            random_state: of the draws.

        Raises:
            InvalidInput: if `n_samples` is not a whole number of at least 1.
        """
        check_is_fitted(self)
        text, schema = self.model_.sample(n_samples, seed=seed_of(random_state)), self.model_.schema
        like = pd.DataFrame(self.like_) if isinstance(self.like_, np.ndarray) else to_pandas(self.like_)
        of_columns = zip(schema.columns, like.columns, strict=True)
        return alike(pd.DataFrame({c.name: new(text[c.name], like[own], c) for c, own in of_columns}), self.like_)


class VAEOutlierDetector(OutlierMixin, _Scores, _OfTables, BaseEstimator):
    """Strange rows: those whose log p(x) is among the lowest that rows of the same kind have.

        predict(x) = -1  <=>  p-value(x) <= false_positive_rate,
        p-value(x) = (1 + number of held-out rows that score no higher) / (1 + number of held-out rows)

    A row of the same kind as the training rows is flagged with a probability of at most that rate, whatever the model.
    Numbers follow Student's t in their own units (the recipe `robust_table`), so that one far out is improbable.
    The rate stands in place of scikit-learn's `contamination`, a share of strange rows that nobody knows beforehand.

    Args:
        false_positive_rate: share of ordinary rows that are flagged.
        held_out: share of the rows that give the threshold; they must be at least 1 / rate - 1 rows.
        latent_dim: this and the others are those of all estimators, see `tfvae.sklearn`.

    Attributes:
        offset_: the threshold, in nats: `decision_function` is `score_samples` less this.

    Source:
        Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World"; Bates et al. 2023, "Testing for
        Outliers with Conformal p-values"; Takahashi et al. 2018, "Student-t Variational Autoencoder for Robust Density
        Estimation".

    Example:
        >>> strange = VAEOutlierDetector(false_positive_rate=0.01).fit(frame).predict(new) == -1
    """

    _recipe = "robust-table"
    _atoms = False  # a mass would compare with densities
    offset_: float

    def __init__(
        self,
        *,
        false_positive_rate: float = 0.1,
        latent_dim: int | None = None,
        hidden: Sequence[int] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        num_samples: int | None = None,
        schema: Mapping[str, Any] | None = None,
        held_out: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        size = {"latent_dim": latent_dim, "hidden": hidden, "epochs": epochs, "batch_size": batch_size}
        more = {"schema": schema, "held_out": held_out, "random_state": random_state, "verbose": verbose}
        super().__init__(num_samples=num_samples, **size, **more)
        self.false_positive_rate = false_positive_rate

    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains a model and finds the threshold on rows that it has not seen; arguments as for all estimators.

        Raises:
            InvalidInput: if the held-out rows are too few for the rate, and as for all estimators.
        """
        rate = self.false_positive_rate
        if not 0 < rate < 1:
            received = f"false_positive_rate={rate!r}"
            raise InvalidInput("false_positive_rate between 0 and 1", received, "Pass for example 0.1.")
        super().fit(X, y)
        self.offset_ = self.model_.threshold(rate)
        if math.isinf(self.offset_):
            received = f"{len(self.model_.held_out)}, by held_out={self.held_out!r}"
            remedy = "Pass more rows, a larger held_out or a larger rate."
            raise InvalidInput(f"{math.ceil(1 / rate) - 1} rows held out for a rate of {rate:g}", received, remedy)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns log p(x) less the threshold, `[N]`: below zero for strange rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Returns -1 for strange rows, 1 for the others, `[N]`."""
        return np.where(self.decision_function(X) < 0, -1, 1)
