"""Tables and their models: a CSV goes in, answers in its own terms come out.

    fit          trains a model on a frame
    load         the model of a run of `tfvae train FILE.csv`
    TableModel   a VAE and the schema of its table: score, impute, encode, sample

It needs pandas and pyarrow, the extra `tables`, and is imported by name: `import tfvae.tables`.
"""

from tfvae.tables.fit import fit
from tfvae.tables.model import TableModel
from tfvae.tables.runs import load

__all__ = ["TableModel", "fit", "load"]


def __dir__() -> list[str]:
    return __all__
