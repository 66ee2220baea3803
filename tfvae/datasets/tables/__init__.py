"""Tables: a file or a frame becomes x and a mask, by a schema that is inferred, printed and saved.

    read, blocks     a table as text, whole or block by block
    Schema           its columns; `Schema.of(frame)`, `encode`, `decode`
    Family, Slot     what a column of x is

It needs pandas and pyarrow, the extra `tables`.
"""

from tfvae.datasets.tables.column import Column, Family, LeftOut, Slot
from tfvae.datasets.tables.reading import blocks, read
from tfvae.datasets.tables.schema import Schema

__all__ = ["Column", "Family", "LeftOut", "Schema", "Slot", "blocks", "read"]


def __dir__() -> list[str]:
    return __all__
