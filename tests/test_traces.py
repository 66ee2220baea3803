"""A test leaves nothing behind: what it registers and sets is gone in the next."""

import keras
import pytest
import tensorflow as tf
import traces

from tfvae.recipes import RECIPES


def leave_traces():
    """Changes all that `traces` knows of."""

    @keras.saving.register_keras_serializable(package="trace")
    class Left(keras.layers.Layer):
        pass

    RECIPES["left"] = Left
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float64")
    keras.config.set_epsilon(1e-3)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_max_epochs(3)
    keras.config.set_max_steps_per_epoch(7)
    tf.config.run_functions_eagerly(True)


@pytest.mark.parametrize("time", ["at first", "again"])
def test_each_test_finds_keras_untouched(time):
    assert keras.config.dtype_policy().name == "float32" and keras.config.floatx() == "float32"
    assert keras.config.epsilon() == 1e-7 and keras.config.image_data_format() == "channels_last"
    assert keras.config.max_epochs() is None and keras.config.max_steps_per_epoch() is None
    assert not tf.config.functions_run_eagerly()
    assert "left" not in RECIPES and "trace>Left" not in keras.saving.get_custom_objects()
    assert "trace>Left" not in traces.REGISTRIES[1].values()
    leave_traces()


def test_all_is_undone_and_nothing_else():
    before = [read() for read in traces.SETTINGS.values()], [dict(registry) for registry in traces.REGISTRIES]
    with traces.undone():
        leave_traces()
        changed = [read() for read in traces.SETTINGS.values()], [dict(registry) for registry in traces.REGISTRIES]
    assert all(was != now for kind in zip(before, changed, strict=True) for was, now in zip(*kind, strict=True))
    assert before == ([read() for read in traces.SETTINGS.values()], [dict(r) for r in traces.REGISTRIES])
