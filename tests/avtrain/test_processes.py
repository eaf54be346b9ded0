"""Several processes train one run: each draws by itself, they log together, and a run that goes on is the same run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from avtrain.checkpoints import read_state
from avtrain.logs import LogWindow, means_of
from avtrain.loop import Trainer
from avtrain.started import missing_processes, seed_of
from tests.avtrain.toy import ENVIRONMENT, ToyTask, toy_config, train_with_two_processes


def test_two_processes_draw_by_themselves_and_go_on_exactly(tmp_path: Path) -> None:
    changes = {"max_steps": 16, "save_every": 5, "log_every": 2, "keep": 9}
    told = train_with_two_processes(tmp_path / "whole", changes)
    assert told.count("training with 2 processes on cpu") == 1
    assert told.count("16 steps") == 1
    whole = tmp_path / "whole" / "checkpoints"
    state = read_state(whole / "step_00000005.pt")
    assert len(state["other_processes"]) == 1
    assert not torch.equal(state["random"]["torch"], state["other_processes"][0]["random"]["torch"])
    parts = tmp_path / "parts" / "checkpoints"
    parts.mkdir(parents=True)
    shutil.copy(whole / "step_00000005.pt", parts / "last.pt")
    shutil.copy(tmp_path / "whole" / "metrics.jsonl", tmp_path / "parts")
    assert train_with_two_processes(tmp_path / "parts", changes).count("going on from") == 1
    weights = [read_state(folder / "last.pt")["modules"]["line"] for folder in (whole, parts)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    losses = [_losses(tmp_path / run) for run in ("whole", "parts")]
    assert losses[0] == losses[1], "the half-filled log window of each process was kept"


def test_losses_of_two_processes_are_means_over_both(tmp_path: Path) -> None:
    """Without dropout, an update of two processes is one of two batches, and what they measure is what one measures."""
    changes = {"max_steps": 3, "validate_every": 100, "dropout": 0.0, "batch_size": 4}
    train_with_two_processes(tmp_path / "two", changes)
    config = toy_config(str(tmp_path / "one"), accumulate=2, **changes)
    Trainer(ToyTask(config), config).train()
    assert _losses(tmp_path / "two") == pytest.approx(_losses(tmp_path / "one"), rel=1e-4)
    told = [json.loads((tmp_path / run / "metrics.jsonl").read_text().splitlines()[-1]) for run in ("two", "one")]
    assert [line["kind"] for line in told] == ["valid", "valid"]
    assert told[0]["batches"] == told[1]["batches"] == 3, "each batch is measured by one process"


def _losses(run_dir: Path) -> list[float]:
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines]


def test_means_are_over_all_windows_and_every_process_has_a_seed_of_its_own() -> None:
    windows = [LogWindow(), LogWindow()]
    windows[0].add({"loss": 1.0})
    windows[0].add({"loss": torch.tensor(2.0)})
    windows[1].add({"loss": 6.0, "seldom": 5.0})
    assert means_of([window.take() for window in windows]) == {"loss": 3.0, "seldom": 5.0}
    assert means_of([window.take() for window in windows]) == {}
    assert seed_of(1337, 0) == 1337
    assert len({seed_of(seed, rank) for seed in (1, 2) for rank in range(8)}) == 16


@pytest.mark.parametrize(
    ("number", "environment", "told"),
    [
        (1, {}, None),
        (2, {"WORLD_SIZE": "2"}, None),
        (1, {"WORLD_SIZE": "4"}, "4 processes were started"),
        (1, {"SLURM_STEP_NUM_TASKS": "3"}, "3 processes were started"),
        (1, {"ACCELERATE_USE_CPU": "False"}, None),
        (1, {"ACCELERATE_USE_CPU": "False", "MASTER_PORT": "29500"}, "accelerate launch was asked for several"),
    ],
)
def test_processes_that_were_asked_for_and_are_not_there(number: int, environment: dict[str, str], told: str | None) -> None:
    found = missing_processes(number, environment)
    assert (found is None) == (told is None)
    assert told is None or (told in (found or "") and "torchrun" in (found or ""))


def test_accelerate_launch_on_a_cpu_is_told_to_be_one_process(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("accelerate starts as many as are asked for on GPUs")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "tests.avtrain.toy", str(tmp_path), '{"max_steps": 2}']
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in ("WORLD_SIZE", "MASTER_PORT")}
    done = subprocess.run(launch, env=environment, capture_output=True, text=True, check=False, cwd=os.getcwd(), timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "training with 1 process on cpu" in done.stderr
    assert "accelerate launch was asked for several processes" in done.stderr
