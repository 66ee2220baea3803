"""Replicas: what a step has to know of the others, each of which holds its share of the batch, under `tf.distribute`.

    total(v) = sum_r v_r       gathered(v) = [v_1, ..., v_R], row after row       own(gathered(v)) = v_r

The gradient of a step is that of the sum over replicas of their losses: Keras' optimizers add gradients up. `total` and
`gathered` are differentiable in this sense. On one device, and outside of a replica, all of them give v itself.
"""

from typing import TypeVar

import numpy as np
import tensorflow as tf

T = TypeVar("T")  # a tensor, or nested ones


def count() -> int:
    """Returns the number R of replicas."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(value: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the replicas' values, which have one shape."""
    context = _context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value) if context else value


def gathered(value: T) -> T:
    """Returns the rows of all replicas in their order, of a tensor `[B_r, ...]` or of a distribution's parameters."""
    context = _context()
    if not context:
        return value

    def all_rows(part: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(context.all_gather(part, axis=0), [None, *part.shape[1:]])

    return tf.nest.map_structure(all_rows, value, expand_composites=True)


def own(rows: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Returns out of gathered rows those of this replica, which has `size` of them."""
    context = _context()
    if not context:
        return rows
    sizes = context.all_gather(tf.reshape(size, [1]), axis=0)
    first = tf.reduce_sum(sizes[: context.replica_id_in_sync_group])
    return rows[first : first + size]


def pooled(mean: np.ndarray, variance: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns means and variances of the values of all workers, each of which has `count` of its own; within a scope.

    Zero where all have none.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return mean, variance

    def of_all() -> tuple[tf.Tensor, tf.Tensor]:
        number = tf.constant(count, tf.float64)
        center = tf.math.divide_no_nan(total(number * mean), total(number))
        return center, tf.math.divide_no_nan(total(number * (variance + (mean - center) ** 2)), total(number))

    return tuple(strategy.experimental_local_results(part)[0].numpy() for part in strategy.run(of_all))


def has_workers() -> bool:
    """Returns whether other processes hold replicas of the present scope."""
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    return replicas > 1 and replicas > len(strategy.extended.worker_devices)


def of_workers(value: np.ndarray) -> np.ndarray:
    """Returns the values of all replicas, `[R, ...]`, one process' value for each of its own; within a scope."""
    if not has_workers():
        return value[np.newaxis]
    strategy = tf.distribute.get_strategy()
    rows = strategy.run(lambda: gathered(tf.constant(value)[tf.newaxis]))
    return strategy.experimental_local_results(rows)[0].numpy()


def carried(logs: T) -> T:
    """Returns the logs of a step as Keras can carry them out: of several workers it takes the mean over axis 0."""
    context = _context()
    several = context and context.num_replicas_in_sync > len(context.strategy.extended.worker_devices)
    return tf.nest.map_structure(lambda log: log[tf.newaxis], logs) if several else logs


def _context() -> tf.distribute.ReplicaContext | None:
    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None
