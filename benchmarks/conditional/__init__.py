"""What is known beside x, measured: conditional models beside the same models without the condition.

labels      MNIST, log p(x | y) and log p(x) = logsumexp_y (log p(x | y) - log 10), beside no label and shuffled labels
quadrants   static MNIST, log p(hidden pixels | shown pixels), beside a network that predicts each hidden pixel alone
smfish      counts of 33 genes, log p(x | type of cell), log p(x) over the types, beside no type

common      what the jobs share: one trained model, paired differences, the result file
pictures    what a trained model draws
"""
