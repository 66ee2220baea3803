"""The papers' tables as commands: train one row on a short, declared schedule, score it once on the test images.

rows       what is trained: data, network, objective, and the figures of the paper and of the best independent rerun
protocol   the data sets: which rows, which binarisation
run        one training run: budget to schedule, resume, curve, test figure, result file
table      result files to one summary, the orderings, and the table of docs/results.md
"""
