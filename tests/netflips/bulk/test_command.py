"""`netflips extract` as a user types it.

Plans of long corpora: memory does not hold all rows. Starting and joining Ray; what it does to processes is tested where a run is
killed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from avcore.command import Terminated
from avcore.errors import UsageError
from avdata.unit_store import read_units
from netflips import cli
from netflips.bulk import command, session
from netflips.bulk.settings import ExtractModels
from tests.netflips.bulk.conftest import LENGTHS
from tests.netflips.bulk.planned import write_corpus


@pytest.fixture
def flags(corpus: Path, encoder: ExtractModels, tmp_path: Path) -> list[str]:
    return [
        str(corpus), "--out-dir", str(tmp_path / "out"), "--av2unit-path", str(encoder.encoder),
        "--modalities", "audio", "--cpu", "--workers", "1",
    ]  # fmt: skip


def test_a_run_and_its_table(flags: list[str], tmp_path: Path, ray_here: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["extract", *flags]) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("reading ")  # before models are opened and workers start
    assert f"{len(LENGTHS)} utterances to do, in 1 shard; starting workers" in shown
    assert f"{len(LENGTHS)} utterances done, 0 failed" in shown
    assert "x real time" in shown
    assert len(read_units(tmp_path / "out")) == len(LENGTHS)
    assert command.main(flags) == 0
    assert f"done already: {len(LENGTHS)} of {len(LENGTHS)} utterances" in capsys.readouterr().err


def test_failures_are_told_and_the_exit_code_is_1(
    flags: list[str], tmp_path: Path, corpus: Path, without_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "good.wav").write_bytes((corpus.parent / "fixture.wav").read_bytes())
    (tmp_path / "sound" / "bad.wav").write_text("no sound")
    arguments = [str(tmp_path / "sound"), *flags[1:], "--from", "kor", "--quiet"]
    assert command.main(arguments) == 1
    shown = capsys.readouterr().err
    assert "1 utterance set aside" in shown
    assert "bad: " in shown
    assert read_units(tmp_path / "out")["good"].language == "ko"
    assert json.loads((tmp_path / "out" / "failed.jsonl").read_text())["id"] == "bad"


def test_a_dry_run_says_what_it_would_take(flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*flags, "--dry-run", "2"]) == 0
    shown = capsys.readouterr().err
    assert f"{len(LENGTHS)} utterances to do, about 0.00 h; nothing was written" in shown
    assert "with 1 worker and" in shown
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("module", "heavy"), [("command", {"ray"}), ("worker", {"ray", "torch", "ai_edge_litert"})])
def test_heavy_modules_are_loaded_where_they_work(module: str, heavy: set[str]) -> None:
    code = f"import sys, netflips.bulk.{module}; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_ROWS = 50_000
_MOST_BYTES_A_ROW = 400


def test_long_corpora_are_planned_in_little_memory(tmp_path: Path) -> None:
    write_corpus(tmp_path, _ROWS)
    run = subprocess.run(
        [sys.executable, "-m", "tests.netflips.bulk.planned", str(tmp_path)], capture_output=True, text=True, check=True
    )
    told = json.loads(run.stdout)
    assert told["shards"] == _ROWS / 1000
    assert told["tasks"] > told["shards"]
    assert (told["peak_mib"] - told["before_mib"]) * 2**20 < _ROWS * _MOST_BYTES_A_ROW
    plan = (tmp_path / "out" / "plan.jsonl").read_text().splitlines()
    assert sum(len(json.loads(line)["ids"]) for line in plan) == _ROWS


@pytest.mark.parametrize("address", ["127.0.0.1:{closed}", "127.0.0.1:none", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there_is_said_at_once(address: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    with pytest.raises(UsageError, match="there is no Ray cluster"):
        session._require_listening(address.format(closed=closed))
    session._require_listening("auto")


def test_folders_of_processes_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_temporary_folder", lambda: tmp_path)
    gone = os.fork()
    if not gone:
        os._exit(0)
    os.waitpid(gone, 0)
    for name in (f"netflips-ray-{gone}-abc", f"netflips-ray-{os.getpid()}-abc", "netflips-ray-1-abc", "netflips-other"):
        (tmp_path / name / "logs").mkdir(parents=True)
    session.remove_stale_folders()
    kept = {"netflips-ray-1-abc", f"netflips-ray-{os.getpid()}-abc", "netflips-other"}
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_the_secret_is_ours_alone_and_the_users_choice_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.sys, "modules", {})
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        os.environ.pop(name, None)
    session._settle_environment(is_own=False)
    assert "RAY_AUTH_TOKEN" not in os.environ
    session._settle_environment(is_own=True)
    assert (os.environ["RAY_AUTH_MODE"], len(os.environ["RAY_AUTH_TOKEN"])) == ("token", 64)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")
    os.environ["RAY_AUTH_MODE"] = "disabled"
    session._settle_environment(is_own=True)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_ctrl_c_waits_until_ray_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = list[int]()

    def init(**_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        started.append(1)

    monkeypatch.setattr("ray.init", init)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is passed over where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            session._start(1, tmp_path)
        assert started
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_while_ray_starts_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as Ray does
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(Terminated):
        session._start(1, tmp_path)
