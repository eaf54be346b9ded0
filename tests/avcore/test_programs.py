"""Programs that a user has: how they fail, that none is waited for beyond its limit, and that nothing of them stays."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.programs import LineProgram, filled, program_name, run_program, within
from tests.refusal import refused

ROOT = Path(__file__).resolve().parents[2]
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
    assert filled(words, {"text": "--phonout=x", "out": "-b"}) == ["say", " --phonout=x", "-o-b", "{stem}.{ext}"]
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
        ("import sys; print('a'); print('no voice called x', file=sys.stderr); sys.exit(3)", "exit code 3: no voice called x$"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL"),
        ("import no_such_module", "No module named 'no_such_module'; .*activate that first"),
        ("import time; time.sleep(60)", "nothing within 0.5 s"),
    ],
)
def test_a_program_that_fails_is_one_error(code: str, complaint: str) -> None:
    refused(InputError, complaint, run_program, [sys.executable, "-c", code], 0.5 if "sleep" in code else 20.0, WHAT)
    refused(InputError, "could not be run", run_program, ["/no/such/program"], 1.0, WHAT)


def test_lines_are_answered_by_one_process_started_again_if_ended() -> None:
    program = LineProgram([sys.executable, "-c", ECHO], 20.0, WHAT)
    first, second = program.ask({"text": "안녕"}), program.ask({"text": "b"})
    assert (first["said"], second["said"]) == ("안녕", "B")
    assert first["pid"] == second["pid"]
    refused(InputError, "failed; found no voice", program.ask, {"text": "no"})
    refused(InputError, r"ended without an answer, exit code 3: no memory$", program.ask, {"text": "die"})
    assert program.ask({"text": "c"})["pid"] != first["pid"]
    program.close()
    refused(ProcessLookupError, "", os.kill, first["pid"], 0)


def test_one_that_takes_too_long_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    started = tmp_path / "child"
    code = ECHO.replace("os.spawnlp(", f'open({str(started)!r}, "w").write(str(os.spawnlp(').replace('"60")', '"60")))')
    program = LineProgram([sys.executable, "-c", code], 20.0, WHAT)
    program.ask({"text": "a"})
    program._limit_s = 1.0
    refused(InputError, "no answer within 1 s", program.ask, {"text": "sleep"})
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


NEVER_READS = "import time; time.sleep(60)"
HELPER_STAYS = "import subprocess; subprocess.Popen(['sleep', '5'], start_new_session=True)"
BOTH = [(NEVER_READS, "no answer within 0.5 s"), (HELPER_STAYS, "ended without an answer, exit code 0")]


@pytest.mark.parametrize(("code", "complaint"), BOTH)
def test_programs_that_do_not_read_or_keep_pipes_are_not_waited_for(code: str, complaint: str) -> None:
    program = LineProgram([sys.executable, "-S", "-c", code], 0.5, WHAT, start_s=0.5 if code is NEVER_READS else 20.0)
    refused(InputError, complaint, program.ask, {"text": "x" * 200_000})
    program.close()
    if code is HELPER_STAYS:
        began = time.monotonic()
        run_program([sys.executable, "-S", "-c", code], 20.0, WHAT)
        assert time.monotonic() - began < 4


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting_and_the_program(sign: signal.Signals) -> None:
    code = f"""
import os, signal, sys, threading
from avcore.programs import LineProgram
def stop(*_): raise KeyboardInterrupt
signal.signal({int(sign)}, stop)
program = LineProgram([sys.executable, "-S", "-c", {NEVER_READS!r}], 60.0, "it")
threading.Timer(0.3, os.kill, (os.getpid(), {int(sign)})).start()
try:
    program.ask({{"text": "x" * 200_000}})
except KeyboardInterrupt:
    pid = program._process._process.pid
    program.close()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        print("ended")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("ended\n", "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_of_endless_words_of_a_program_only_the_last_are_kept(stream: str) -> None:
    flood = (
        f"import sys\nfor _ in range(300): sys.{stream}.write('x' * 100_000)\nprint('\\nno voice', file=sys.{stream})\nsys.exit(3)"
    )
    refused(InputError, "exit code 3: no voice", run_program, [sys.executable, "-S", "-c", flood], 20.0, WHAT)
    endless = f"import sys\nwhile True: sys.{stream}.write('x' * 1000 + chr(10) * 9)"
    refused(InputError, r"nothing within 0\.4 s", run_program, [sys.executable, "-S", "-c", endless], 0.4, WHAT)
    program = LineProgram([sys.executable, "-S", "-c", endless], 0.4, WHAT, start_s=0.4)
    refused(InputError, r"no answer within 0\.4 s", program.ask, {"text": "a"})


def test_answers_belong_to_their_requests() -> None:
    numbered = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"ok": True, "number": -1, "text": "another's"}), flush=True)
    echoed = {"number": (str, int, float)[asked["number"] % 3](asked["number"])}  # as 1.0 come numbers back from other languages
    print(json.dumps({"ok": True, "text": asked["text"], **echoed}), flush=True)
    time.sleep(0.2)
    print('{"ok": true, "text": "again"}', flush=True)  # when the next request is written
"""
    bare = """
import json, sys, time
for line in sys.stdin:
    print(json.dumps({"ok": True, "text": json.loads(line)["text"]}), flush=True)
    time.sleep(0.02)
    print('{"ok": true, "text": "again"}', flush=True)
"""
    for code in (numbered, bare):
        program = LineProgram([sys.executable, "-S", "-c", code], 5.0, WHAT)
        for number, text in enumerate("abcd"):
            assert program.ask({"text": text, "number": number})["text"] == text
        program.close()


def test_a_numbered_program_may_fail_without_a_number() -> None:
    code = """
import json, sys
for line in sys.stdin:
    number = json.loads(line)["number"]
    print(json.dumps({"error": "no voice"} if number else {"ok": True, "number": number}), flush=True)
"""
    program = LineProgram([sys.executable, "-S", "-c", code], 5.0, WHAT)
    program.ask({"number": 0})
    refused(InputError, "no voice", program.ask, {"number": 1})
    program.close()


def test_starts_that_bring_nothing_have_the_long_limit_once() -> None:
    program = LineProgram([sys.executable, "-S", "-c", NEVER_READS], 0.2, WHAT, start_s=0.6)
    for limit in ("0.6", "0.2", "0.2"):
        refused(InputError, f"no answer within {limit} s", program.ask, {"text": "a"})


def test_what_takes_longer_than_its_limit_is_left() -> None:
    release = threading.Event()
    refused(TimeoutError, r"no answer within 0\.1 s", within, 0.1, release.wait)
    release.set()
    assert within(5.0, lambda: 7) == 7
    refused(ZeroDivisionError, "", within, 5.0, lambda: 1 // 0)
