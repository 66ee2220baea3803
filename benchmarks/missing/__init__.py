"""Cells that are missing: how well they are imputed, and whether intervals hold what they say.

tables       data, which cells are hidden, units, baselines
miwae        the model of the tables: settings, training, imputation
calibration  shares within intervals, standardised errors
at_random    `random`: half of the cells of five tables, five masks each
by_value     `by-value`: cells that are missing because they are large
pixels       `half`, `quadrant`: digits of which half of the pixels or a quadrant is missing
results      result files, which go on where they stopped
"""
