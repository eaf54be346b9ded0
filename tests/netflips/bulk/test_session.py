"""Starting and joining Ray; what it does to processes is tested where a run is killed."""

import os
import socket
from pathlib import Path

import pytest

from avcore.errors import UsageError
from netflips.bulk import session


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
