"""The logs of training: means over examples by weight, all in one variable, so that a step updates it once.

mean_i = sum_b w_b m_ib / sum_b w_b                              loss = mean_loss + sum of the partial terms' means

A mean over some of the examples, such as those with a label, is NaN where there are none of them.
"""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfvae.core import replicas


def rate_of(latent: str) -> str:
    """Returns the name of the log of the rate of one of several latents."""
    return f"rate_{latent}"


class LogTable(keras.metrics.Metric):
    """The weighted sums of several quantities, and the sums of their weights.

    Args:
        names: of the quantities, in the order of the logs.
        partial: those which the loss contains, and which are means over some of the examples.
        measures: those which may be means over some of the examples, too, and which the loss does not contain.
    """

    def __init__(self, names: Sequence[str], partial: Sequence[str] = (), measures: Sequence[str] = ()) -> None:
        super().__init__(name="logs", dtype="float32")
        self.names, self.partial = list(names), [list(names).index(name) for name in partial]
        self.of_some = [name in (*partial, *measures) for name in names]
        self.sums = self.add_variable(shape=(2, len(names)), initializer="zeros", name="sums", dtype="float32")

    def update_state(self, sums: Mapping[str, tf.Tensor], weights: Mapping[str, tf.Tensor]) -> None:
        """Adds the weighted sum over a batch, and the sum of the weights, of each quantity."""
        self.sums.assign_add(tf.stack([[table[name] for name in self.names] for table in (sums, weights)]))

    def result(self) -> tf.Tensor:
        """Returns the means over what all replicas have seen, in the order of the names; zero before any example."""
        sums, weights = tf.unstack(replicas.total(tf.identity(self.sums)))  # workers need a tensor
        means, loss = tf.math.divide_no_nan(sums, weights), self.names.index("loss")
        if not any(self.of_some):
            return means
        if self.partial:
            means += tf.one_hot(loss, len(self.names)) * tf.reduce_sum(tf.gather(means, self.partial))
        return tf.where(self.of_some & (weights == 0) & (weights[loss] > 0), float("nan"), means)

    def weight(self, name: str) -> tf.Tensor:
        """Returns the sum of the weights of one quantity."""
        return self.sums[1, self.names.index(name)]


class Log(keras.metrics.Metric):
    """One quantity of a table, as Keras wants to see it.

    Args:
        name: of the quantity.
        table: that holds it.
    """

    def __init__(self, name: str, table: LogTable) -> None:
        super().__init__(name=name, dtype="float32")
        self.table = table

    def result(self) -> tf.Tensor:
        """Returns the mean, a scalar."""
        return self.table.result()[self.table.names.index(self.name)]

    def update_state(self, value: tf.Tensor, sample_weight: tf.Tensor = 1.0) -> None:
        """Adds a mean over examples whose weights have this sum."""
        column = tf.one_hot(self.table.names.index(self.name), len(self.table.names))
        self.table.sums.assign_add(tf.stack([value * sample_weight * column, sample_weight * column]))

    def reset_state(self) -> None:
        """Starts again."""
        column = tf.one_hot(self.table.names.index(self.name), len(self.table.names))
        self.table.sums.assign(self.table.sums * (1 - column))
