"""Exit codes and the one line a person reads."""

import argparse
import errno

import pytest

from avcore.command import add_common_options, device_name, run
from avcore.device import resolve_device, resolve_precision
from avcore.errors import InputError, UsageError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="thing")
    add_common_options(parser)
    return parser


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


def test_done_is_zero_and_work_may_say_otherwise() -> None:
    assert run(_parser(), lambda _: None, []) == 0
    assert run(_parser(), lambda _: 1, []) == 1


def test_usage_errors_exit_with_two() -> None:
    with pytest.raises(SystemExit) as caught:
        run(_parser(), lambda _: None, ["--unknown"])
    assert caught.value.code == 2


def test_cpu_wins_over_device() -> None:
    assert device_name(_parser().parse_args(["--device", "cuda", "--cpu"])) == "cpu"


def test_devices_and_precisions_that_do_not_exist_are_refused() -> None:
    cpu = resolve_device("cpu")
    with pytest.raises(UsageError):
        resolve_device("toaster")
    with pytest.raises(UsageError):
        resolve_precision("float8", cpu)
    with pytest.raises(UsageError, match="float16"):
        resolve_precision("float16", cpu)
