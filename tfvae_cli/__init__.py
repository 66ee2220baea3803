"""The start of the command line `tfvae`, which answers at once: the library is imported where there is work for it.

    exit code 0    done
              1    failed for a reason outside the command: full or read-only disk, training that diverged
              2    wrong use
              130  interrupted (Ctrl-C, or SIGTERM)

It stands beside `tfvae`, not in it: who imports a module of a package imports the package first, and `import tfvae`
takes seconds. What the library offers is read from `table.json`, which `python -m tfvae.app.table` writes.
"""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LEVEL, SILENT = "TF_CPP_MIN_LOG_LEVEL", "3"
GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"  # unless it is set, TensorFlow takes the whole memory of a GPU when it starts
SIGNALS = (signal.SIGINT, signal.SIGTERM)

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after `tfvae`; by default those of this process.

    Returns:
        The exit code.

    Example:
        >>> main(["train", "digits", "--epochs", "0"])
        2
    """
    with signals() as answer:
        answer(_leave)
        from tfvae_cli import parser

        argv = sys.argv[1:] if argv is None else list(argv)
        try:
            arguments = parser.parser().parse_args(argv)
        except SystemExit as stop:  # argparse has said why
            return int(stop.code or 0)
        if arguments.command == "recipes":
            sys.stdout.write(parser.recipes())
            return 0
        os.environ.setdefault(GROWTH, "true")
        try:
            with quiet() as terminal:
                answer(functools.partial(_leave, terminal=terminal))
                from tfvae.app import cli
        except ImportError as error:  # a package that is missing, or a setting that the library refuses
            if arguments.debug:
                raise
            sys.stderr.write(f"tfvae: {error}\n")
            return 1
        answer(signal.default_int_handler)
        return cli.run(arguments, " ".join(["tfvae", *argv]))


@contextlib.contextmanager
def signals() -> Iterator[Callable[[Any], None]]:
    """Yields what sets the answer to Ctrl-C and SIGTERM; at the end the former answers come back.

    A signal that is ignored, as in the background of a shell, stays so; other threads than the main one set none.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, was in before.items() if was not in (signal.SIG_IGN, None)]
    ours = ours if threading.current_thread() is threading.main_thread() else []

    def answer(handler: Any) -> None:
        for number in ours:
            signal.signal(number, handler)

    try:
        yield answer
    finally:
        for number in ours:
            signal.signal(number, before[number])


@contextlib.contextmanager
def quiet() -> Iterator[int]:
    """Hides what TensorFlow's C++ says while it is imported and from then on, unless the user has set a level.

    The level is read when the libraries are loaded, but some speak before, past Python, to file descriptor 2.

    Yields:
        A file descriptor that still leads where 2 led.
    """
    if os.environ.setdefault(LEVEL, SILENT) != SILENT or sys.stderr is None:
        yield 2
        return
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield terminal
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _leave(*_: Any, terminal: int = 2) -> None:
    """Ends the process: nothing is open before there is work, and an import raises what it likes midway."""
    os.write(terminal, b"tfvae: interrupted.\n")
    os._exit(130)
