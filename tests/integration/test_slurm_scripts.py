"""The scripts for SLURM, where SLURM's programs are stand-ins: variables, signals and the second start are as it gives them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.avcore.data.prepare.trees import KOX_NAMES, write_kox
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
    line = ["bash", str(ROOT / "scripts" / "slurm" / "train.sh"), "-m", "stub_trainer", "run_dir=run"]
    first = subprocess.Popen(line, env=job, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)  # to the script alone, as --signal=B:TERM@60 does
    assert first.wait(timeout=60) == 143
    assert (tmp_path / "run" / "saved").exists(), "the script waits until the run has saved"
    calls = (tmp_path / "calls").read_text()
    assert "requeue 7\n" in calls
    together = f"--nproc_per_node {gpus} --rdzv_id 7.0 --rdzv_backend c10d --rdzv_endpoint one:10007"
    assert (f"torchrun --nnodes {nodes} {together}" in calls) == (nodes > 1)
    second = subprocess.run(line, env=job | {"SLURM_RESTART_COUNT": "1"}, cwd=tmp_path, check=False, timeout=60)
    assert second.returncode == 0
    assert (tmp_path / "run" / "done").read_text() == "run_dir=run"
    assert (tmp_path / "calls").read_text().count("requeue") == 1, "what has ended well is not put back"


def test_a_job_that_fails_by_itself_is_not_put_back(cluster: dict[str, str], tmp_path: Path) -> None:
    line = ["bash", str(ROOT / "scripts" / "slurm" / "train.sh"), "-m", "no_such_module"]
    assert subprocess.run(line, env=cluster, cwd=tmp_path, check=False, capture_output=True, timeout=60).returncode == 1
    assert not (tmp_path / "calls").exists()


def test_tasks_that_are_submitted_again_do_their_own_parts(cluster: dict[str, str], tmp_path: Path) -> None:
    """`sbatch --array=3,7` gives two tasks of the first array other counts and a first number of their own."""
    write_kox(tmp_path / "Ko-X", english=True)
    line = [
        "bash",
        str(ROOT / "scripts" / "slurm" / "array.sh"),
        "real",
        "prepare",
        "kox",
        "--data-root",
        "Ko-X",
        "--out-dir",
        "kox",
    ]
    (tmp_path / "bin" / "real").write_text(
        f'#!/bin/bash\nPYTHONPATH={ROOT} exec {sys.executable} -m netflips.cli "$@" --workers 1\n'
    )
    (tmp_path / "bin" / "real").chmod(0o755)

    def task(number: int, array: tuple[int, ...], **more: str) -> "subprocess.CompletedProcess[str]":
        ids = {"ID": number, "MIN": min(array), "MAX": max(array), "COUNT": len(array)}
        job = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in ids.items()} | more
        return subprocess.run(line, env=cluster | job, cwd=tmp_path, check=False, timeout=60, capture_output=True, text=True)

    for number in (0, 2):
        assert task(number, (0, 1, 2, 3)).returncode == 0
    whole = line[2:]
    unfinished = subprocess.run(whole, env=cluster, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert unfinished.returncode == 2
    assert "parts are not done yet; expected all 4; found not 1,3; PARTS=4 sbatch --array=1,3" in unfinished.stderr
    assert "say how many parts that had, as PARTS=16" in task(1, (1, 3)).stderr
    assert "begun in another number of parts; expected --part K/4" in task(0, (0, 1)).stderr
    assert [task(number, (1, 3), PARTS="4").returncode for number in (1, 3)] == [0, 0]
    assert subprocess.run(whole, env=cluster, cwd=tmp_path, check=False).returncode == 0
    entries = [json.loads(row) for row in (tmp_path / "kox" / "ko.jsonl").read_text().splitlines()]
    assert sorted(entry["id"] for entry in entries) == sorted(KOX_NAMES)
    assert all((tmp_path / "kox" / entry["audio"]).is_file() for entry in entries)
