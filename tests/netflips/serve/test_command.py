"""`netflips serve` as it is started: where it is, what it warns of, and how it ends."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from avcore.flags import options_from
from netflips import cli
from netflips.commands.options import AvatarOptions, SayCommand, avatar, say
from netflips.serve import command
from netflips.serve.command import ServeOptions
from netflips.serve.kinds import KINDS, Asked
from tests.netflips.recognizers.tiny import write_whisper
from tests.netflips.serve.conftest import ROOT
from tests.signals import hear_ctrl_c


def _one_line(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert command.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("netflips serve: error: ")
    return line


def test_it_serves_until_ctrl_c_and_a_second_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, "-m", "netflips.cli", "serve", "--port", "0", "--work-dir", str(tmp_path / "page")]
    server = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=hear_ctrl_c
    )
    try:
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())
        with urllib.request.urlopen(f"{address}api/v1/about") as answer:  # the socket waits until the server listens to it
            about = json.load(answer)
        assert about["languages"] == ["en", "ko"]
        assert len(about["sentences"]) == 20
        assert "another run is writing" in _one_line(capsys, ["--port", "0", "--work-dir", str(tmp_path / "page")])
    finally:
        server.send_signal(signal.SIGINT)
        rest = server.communicate(timeout=60)[1]
    assert server.returncode == 130
    assert rest.splitlines() == ["netflips serve: interrupted"]


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot be listened at" in _one_line(capsys, ["--port", str(taken.getsockname()[1])])
    assert "--port cannot be used; expected 0 to 65,535; found 70000" in _one_line(capsys, ["--port", "70000"])
    assert "the unit encoder is not there" in _one_line(capsys, ["--av2unit-path", "none.pt"])
    assert "--limit takes a size" in _one_line(capsys, ["--limit", "much"])
    assert "--host takes an address" in _one_line(capsys, ["--host", ""])
    for flag in ("--recognizer", "--text-translator"):
        assert f"{tmp_path}: " in _one_line(capsys, [flag, str(tmp_path)])
    (tmp_path / "file").write_text("")
    assert "work folder cannot be made" in _one_line(capsys, ["--work-dir", "file/x"])
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert 'pip install "starlette' in _one_line(capsys, [])


def test_another_host_is_warned_of_with_its_token(caplog: pytest.LogCaptureFixture) -> None:
    settings = command.serve_settings(ServeOptions(host="0.0.0.0", token="mine is long"))
    command._announce(settings, 7860, is_shown=True)
    warned, address = (record.getMessage() for record in caplog.records)
    assert "unencrypted" in warned
    assert "http://0.0.0.0:7860/?token=mine+is+long" in address


def test_every_job_is_a_command_that_is_there() -> None:
    assert {one.command[0] for one in KINDS.values()} <= set(cli.COMMANDS)


@pytest.mark.parametrize("readings", ["", "NetfLips, 넷플립스"])
def test_how_words_are_said_goes_into_a_file_that_the_command_reads(readings: str, tmp_path: Path) -> None:
    settings, kind = command.serve_settings(ServeOptions()), KINDS["say"]
    asked = Asked({"text": "NetfLips", "readings": readings}, {}, 0.0, "work", settings)
    kind.write(asked, tmp_path)
    made = options_from(SayCommand, say.parser().parse_args(kind.words(asked)[1:]))
    assert made.pronounce == (Path("readings.txt") if readings else None)
    assert [path.read_text(encoding="utf-8").strip() for path in tmp_path.glob("readings.txt")] == [readings] * bool(readings)


def test_the_avatars_answers_are_read_before_anybody_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("replies.yaml").write_text("fallback: 네?\nreplies:\n  - {ask: hello, say: 안녕하세요.}\n", encoding="utf-8")
    Path("words.txt").write_text("바보\n", encoding="utf-8")
    Path("answer.py").write_text("print('네.')")
    assert "these are no replies" in _one_line(capsys, ["--replies", "words.txt"])
    assert "the list of blocked words is not there" in _one_line(capsys, ["--blocked", "none.txt"])
    assert "is not there" in _one_line(capsys, ["--reply-command", "no-such-program"])
    assert "leave one out" in _one_line(capsys, ["--replies", "replies.yaml", "--reply-command", sys.executable])

    write_whisper(tmp_path / "ear", "a b")
    words = ["--replies", "replies.yaml", "--blocked", "words.txt", "--recognizer", "ear", "--unit2text-path", "answer.py"]
    asked = _avatar(words)
    assert (asked.replies, asked.blocked) == (tmp_path / "replies.yaml", tmp_path / "words.txt")
    assert (asked.recognizer, asked.unit2text_path) == (tmp_path / "ear", None)  # one listener
    asked = _avatar(["--reply-command", f"'{sys.executable}' answer.py --polite", "--mouth-table", "words.txt"])
    assert asked.reply_command == f"{sys.executable} {tmp_path / 'answer.py'} --polite"  # a job runs in a folder of its own
    assert asked.lips.values["mouth_table"] == tmp_path / "words.txt"


def test_a_language_model_translates_for_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--translate-with", "http://127.0.0.1:11434/v1", "--translate-model", "m"]
    models = command.serve_settings(options_from(ServeOptions, command.build_parser().parse_args(words))).models
    assert (models["--translate-with"], models["--translate-model"]) == ("http://127.0.0.1:11434/v1", "m")
    assert "takes an address of this machine" in _one_line(capsys, ["--translate-with", "http://example.com/v1"])
    assert "leave one of them out" in _one_line(capsys, [*words, "--text-translator", "x"])


def test_a_program_draws_lips_for_the_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lips.py").touch()
    asked = _avatar(["--lips-with", f"'{sys.executable}' lips.py {{video}} {{audio}} {{out}}", "--lips-size", "256"])
    words = [sys.executable, str(tmp_path / "lips.py"), "{video}", "{audio}", "{out}"]
    assert (asked.lips.values["lips_with"], asked.lips.values["lips_size"]) == (shlex.join(words), 256)
    assert "is not there" in _one_line(capsys, ["--lips-with", "no-such-program"])


def _avatar(words: list[str]) -> AvatarOptions:
    """What the command of a job of the tab Avatar is asked, for a server that was started so."""
    settings = command.serve_settings(options_from(ServeOptions, command.build_parser().parse_args(words)))
    names = {"image": "image.jpg", "question": "question.wav"}
    made = KINDS["avatar"].words(Asked({"rate": 0.8}, names, 0.0, "work", settings))
    return options_from(AvatarOptions, avatar.parser().parse_args(made[1:]))


def test_no_word_of_the_page_stands_there_twice() -> None:
    words = (Path(command.__file__).parent / "page" / "words.js").read_text(encoding="utf-8")
    for language in re.split(r"\n  ko\b", words):
        names = re.findall(r"(?:^|[{,]\s+)([A-Za-z_]\w*): [\"`(]", language)
        assert len(names) > 20
        assert [name for name, count in Counter(names).items() if count > 1] == []
