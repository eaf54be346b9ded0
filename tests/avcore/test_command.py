"""Exit codes and the one line a person reads."""

import argparse
import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avcore.command import Parser, run, stopped_by_sigterm
from avcore.compute.inference import resolve_device, resolve_precision
from avcore.errors import InputError, OutputError, UsageError
from avcore.flags import CommonOptions, parser_for
from avcore.notes import GroupedNote, noted_by
from tests.refusal import refused


def _parser() -> Parser:
    return parser_for(CommonOptions, "thing")


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("it is bad", path="a.mp4", found="text"), 2),
        (ValueError("bug"), 1),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 2),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 2),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 5000), 2),
        (OSError(errno.EINVAL, "Invalid argument", "a"), 1),
    ],
)
def test_failures_become_exit_codes_without_traceback(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_parser(), lambda _: _raise(error), []) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("thing: ")
    assert len(lines[0]) < 400


def test_a_user_error_names_file_and_finding(capsys: pytest.CaptureFixture[str]) -> None:
    run(_parser(), lambda _: _raise(InputError("no sound", path="a.mp4", expected="a track", found="none", hint="do so")), [])
    assert capsys.readouterr().err == "thing: error: a.mp4: no sound; expected a track; found none; do so\n"


@pytest.mark.parametrize(
    ("error", "lasts"),
    [
        (InputError("it has no sound"), True),
        (OutputError("it cannot be written"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (MemoryError(), False),
        (KeyError("odd"), False),
    ],
)
def test_a_listener_knows_whether_the_same_command_fails_again(error: Exception, lasts: bool) -> None:
    told: list[GroupedNote] = []
    with noted_by(told.append):
        run(_parser(), lambda _: _raise(error), [])
    assert [one.note.values["lasts"] for one in told] == [lasts]


def test_devices_and_precisions_that_do_not_exist_are_refused() -> None:
    cpu = resolve_device("cpu")
    refused(UsageError, "", resolve_device, "toaster")
    refused(UsageError, "", resolve_precision, "float8", cpu)
    refused(UsageError, "float16", resolve_precision, "float16", cpu)


LONG_COMMAND = """
import argparse, sys, time
from pathlib import Path
from avcore.compute.threads import ahead
from avcore.command import Parser, run
from avcore.files import atomic_output

def slow():
    for number in range(10_000):
        time.sleep(0.01)
        yield number

def work(_):
    with atomic_output(Path(sys.argv[1])) as path:
        for number in ahead(ahead(slow(), 3), 3):
            path.write_text(str(number))
            print("writing", flush=True)

sys.exit(run(Parser("thing"), work, []))
"""


def test_sigterm_ends_a_command_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LONG_COMMAND, str(tmp_path / "o.txt")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert (process.returncode, error) == (143, "thing: terminated\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_library_that_makes_a_plain_interrupt_of_a_signal(number: signal.Signals, code: int) -> None:
    """Ray does so while it waits."""

    def wait(_: argparse.Namespace) -> None:
        with stopped_by_sigterm():
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt:
                raise KeyboardInterrupt from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background is deaf to it
    try:
        assert run(Parser(), wait, []) == code
    finally:
        signal.signal(signal.SIGINT, before)
