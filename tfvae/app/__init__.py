"""The command line and the run folder: the only place that knows words a person typed."""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
