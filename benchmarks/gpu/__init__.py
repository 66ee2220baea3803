"""The compiled train step on a GPU whose machine has no TensorFlow, beside the same model by hand in JAX and PyTorch.

export     TensorFlow's machine: the training loop as it is given to XLA, with all that it starts from
measure    the GPU's machine: JAX's XLA compiles that loop and runs it in turn with its peers
"""
