"""The scripts for SLURM, where SLURM's programs are stand-ins: variables, signals and the second start are as it gives them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.pages import ROOT

_TRAINER = """
import pathlib, signal, sys, time

folder = pathlib.Path(sys.argv[-1].partition("=")[2])
folder.mkdir(exist_ok=True)
saved = folder / "saved"
if saved.exists():
    (folder / "done").write_text(" ".join(sys.argv[1:]))
    sys.exit(0)
def save(*_):
    time.sleep(0.3)
    saved.write_text("")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
(folder / "started").write_text("")
time.sleep(60)
"""
_PROGRAMS = {
    "srun": 'exec "$@"',
    "scontrol": 'if [ "$1" = show ]; then printf "one\\ntwo\\n"; else echo "$@" >>"$CALLS"; fi',
    "torchrun": 'echo "torchrun $@" >>"$CALLS"; while [ "$1" != -m ]; do shift; done; exec python "$@"',
    "netflips": 'mkdir -p "$6/shards"; cp "$2" "$6/shards/00000.jsonl"; echo "$4" >>"$CALLS"',
}


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """The variables of a job, and programs in its PATH that stand for SLURM's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in _PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (tmp_path / "stub_trainer.py").write_text(_TRAINER)
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "CALLS": str(tmp_path / "calls"), "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "one,two"}


@pytest.mark.parametrize(("nodes", "gpus"), [(1, 1), (2, 8)])
def test_a_job_whose_time_ends_is_put_back_and_goes_on(cluster: dict[str, str], tmp_path: Path, nodes: int, gpus: int) -> None:
    job = cluster | {"SLURM_NNODES": str(nodes), "SLURM_GPUS_ON_NODE": str(gpus)}
    line = ["bash", str(ROOT / "scripts" / "slurm" / "train.sh"), "stub_trainer", "run_dir=run"]
    first = subprocess.Popen(line, env=job, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)  # to the script alone, as --signal=B:TERM@60 does
    assert first.wait(timeout=60) == 143
    assert (tmp_path / "run" / "saved").exists(), "the script waits until the run has saved"
    calls = (tmp_path / "calls").read_text()
    assert "requeue 7\n" in calls
    together = f"--nproc_per_node {gpus} --rdzv_id 7.0 --rdzv_backend c10d --rdzv_endpoint one:29500"
    assert (f"torchrun --nnodes {nodes} {together}" in calls) == (nodes > 1)
    second = subprocess.run(line, env=job | {"SLURM_RESTART_COUNT": "1"}, cwd=tmp_path, check=False, timeout=60)
    assert second.returncode == 0
    assert (tmp_path / "run" / "done").read_text() == "run_dir=run"
    assert (tmp_path / "calls").read_text().count("requeue") == 1, "what has ended well is not put back"


def test_a_job_that_fails_by_itself_is_not_put_back(cluster: dict[str, str], tmp_path: Path) -> None:
    line = ["bash", str(ROOT / "scripts" / "slurm" / "train.sh"), "no_such_module"]
    assert subprocess.run(line, env=cluster, cwd=tmp_path, check=False, capture_output=True, timeout=60).returncode == 1
    assert not (tmp_path / "calls").exists()


def test_an_array_extracts_every_utterance_once(cluster: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "kox").mkdir()
    names = [f"u{number}" for number in range(10)]
    (tmp_path / "kox" / "en.jsonl").write_text("".join(json.dumps({"id": name}) + "\n" for name in names))
    line = ["bash", str(ROOT / "scripts" / "slurm" / "extract.sh"), "kox/en.jsonl", "units/en", "--modalities", "audio"]
    for task in ("2", "3", "4"):
        array = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_COUNT": "3"}
        assert subprocess.run(line, env=cluster | array, cwd=tmp_path, check=False, timeout=60).returncode == 0
    found = [json.loads(row)["id"] for part in (tmp_path / "units" / "en").glob("part*/shards/*.jsonl") for row in part.open()]
    assert sorted(found) == sorted(names)
    assert (tmp_path / "calls").read_text().split() == ["kox"] * 3
