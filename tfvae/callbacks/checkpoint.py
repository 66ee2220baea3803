"""Checkpoints from which `fit` goes on exactly.

    vae_n, optimizer_n, callbacks_n, history_n   after epoch n, in one folder, sealed, renamed into place

Training noise is folded from `optimizer.iterations`, that of dropout and the like comes from generators with a state,
and `Split.batches` orders an epoch by its number, so what a checkpoint holds determines all later epochs: a killed run
that goes on ends with the weights of one never killed.
A callback takes part through `get_state() -> dict` and `set_state(dict)`; Keras' own are known here.
"""

import json
import logging
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfvae import files
from tfvae.checks.loaded import load_model
from tfvae.core import keras_private, replicas
from tfvae.core.errors import InvalidInput, positive_integer
from tfvae.core.kinds import fits
from tfvae.core.types import Config, Logs

logger = logging.getLogger("tfvae")

STATE = keras_private.CALLBACK_STATE  # what Keras' own callbacks carry from one epoch to the next
KINDS = {"epoch": int, "stopped": bool, "history": dict[str, list], "callbacks": dict[str, dict]}
STATELESS = (
    keras.callbacks.CSVLogger,
    keras.callbacks.History,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TensorBoard,
    keras.callbacks.TerminateOnNaN,
)


