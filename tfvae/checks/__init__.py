"""What is refused, and the sentence for it: data, parts, and what a compiled step counts."""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
