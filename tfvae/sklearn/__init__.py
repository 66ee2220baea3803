"""scikit-learn's shape: a model of a table as estimators for pipelines, searches and `joblib`.

    VAETransformer       transform: E[z | x]
    VAEOutlierDetector   predict: 1, or -1 where log p(x) is among the lowest of held-out rows
    VAEImputer           transform: missing cells filled
    VAEDensity           score_samples: log p(x); sample

X is a DataFrame of pandas or polars, of words, numbers, dates and gaps, or an array of numbers with NaN for gaps. All
take the same arguments, by name; where one is `None`, the rules of `tfvae.tables` choose it.

    latent_dim, hidden         size: latent dimensions; units of each layer of the encoder, of the decoder in reverse
    epochs, batch_size         schedule: most passes over the rows, rows of a step
    num_samples                importance samples for each row, of log p(x) and of what is missing
    schema                     what to take for granted of the columns, as `Schema.to_dict` writes it
    held_out                   share of the rows that end the training early, and as many that scores are compared with
    random_state, verbose      as everywhere in scikit-learn, and in Keras

A fitted estimator has `model_`, the `tfvae.tables.TableModel`, which can also say why a row is strange and how sure a
filled cell is. It needs pandas and pyarrow, the extra `tables`, and is imported by name: `import tfvae.sklearn`.
"""

from tfvae.sklearn.estimators import VAEDensity, VAEImputer, VAEOutlierDetector, VAETransformer

__all__ = ["VAEDensity", "VAEImputer", "VAEOutlierDetector", "VAETransformer"]


def __dir__() -> list[str]:
    return __all__
