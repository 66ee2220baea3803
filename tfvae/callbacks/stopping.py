"""Early stopping on the validation ELBO: the larger the better, which Keras cannot know of a name that is ours."""

from typing import Any

import keras


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' `EarlyStopping`, by default on `val_elbo` with mode "max", and with the best weights in the end.

    Args:
        monitor: name of a log.
        patience: epochs without a better value.
        mode: whether the best value is the largest ("max") or the smallest ("min").
        restore_best_weights: go back to the best epoch's weights.
        **kwargs: as of `keras.callbacks.EarlyStopping`.

    Example:
        >>> vae.fit(x, validation_data=valid, epochs=200, callbacks=[EarlyStopping(patience=10)])
    """

    def __init__(
        self,
        monitor: str = "val_elbo",
        patience: int = 10,
        mode: str = "max",
        restore_best_weights: bool = True,
        **kwargs: Any,
    ) -> None:
        given = {"patience": patience, "mode": mode, "restore_best_weights": restore_best_weights}
        super().__init__(monitor=monitor, **given, **kwargs)
