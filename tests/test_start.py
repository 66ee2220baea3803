"""The start of the command line: it answers at once, in silence, and ends where it is told to."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import pytest

import tfvae
import tfvae_cli
from tfvae.app.table import table
from tfvae_cli.parser import PATH

ROOT = Path(tfvae.__file__).parents[1]
NO_LEVEL = {name: value for name, value in os.environ.items() if name != tfvae_cli.LEVEL}
HEAVY = ("tensorflow", "keras", "numpy", "scipy", "sklearn", "matplotlib", "tfvae")
# Words, and the exit code.
AT_ONCE = {
    "--help": 0, "-h": 0, "--version": 0, "recipes": 0, "recipes --help": 0, "train --help": 0, "evaluate --help": 0,
    "sample --help": 0, "export --help": 0, "": 2, "fly": 2, "train digits --epochs 2.5": 2,
    "train digits --likelihood none": 2, "evaluate run --split all": 2,
}  # fmt: skip


def python(code, *words, folder=ROOT):
    """Starts a fresh interpreter, which imports from the folder first, without a level of TensorFlow's."""
    environment = {**NO_LEVEL, "PYTHONPATH": str(ROOT)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    words = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.Popen(words, cwd=folder, env=environment, **streams)


def test_what_the_start_says_of_the_library_is_what_the_library_says():
    assert json.loads(PATH.read_text()) == table(), "write it anew: python -m tfvae.app.table"


def test_help_versions_recipes_and_wrong_use_need_no_library():
    code = f"""
        import sys
        from tfvae_cli import main
        codes = [main(words.split()) for words in {list(AT_ONCE)!r}]
        print(codes, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    """
    out, err = python(code).communicate()
    *refusals, last = err.splitlines()
    assert last == f"{list(AT_ONCE.values())} []"
    assert len(refusals) == list(AT_ONCE.values()).count(2) and all("error: " in line for line in refusals)
    for said in (f"tfvae {tfvae.__version__} (python ", tfvae_cli.LEVEL + "=0", "beta-vae", "(default: 0.002)"):
        assert said in out


@pytest.mark.parametrize(
    ("given", "shown"), [(None, ""), ("3", ""), ("0", "first second "), ("1", "first second "), ("2", "first second ")]
)
def test_what_is_said_past_python_is_hidden_unless_the_user_has_set_a_level(given, shown, capfd, monkeypatch):
    monkeypatch.delenv(tfvae_cli.LEVEL)
    if given is not None:
        monkeypatch.setenv(tfvae_cli.LEVEL, given)
    with tfvae_cli.quiet() as terminal:
        os.write(2, b"first ")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'second ')"], check=True)
        os.write(terminal, b"heard ")
    os.write(2, b"after")
    assert capfd.readouterr().err == f"{shown}heard after"
    assert os.environ[tfvae_cli.LEVEL] == (given or "3")


@pytest.mark.parametrize(("given", "left"), [(None, "true"), ("false", "false")])
def test_a_gpu_is_shared_unless_the_user_says_otherwise(given, left, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv(tfvae_cli.GROWTH, given or "")
    if given is None:
        monkeypatch.delenv(tfvae_cli.GROWTH)
    assert tfvae_cli.main(["evaluate", str(tmp_path)]) == 2
    assert os.environ[tfvae_cli.GROWTH] == left


def test_an_import_that_fails_is_heard_again(capfd, monkeypatch):
    monkeypatch.delenv(tfvae_cli.LEVEL)
    with pytest.raises(ImportError), tfvae_cli.quiet():
        raise ImportError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


STAND_INS = {  # of the library, for its own takes seconds to import
    "importing": """
        import sys, time
        print("ready", flush=True)
        try:
            time.sleep(20)
        except BaseException:
            raise SystemError("as an extension module does it")
    """,
    "working": """
        import time
        def run(arguments, line):
            try:
                print("ready", flush=True)
                time.sleep(20)
            except KeyboardInterrupt:
                print("ended:", line, flush=True)
                return 130
    """,
    "missing": "import a_package_that_is_missing",
}


def stand_in(folder, name):
    (folder / "tfvae" / "app").mkdir(parents=True)
    for package in ("tfvae", "tfvae/app"):
        (folder / package / "__init__.py").touch()
    (folder / "tfvae" / "app" / "cli.py").write_text(textwrap.dedent(STAND_INS[name]))
    code = """
        import signal, sys, tfvae_cli
        signal.signal(signal.SIGINT, signal.default_int_handler)  # these tests may run where it is ignored
        sys.exit(tfvae_cli.main(["evaluate", "none"]))
    """
    return python(code, folder=folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("moment", "out", "err"),
    [("importing", "", "tfvae: interrupted.\n"), ("working", "ended: tfvae evaluate none\n", "")],
)
def test_ctrl_c_and_sigterm_end_a_command_alike_at_any_moment(number, moment, out, err, tmp_path):
    process = stand_in(tmp_path, moment)
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.communicate(timeout=15) == (out, err) and process.returncode == 130
    finally:
        process.kill()


def test_a_package_that_is_missing_is_one_line(tmp_path):
    process = stand_in(tmp_path, "missing")
    assert process.communicate() == ("", "tfvae: No module named 'a_package_that_is_missing'\n")
    assert process.returncode == 1


def test_the_answers_to_signals_are_those_of_before_after_a_command(capsys):
    before = [signal.getsignal(number) for number in tfvae_cli.SIGNALS]
    assert tfvae_cli.main(["recipes"]) == 0
    assert [signal.getsignal(number) for number in tfvae_cli.SIGNALS] == before


def test_a_signal_that_is_ignored_stays_so():
    code = "import signal, sys, tfvae_cli; signal.signal(2, signal.SIG_IGN)\nwith tfvae_cli.signals() as answer:\n"
    code += "    answer(signal.default_int_handler); print(signal.getsignal(2) is signal.SIG_IGN, signal.getsignal(15))"
    out, _ = python(code).communicate()
    assert out.startswith("True <built-in function default_int_handler>")


@pytest.mark.slow
def test_keras_finds_our_classes_after_the_import_of_the_library_alone(make_vae, tmp_path):
    make_vae().save(tmp_path / "model.keras")
    code = "import sys, keras, tfvae; print(type(keras.saving.load_model(sys.argv[1])) is tfvae.VAE)"
    out, err = python(code, str(tmp_path / "model.keras")).communicate()
    assert out == "True\n", err
    assert isinstance(keras.saving.load_model(tmp_path / "model.keras"), tfvae.VAE)
