"""Tables: a file or a frame becomes x and a mask, by a schema that is inferred, printed and saved.

    read, blocks     a table as text, whole or block by block
    Schema           its columns; `Schema.of(frame)`, `encode`, `decode`
    Family, Slot     what a column of x is
    read_schema      what a file says of a table

It needs pandas and pyarrow, the extra `tables`.
"""

from tfvae.datasets.tables.column import Column, Family, LeftOut, Slot
from tfvae.datasets.tables.reading import ENDS, blocks, read
from tfvae.datasets.tables.schema import Schema, read_schema

__all__ = ["ENDS", "Column", "Family", "LeftOut", "Schema", "Slot", "blocks", "read", "read_schema"]


def __dir__() -> list[str]:
    return __all__
