"""What a training on a table takes where a person said nothing, by rules with their reasons.

N rows for training, D columns of x
"""

import math
from typing import Any, NamedTuple

STEPS = {50: 3000, 200: 6000}  # of a whole training, about, by the size of a batch that the rows suggest
FEWEST_PASSES, MOST_PASSES = 10, 500
SMALL, FEW, MANY = 1000, 2000, 50_000  # rows


class Choice(NamedTuple):
    """A setting, its value and the reason."""

    name: str
    value: Any
    why: str


def choices(rows: int, columns: int, given: dict[str, Any]) -> list[Choice]:
    """Returns what was not given.

    Args:
        rows: for training, N.
        columns: of x, D.
        given: settings that a person chose, name to value.

    Example:
        >>> [choice.name for choice in choices(1000, 8, {"epochs": 10})]
        ['latent_dim', 'hidden', 'network', 'batch_size', 'patience', 'eval_samples']
    """
    units, batch = (128 if rows < MANY else 256), (50 if rows < FEW else 200)
    network = ("mlp-tanh", f"fewer than {SMALL} rows") if rows < SMALL else ("mlp", f"at least {SMALL} rows")
    batch_size = given.get("batch_size", batch)
    passes = given.get("epochs") or min(max(round(STEPS[batch] * batch_size / rows), FEWEST_PASSES), MOST_PASSES)
    found = [
        Choice("latent_dim", min(max(columns // 2, 2), 16), f"half of the {columns} columns of x, from 2 to 16"),
        Choice("hidden", (units, units), f"{'fewer than' if rows < MANY else 'at least'} {MANY} rows for training"),
        Choice("network", *network),
        Choice("batch_size", batch, f"{'fewer than' if rows < FEW else 'at least'} {FEW} rows"),
        Choice("epochs", passes, f"about {passes * math.ceil(rows / batch_size)} steps"),
        Choice(
            "patience", max(passes // 5, FEWEST_PASSES), "a fifth of the epochs: the weights of the best one are taken"
        ),
        Choice("eval_samples", 200, "the error of log p(row) is then some hundredths of a nat"),
    ]
    return [choice for choice in found if choice.name not in given]
