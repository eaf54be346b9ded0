"""Programs that a user has: what is filled in, how they fail, and that nothing of them stays."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.programs import LineProgram, filled, program_name, run_program

WHAT = "the program"
ECHO = """
import json, sys, os, time
print("loading", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    text = asked["text"]
    if text == "die":
        print("no memory", file=sys.stderr)
        sys.exit(3)
    if text == "sleep":
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
        time.sleep(60)
    print("[1, 2]\\nchatter", flush=True)
    print(json.dumps({"error": "no voice"} if text == "no" else {"ok": True, "said": text.upper(), "pid": os.getpid()}), flush=True)
"""


def test_values_are_filled_in_once_and_other_braces_stay() -> None:
    words = ["say", "{text}", "-o{out}", "{stem}.{ext}"]
    assert filled(words, {"text": "a {out} $(x)", "out": "/b"}) == ["say", "a {out} $(x)", "-o/b", "{stem}.{ext}"]
    assert [
        program_name(row)
        for row in (
            ["/usr/bin/espeak-ng", "-w", "{out}"],
            ["python", "/a/mms.py"],
            ["python", "-m", "a.b"],
            ["sh", "b.sh", "{out}"],
        )
    ] == ["espeak-ng", "mms.py", "a.b", "b.sh"]


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import sys; print('a'); print('no voice called x', file=sys.stderr); sys.exit(3)", "exit code 3: no voice called x"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("import time; time.sleep(60)", "nothing within 0.5 s"),
    ],
)
def test_a_program_that_fails_is_one_error(code: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        run_program([sys.executable, "-c", code], 0.5 if "sleep" in code else 20.0, WHAT)
    with pytest.raises(InputError, match="could not be run"):
        run_program(["/no/such/program"], 1.0, WHAT)


def test_lines_are_answered_by_one_process_which_is_started_again_after_it_ended() -> None:
    program = LineProgram([sys.executable, "-c", ECHO], 20.0, WHAT)
    first, second = program.ask({"text": "안녕"}), program.ask({"text": "b"})
    assert (first["said"], second["said"]) == ("안녕", "B")
    assert first["pid"] == second["pid"]
    with pytest.raises(InputError, match="failed; found no voice"):
        program.ask({"text": "no"})
    with pytest.raises(InputError, match="ended without an answer, exit code 3: no memory"):
        program.ask({"text": "die"})
    assert program.ask({"text": "c"})["pid"] != first["pid"]
    program.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first["pid"], 0)


def test_one_that_takes_too_long_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    started = tmp_path / "child"
    code = ECHO.replace("os.spawnlp(", f'open({str(started)!r}, "w").write(str(os.spawnlp(').replace('"60")', '"60")))')
    program = LineProgram([sys.executable, "-c", code], 20.0, WHAT)
    program.ask({"text": "a"})
    program._limit_s = 1.0
    with pytest.raises(InputError, match="no answer within 1 s"):
        program.ask({"text": "sleep"})
    child = int(started.read_text())
    for _ in range(100):
        if _state(child) in ("", "Z"):
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("its child still runs")
    program.close()


def _state(pid: int) -> str:
    """The state of a process, "" = it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
