"""Tables that tests make: columns of every kind, as text, with cells that are missing."""

import datetime

import numpy as np
import pandas as pd

ROWS = 120


def every_kind(rows: int = ROWS, seed: int = 0, gaps: float = 0.1) -> pd.DataFrame:
    """Returns a table with a column of each kind, an identifier and a constant; cells of the others may be missing."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    start = datetime.date(2020, 1, 1)
    columns = {
        "id": [f"P{i:05d}" for i in range(rows)],
        "height": [f"{v:.1f}" for v in 150 + 10 * kind + 5 * rng.normal(size=rows)],
        "income": ["0" if v < 0.3 else str(int(np.exp(9 + v))) for v in rng.random(rows)],
        "price": [f"{v:.2f}" for v in np.exp(2 + rng.normal(size=rows))],
        "visits": [str(v) for v in [0, *rng.poisson(2, rows - 1)]],
        "grade": [str(v) for v in [1, 2, 3, 4, *rng.integers(1, 5, rows - 4)]],
        "member": rng.choice(["yes", "no"], rows),
        "city": np.array(["Bern, BE", 'the "Hague"', "Zürich"], object)[kind],
        "joined": [(start + datetime.timedelta(int(d))).strftime("%d.%m.%Y") for d in rng.integers(0, 900, rows)],
        "unit": ["cm"] * rows,
    }
    table = pd.DataFrame(columns, dtype=object)
    for name in table.columns[1:-1]:
        table.loc[rng.random(rows) < gaps, name] = ""
    return table
