"""What two workers do in the tests: `python tests/workers.py FOLDER SCENE`, with TF_CONFIG in the environment.

Each line that it prints is one that the tests read.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow runs

import keras  # noqa: E402
import numpy as np  # noqa: E402
from tiny import tiny_vae  # noqa: E402

import tfvae  # noqa: E402
from tfvae.callbacks import Checkpoint  # noqa: E402

INDEX = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
X = np.random.default_rng(0).integers(0, 2, [16, 5]).astype("float32")


class Dies(keras.callbacks.Callback):
    """Ends the process in an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            os._exit(9)


def model():
    with strategy.scope():
        return tiny_vae(initial=1, optimizer=0.05)


def fit(vae, checkpoint, epochs, *callbacks):
    return vae.fit(X, batch_size=8, epochs=epochs, verbose=0, callbacks=[*callbacks, checkpoint])


def say(**found):
    print(json.dumps(found), flush=True)


def refused(function):
    try:
        function()
    except tfvae.InvalidInput as error:
        return str(error)


def restored(folder):
    checkpoint = Checkpoint(folder)
    with strategy.scope():
        return checkpoint.restore(), checkpoint


def agree(folder):
    """Trains two epochs, loses the second on worker 1, is refused, goes on from the first; then from other weights."""
    fit(model(), Checkpoint(folder), 2)
    last = folder / "epoch-000002"
    if INDEX:
        last.rename(folder / "away")
    say(epochs=refused(lambda: restored(folder)))
    if not INDEX:
        shutil.rmtree(last)
    vae, checkpoint = restored(folder)
    history = fit(vae, checkpoint, 3)
    whole = fit(same := model(), Checkpoint(folder / "whole"), 3)
    say(epochs_done=history.epoch, same=history.history == whole.history, first=float(vae.get_weights()[0].ravel()[0]))
    if INDEX:
        same.set_weights([w + 1 for w in same.get_weights()])
    say(weights=refused(lambda: same.fit(X, batch_size=8, verbose=0)))
    same.optimizer.iterations.assign(7 + INDEX)
    say(steps=refused(lambda: same.fit(X, batch_size=8, verbose=0)))


def die(folder):
    """Trains four epochs, of which worker 1 lives to see two."""
    vae, checkpoint = restored(folder)
    try:
        history = fit(vae or model(), checkpoint, 4, *([Dies()] if INDEX and vae is None else []))
        say(history=history.history["loss"])
    except Exception as error:
        say(died=type(error).__name__, epochs=sorted(path.name for path in folder.iterdir()))


def pool(folder):
    """Units of rows of which worker 1 has fewer, nothing in column 1, and neither worker anything in column 2."""
    x = np.random.default_rng(INDEX).normal(5 * INDEX, 1 + INDEX, [20 - 12 * INDEX, 3])
    x[:5, 0], x[:, 1:] = np.nan, np.nan
    if not INDEX:
        x[:7, 1] = np.arange(7)
    with strategy.scope():
        units = tfvae.scaling.Standardized((3,))
        units.build((None, 3))
        units.adapt(lambda: iter(np.split(x, 2)))
    say(x=x.tolist(), mean=units.mean.numpy().tolist(), scale=units.scale.numpy().tolist())


if __name__ == "__main__":
    folder = Path(sys.argv[1], str(INDEX))
    folder.mkdir(parents=True, exist_ok=True)
    {"agree": agree, "die": die, "pool": pool}[sys.argv[2]](folder)
