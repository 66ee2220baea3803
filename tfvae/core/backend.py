"""The backend of Keras: tfvae runs on TensorFlow, and says so before anything else fails with a riddle."""

import keras

NAME = keras.config.backend()
if NAME != "tensorflow":
    raise ImportError(
        f"Expected Keras with the backend tensorflow, which tfvae is made for. Received {NAME!r}, from the environment "
        "variable KERAS_BACKEND or from keras.json. Set KERAS_BACKEND=tensorflow before keras is imported."
    )
