"""The command line and the run folder: the only place that knows words a person typed.

It has no public names; its modules are

tfvae.app.cli       the command `tfvae`
tfvae.app.run       the same from Python: train, resume, evaluate, sample, export
tfvae.app.options   what a run is asked for
tfvae.app.folder    which files a run folder holds, and who makes each

`import tfvae` does not import them.
"""

__all__: list[str] = []


def __dir__() -> list[str]:
    return __all__
