"""`netflips serve` as it is started: where it is, what it warns of, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from netflips.serve import command
from netflips.serve.kinds import KINDS
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
    assert server.stderr is not None
    try:
        told = server.stderr.readline()
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", told)
        with urllib.request.urlopen(f"{address}about") as answer:  # the socket waits until the server listens to it
            about = json.load(answer)
        assert about["languages"] == ["en", "ko"]
        assert "dub" in about["kinds"]
        assert "another run is writing" in _one_line(capsys, ["--port", "0", "--work-dir", str(tmp_path / "page")])
    finally:
        server.send_signal(signal.SIGINT)
        rest = server.communicate(timeout=60)[1]
    assert server.returncode == 130
    assert rest.splitlines() == ["netflips serve: interrupted"]


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "cannot be listened at" in _one_line(capsys, ["--port", port])
    assert "--port is out of range" in _one_line(capsys, ["--port", "70000"])
    assert "--limit takes a size" in _one_line(capsys, ["--limit", "much"])
    (tmp_path / "file").write_text("")
    assert "work folder cannot be made" in _one_line(capsys, ["--work-dir", "file/x"])
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert 'pip install "netflips[web]"' in _one_line(capsys, [])


def test_another_host_is_warned_of_with_its_token(caplog: pytest.LogCaptureFixture) -> None:
    settings = command.settings_of(command.build_parser().parse_args(["--host", "0.0.0.0", "--token", "mine is long"]))
    command._announce(settings, 7860)
    warned, address = (record.getMessage() for record in caplog.records)
    assert "unencrypted" in warned
    assert "http://0.0.0.0:7860/?token=mine+is+long" in address


def test_every_job_is_a_command_that_is_there() -> None:
    assert {"dub", "lipsync", "portrait", "say", "transcribe", "measure"} <= {one.name for one in KINDS.values() if one.is_there}
