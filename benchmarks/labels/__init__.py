"""Few labels: M2 and M1+M2 on MNIST, and on the digits that ship with scikit-learn, beside the classifier alone."""