class Checkpoint(keras.callbacks.Callback):
    """Saves all that training needs to go on after each epoch, and goes on from it.

    Give it as the last of the callbacks of `VAE.fit`, and the same call resumes a killed process. The weights are those
    of a run that was never stopped: the order of arrays is a function of the seed and the step. Of streams it must
    depend on the epoch's number alone, as with
    `Split.batches(batch_size, shuffle_seed, first_epoch=checkpoint.initial_epoch)`. Under `jit_compile="auto"` both
    calls must plan for as many `epochs`. A run that a callback had stopped (`EarlyStopping`) trains no
    further.

    Args:
        directory: folder for the checkpoints, one folder each; created if missing.
        keep: how many of the newest to keep.

    Attributes:
        initial_epoch: number of epochs done, where `fit` goes on.
        history: the logs of the epochs that it saw, name to one value an epoch.
        epochs: numbers of these epochs.

    Raises:
        InvalidInput: if `keep` is not a whole number of at least 1; in `fit`, if the folder holds checkpoints of a run
            that was not restored, or a callback with a state of its own comes later in the list.

    Example:
        >>> checkpoint = Checkpoint("checkpoints")
        >>> vae = checkpoint.restore() or vae
        >>> history = vae.fit(x, epochs=3, callbacks=[checkpoint], verbose=0)
        >>> len(history.history["elbo"])
        3
    """

    def __init__(self, directory: str, keep: int = 2) -> None:
        super().__init__()
        self.directory, self.keep = Path(directory), positive_integer("keep", keep)
        self.initial_epoch, self.history, self.epochs = 0, {}, []
        self._restored, self._restored_model, self._siblings = None, None, {}

    def restore(self) -> keras.Model | None:
        """Returns the model of the newest whole checkpoint, optimizer included, or `None` if the folder holds none.

        The next `fit` then gives the callbacks their states back, and goes on at `initial_epoch` up to its `epochs`.
        A checkpoint that is damaged, or whose content cannot be read, is left out with a warning for an older one.
        Of several workers (`docs/distribution.md`) each calls this within the strategy's scope.

        Raises:
            InvalidInput: if there are whole checkpoints and the content of none can be read, or if the
                newest ones of several workers are not of one epoch; then all of them stay.
        """
        for path in self._saved():
            if not files.is_whole(path):
                logger.warning("tfvae: the checkpoint %s is damaged and is left out.", path)
                shutil.rmtree(path)
        _check_workers(_epoch(self._saved()[-1]) if self._saved() else 0)
        refused = {}
        for path in reversed(self._saved()):
            try:
                self._restored, self._restored_model = _read(path)
            except InvalidInput as error:
                refused[path] = error
                continue
            for bad, error in refused.items():
                logger.warning("tfvae: the checkpoint %s is damaged and is left out: %s", bad, error)
                shutil.rmtree(bad)
            self.initial_epoch, self.history = self._restored["epoch"], self._restored["history"]
            self.epochs = self._restored["epochs"]
            return self._restored_model
        if refused:
            raise next(iter(refused.values()))
        return None

    def watch(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Learns which callbacks run beside this one; `VAE.fit` calls it before training.

        Args:
            callbacks: all callbacks of the fit, in order.

        Raises:
            InvalidInput: if one that holds a state comes after this one.
        """
        others = [c for c in callbacks if not isinstance(c, (*STATELESS, Checkpoint))]
        late = [type(c).__name__ for c in others if callbacks.index(c) > callbacks.index(self)]
        if late:
            raise InvalidInput(
                "Checkpoint as the last of the callbacks, since it saves what the others hold after an epoch",
                f"{', '.join(late)} after it",
                "Move it to the end of the list.",
            )
        names = [type(c).__name__ for c in others]
        self._siblings = {f"{n}-{names[:i].count(n)}": c for i, (n, c) in enumerate(zip(names, others, strict=True))}
        unknown = [type(c).__name__ for c in others if not hasattr(c, "get_state") and not isinstance(c, tuple(STATE))]
        if unknown:
            logger.warning(
                "tfvae: a resumed run starts %s afresh: give it get_state() and set_state() if it holds a state.",
                ", ".join(unknown),
            )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Gives the callbacks back their states, and tells `fit` at which epoch to go on."""
        restored, self._restored = self._restored, None
        self.directory.mkdir(parents=True, exist_ok=True)
        held = (*self.model.variables, *self.model.optimizer.variables)
        files.check_space(self.directory, sum(map(_size, held)))
        newest = _epoch(self._saved()[-1]) if self._saved() else 0
        if restored is None and newest != self.initial_epoch:
            raise InvalidInput(
                f"no checkpoints of another run in {self.directory}",
                f"one of epoch {newest}",
                "Go on from it with restore(), or give another directory.",
            )
        if restored and self.model is not self._restored_model:
            raise InvalidInput("fit of the model that restore() returned", "another model", "Fit the restored model.")
        history = getattr(self.model, "history", None)
        if isinstance(history, keras.callbacks.History):
            history.history = {name: list(values) for name, values in self.history.items()}
        if self.initial_epoch:
            stopped = restored and restored["stopped"]
            keras_private.set_first_epoch(self.model, self.params["epochs"] if stopped else self.initial_epoch)
        for name, state in (restored["callbacks"] if restored else {}).items():
            if name in self._siblings:
                _set_state(self._siblings[name], state)
            else:
                logger.warning("tfvae: the checkpoint holds a state of %s, which is not among the callbacks.", name)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Gives Keras' history the numbers of the epochs before this fit."""
        self._begun()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the checkpoint of this epoch, then removes older ones."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(_number(value))
        self.initial_epoch = epoch + 1
        self.epochs.append(epoch)
        arrays = {}
        state = {
            "epoch": self.initial_epoch,
            "stopped": bool(self.model.stop_training),
            "history": self.history,
            "epochs": self.epochs,
            "callbacks": {name: _get_state(callback) for name, callback in self._siblings.items()},
            "generators": [np.asarray(state) for state in _generators(self.model)],
        }
        text = json.dumps(_split(state, arrays))
        path = self.directory / f"epoch-{self.initial_epoch:06d}"
        self.directory.mkdir(parents=True, exist_ok=True)
        with files.whole_folder(path) as folder:
            self.model.save(folder / "model.keras")
            np.savez(folder / "arrays.npz", **arrays)
            (folder / "state.json").write_text(text)
            files.seal(folder)
        for old in self._saved()[: -self.keep]:
            shutil.rmtree(old)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Gives Keras' history the numbers of its epochs, also where none was left to train."""
        self._begun()

    def _begun(self) -> None:
        keras_private.set_first_epoch(self.model, None)  # Keras keeps it for the next fit
        history = getattr(self.model, "history", None)
        if isinstance(history, keras.callbacks.History) and not history.epoch:
            history.epoch = list(self.epochs)

    def _saved(self) -> list[Path]:
        found = self.directory.glob("epoch-*") if self.directory.is_dir() else ()
        return sorted((path for path in found if _epoch(path)), key=_epoch)


def _epoch(path: Path) -> int:
    match = re.fullmatch(r"epoch-(\d+)", path.name)
    return int(match[1]) if match else 0


def _read(path: Path) -> tuple[Config, keras.Model]:
    """Returns the state and the model that a checkpoint holds; raises `InvalidInput` if it is not as it was written."""
    remedy = f"Remove the folder {path.parent} to train from the start."
    arrays, text = files.read_arrays(path / "arrays.npz"), files.read_json(path / "state.json")
    try:
        state = _joined(text, arrays)
        odd = [name for name, kind in KINDS.items() if not fits(state[name], kind)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InvalidInput(f"a checkpoint at {path}", f"another state ({error!r})", remedy) from error
    if odd or state["epoch"] != _epoch(path):
        raise InvalidInput(f"a checkpoint at {path}", f"another {odd[0] if odd else 'epoch'} in it", remedy)
    model = load_model(path / "model.keras")
    for generator, value in zip(_generators(model), state.get("generators", ()), strict=False):
        generator.assign(value)
    return {"epochs": list(range(state["epoch"])), **state}, model  # those of version 0.1 do not say


def _check_workers(epoch: int) -> None:
    """Raises `InvalidInput` on all workers if they would go on at different epochs."""
    epochs = replicas.of_workers(np.array(epoch)).tolist()
    if len(set(epochs)) > 1:
        remedy = f"Remove from each folder what is later than epoch {min(epochs)}, then restore again."
        raise InvalidInput("checkpoints of one epoch on all workers", f"epochs {', '.join(map(str, epochs))}", remedy)


def _generators(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of the seed generators in a model's layers, such as dropout, which Keras' files leave out."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _number(value: Any) -> Any:
    """Returns a number that a callback put into the logs, of NumPy or TensorFlow, as Python's; all else as it is."""
    array = np.asarray(value)
    return float(array) if array.ndim == 0 and array.dtype.kind in "biuf" else value


def _size(variable: keras.Variable) -> int:
    return math.prod(variable.shape) * np.dtype(keras.backend.standardize_dtype(variable.dtype)).itemsize


def _get_state(callback: keras.callbacks.Callback) -> Config:
    if hasattr(callback, "get_state"):
        return callback.get_state()
    names = [name for kind, names in STATE.items() if isinstance(callback, kind) for name in names]
    return {name: getattr(callback, name) for name in names}


def _set_state(callback: keras.callbacks.Callback, state: Config) -> None:
    if hasattr(callback, "set_state"):
        callback.set_state(state)
    else:
        vars(callback).update(state)


def _split(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Returns `value` with each array in it moved to `arrays` and replaced by its key there."""
    if isinstance(value, Mapping):
        return {name: _split(item, arrays) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(item, arrays) for item in value]
    if hasattr(value, "__array__"):
        key = f"array-{len(arrays)}"
        arrays[key] = np.asarray(value)
        return {"__array__": key}
    return value


def _joined(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Returns what `_split` took apart."""
    if isinstance(value, dict):
        if value.keys() == {"__array__"}:
            array = arrays[value["__array__"]]
            return array if array.ndim else array[()]
        return {name: _joined(item, arrays) for name, item in value.items()}
    return [_joined(item, arrays) for item in value] if isinstance(value, list) else value
