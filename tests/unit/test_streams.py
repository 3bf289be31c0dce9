"""Every command answers bad streams and signals with one line, or with silence, and a status that says which."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
GRAMMAR = str(ROOT / "examples" / "grammars" / "strings.yaml")

COMMANDS = {
    "describe": ["sim.describe", GRAMMAR],
    "selftest": ["sim.selftest", "pcfg", "--n", "1", "--seed", "3"],
    "run --help": ["sim.run", "--help"],
    "status --help": ["sim.status", "--help"],
    "cancel --help": ["sim.cancel", "--help"],
    "rows --help": ["sim.rows", "--help"],
    "verify --help": ["sim.verify", "--help"],
    "experiments claims": ["experiments", "claims"],
    "figures --help": ["figures", "--help"],
}


def run(words: list[str], redirected: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = f"{sys.executable} -m {' '.join(words)} {redirected}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT,
        env={**os.environ, **more},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("words", [COMMANDS["describe"], COMMANDS["experiments claims"]], ids=["describe", "claims"])
@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        (">&-", 0, b""),
        pytest.param(
            "> /dev/full", 1,
            b"standard output: a stream that can be written is required, found no space left on device; "
            b"files that were written before are complete\n",
            marks=pytest.mark.skipif(not FULL.exists(), reason="no /dev/full"),
        ),
        ("> /dev/null 2>&-", 0, b""),
    ],
    ids=["closed", "full", "closed error stream"],
)  # fmt: skip
def test_a_stream_that_cannot_be_written(words: list[str], redirected: str, status: int, said: bytes) -> None:
    done = run(words, redirected)
    assert (done.returncode, done.stderr) == (status, said)


def test_a_reader_that_has_gone_is_no_news() -> None:
    done = run(COMMANDS["describe"], "| true")
    assert done.stderr == b""
    assert done.returncode in (0, 141)


def test_an_encoding_without_our_letters_gets_question_marks() -> None:
    done = run(COMMANDS["rows --help"], "", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert b"?" in done.stdout
    assert done.stdout.decode("ascii")


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("redirected", [">&-", "> /dev/full", "| true", "2>&- >/dev/null"])
def test_no_command_prints_a_traceback(words: list[str], redirected: str) -> None:
    done = run(words, redirected)
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_a_standard_stream_stays_open() -> None:
    """A logger of a library closes what it takes for its own file, when another logging is configured."""
    code = "import sys; from sim.streams import command; print(command(lambda: sys.stderr.close() or 7))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"7\n", b"")


WAITING = """
    import signal, sys, time
    from sim.streams import command

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup

    def main():
        print("ready", flush=True)
        time.sleep(60)
        return 0

    sys.exit(command(main))
"""


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_command_with_one_line(sent: signal.Signals, status: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WAITING)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(sent)
        said = process.stderr.read()
    assert process.returncode == status
    assert said == b"interrupted; what is finished is kept, and the same command continues from there\n"


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    code = textwrap.dedent(WAITING).replace("time.sleep(60)", "import os; os.kill(os.getpid(), signal.SIGHUP)")
    code = code.replace("SIG_DFL", "SIG_IGN")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
