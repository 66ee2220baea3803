"""What is refused, and the sentence for it: data, parts, and what a compiled step counts.

It has no public name: each check raises `tfvae.InvalidInput`, with what was expected, received, and what to do.
"""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
