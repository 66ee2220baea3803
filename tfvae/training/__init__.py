"""How a model is trained inside Keras' `fit`: steps, programs of many steps, the loop around them.

It has no public name: `tfvae.VAE` is a trainer, and what a callback may do to a step is written in `training/guard.py`.
"""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
