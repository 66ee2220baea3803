"""How a model is trained inside Keras' `fit`: steps, programs of many steps, the loop around them."""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
