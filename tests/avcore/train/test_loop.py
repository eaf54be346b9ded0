"""The loop: it learns, resumes exactly, survives being killed, and reports bad items."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from avcore.errors import InputError
from avcore.train.checkpoints import read_state
from avcore.train.config import BatchConfig, Metrics, OptimConfig
from avcore.train.logs import LogWindow, TrainResult
from avcore.train.loop import Trainer
from avcore.train.started import missing_processes, seed_of
from avcore.train.task import Engine, Means, means_of
from tests import forked
from tests.avcore.train.toy import (
    ENVIRONMENT,
    KILLED,
    Points,
    ToyConfig,
    ToyTask,
    history,
    toy_config,
    train_toy,
    train_until,
    train_with_two_processes,
)  # fmt: skip


def _train(config: ToyConfig) -> TrainResult:
    return Trainer(ToyTask(config), config).train()


@pytest.mark.parametrize(("workers", "accumulate", "muon"), [(0, 1, ()), (2, 1, ()), (0, 3, ()), (0, 1, ("line.0", "line.3"))])
def test_a_resumed_run_gives_the_losses_of_an_unbroken_one(
    tmp_path: Path, workers: int, accumulate: int, muon: tuple[str, ...]
) -> None:
    optim = replace(toy_config("").optim, muon=muon)
    changes = {"num_workers": workers, "accumulate": accumulate, "optim": optim}
    whole = _train(toy_config(str(tmp_path / "whole"), **changes))
    config = toy_config(str(tmp_path / "parts"), **changes)
    train_until(Trainer(ToyTask(config), config), 13)
    resumed = _train(config)
    assert history(resumed) == pytest.approx(history(whole), abs=1e-6)
    assert history(resumed, "valid") == pytest.approx(history(whole, "valid"), abs=1e-6)
    weights = [read_state(tmp_path / run / "checkpoints" / "last.pt")["modules"]["line"] for run in ("whole", "parts")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("sizes", [(4, 16), (8, 3), (4, 16, 6)])
def test_with_another_batch_size_each_item_is_trained_on_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sizes: tuple[int, ...]
) -> None:
    caplog.set_level("INFO", logger="netflips.train")
    loaded = list[tuple[int, int]]()
    load = Points.load
    monkeypatch.setattr(Points, "load", lambda self, key: (loaded.append(key), load(self, key))[1])
    monkeypatch.setattr(Points, "lengths", lambda self: list(range(1, len(self) + 1)))
    step = 0
    for size in sizes:
        config = toy_config(str(tmp_path), batch_size=size, max_steps=100)
        step += 2 if size != sizes[-1] else 60
        task = ToyTask(config)
        task.valid = None
        train_until(Trainer(task, config), step)
    for epoch in range(3):
        assert sorted(index for at, index in loaded if at == epoch) == list(range(60))
    assert "epoch 0 goes on with the" in caplog.text


def test_with_other_items_the_epoch_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = toy_config(str(tmp_path))
    train_until(Trainer(ToyTask(config), config), 3)
    task = ToyTask(config)
    task.train = Points(50)
    train_until(Trainer(task, config), 5)
    assert "there are other items than before: epoch 0 begins anew" in caplog.text
    assert [row["batches"] for row in read_state(tmp_path / "checkpoints" / "last.pt")["taken_batches"]] == [2]


def test_gradients_are_no_longer_than_the_bound(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=5, optim=OptimConfig(lr=0.01, clip_norm=1e-3))
    trainer, seen = Trainer(ToyTask(config), config), list[float]()
    inner = trainer._optimizers["line"]
    released = inner.step

    def step(*given: object) -> object:
        gradients = [one.grad for group in inner.param_groups for one in group["params"]]
        seen.append(float(torch.nn.utils.get_total_norm(gradients)))
        return released(*given)

    inner.step = step
    trainer.train()
    assert seen == pytest.approx([1e-3] * 5, rel=0.01)


class DrawsInValidation(ToyTask):
    def validate(self, batches: Iterator[Any], engine: Engine) -> Metrics:
        torch.rand(7)
        np.random.random(7)
        random.random()
        return super().validate(batches, engine)


def test_a_validation_leaves_the_randomness_of_training_alone(tmp_path: Path) -> None:
    often, seldom = (toy_config(str(tmp_path / f"{every}"), max_steps=20, validate_every=every) for every in (3, 1000))
    losses = [history(Trainer(DrawsInValidation(one), one).train()) for one in (often, seldom)]
    assert losses[0] == losses[1]


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    process = forked.start(train_toy, str(tmp_path / "killed"), KILLED, told=tmp_path / "told.txt")
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists():
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    for run in ("killed", "whole"):
        config = toy_config(str(tmp_path / run), **KILLED)
        Trainer(ToyTask(config), config).train()
    histories = [_measured(tmp_path / run / "metrics.jsonl") for run in ("killed", "whole")]
    assert histories[0] == histories[1]


def _measured(path: Path) -> list[dict[str, object]]:
    """The lines of a run's measurements, without what a clock said."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in ("time", "step_s")} for line in lines]


def test_a_run_saves_when_its_whole_group_is_told_to_end(tmp_path: Path) -> None:
    """As schedulers, containers and `timeout` do it: the workers get the signal too."""
    changes = {"num_workers": 2, "delay_s": 0.02, "save_every": 1000, "max_steps": 100_000}
    process = forked.start(train_toy, str(tmp_path), changes, told=tmp_path / "told.txt")
    log = tmp_path / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("train") >= 3):
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    assert read_state(tmp_path / "checkpoints" / "last.pt")["position"]["step"] >= 3


def test_an_error_ends_the_workers(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), num_workers=2, validate_every=3)
    trainer = Trainer(ToyTask(config), config)
    trainer._validate = lambda: 1 // 0  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError) as kept:
        trainer.train()
    assert kept.value is not None
    assert [child for child in multiprocessing.active_children() if child.is_alive()] == []


def test_processes_stay_together_and_the_clock_ends_the_run(tmp_path: Path) -> None:
    changes = {"batch_size": 1, "bad": list(range(0, 60, 3)), "max_bad_share": 1.0, "max_steps": 0, "max_minutes": 0.02, "seed": 2}
    assert "training with 2 processes" in train_with_two_processes(tmp_path, changes)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["kind"] == "valid"
    assert len({line["step"] for line in lines}) == lines[-1]["step"] > 10


def test_the_newest_numbered_checkpoints_stay_and_the_best(tmp_path: Path) -> None:
    result = _train(toy_config(str(tmp_path), keep=2))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best.pt", "last.pt", "step_00000030.pt", "step_00000040.pt"]
    assert result.best == min(history(result, "valid").values())
    best = read_state(tmp_path / "checkpoints" / "best.pt")
    assert (best["position"]["best"], best["about"]["kind"]) == (result.best, "toy")


def test_bad_items_are_skipped_by_name_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = toy_config(str(tmp_path), bad=(3, 17), num_workers=2)
    assert set(_train(config).bad_items) == {"point 3", "point 17"}
    assert sum("skipped point 3" in record.message for record in caplog.records) == 1


def test_a_run_with_mostly_bad_items_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too many"):
        _train(toy_config(str(tmp_path), bad=tuple(range(0, 60, 2))))


def test_all_items_are_validated_and_an_epoch_needs_a_batch(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=10)
    seen: list[int] = []
    task = ToyTask(config)
    task.validate = lambda batches, engine: {"loss": float(sum(seen.append(len(batch)) or 0.0 for batch in batches))}
    Trainer(task, replace(config, batch=BatchConfig(batch_size=8, drop_last=True))).train()
    assert sum(seen) == len(task.valid)
    with pytest.raises(InputError, match="too few items for a batch"):
        large = replace(config, batch=BatchConfig(batch_size=80, drop_last=True), run_dir=str(tmp_path / "b"))
        Trainer(ToyTask(config), large).train()


def test_a_run_keeps_its_config_and_the_time_it_waited(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=10, delay_s=0.01)
    _train(config)
    assert "max_steps: 10" in (tmp_path / "config.yaml").read_text()
    position = read_state(tmp_path / "checkpoints" / "last.pt")["position"]
    assert 0.5 < position["waited"] / position["seconds"] <= 1
    _train(replace(config, loop=replace(config.loop, max_steps=11)))
    assert read_state(tmp_path / "checkpoints" / "last.pt")["position"]["waited"] > position["waited"]


@pytest.mark.parametrize(("has_it", "expected"), [(True, "bf16"), (False, "no")])
def test_auto_precision_asks_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_it: bool, expected: str) -> None:
    monkeypatch.setattr("avcore.train.started.has_quick_bfloat16", lambda _: has_it)
    _train(toy_config(str(tmp_path), precision="auto"))
    assert AcceleratorState().mixed_precision == expected


@pytest.mark.parametrize(
    ("precision", "expected", "told"),
    [("bf16", "bf16", "bf16 has no products here"), ("fp16", "no", "half precision (fp16) needs a GPU"), ("no", "no", "")],
)
def test_a_number_format_that_is_slow_or_passed_over_here_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, precision: str, expected: str, told: str
) -> None:
    caplog.set_level("INFO", logger="netflips.train")
    monkeypatch.setattr("avcore.train.started.has_quick_bfloat16", lambda _: False)
    _train(toy_config(str(tmp_path), precision=precision, max_steps=1))
    assert AcceleratorState().mixed_precision == expected
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [one.startswith(told) for one in warnings] == ([True] if told else [])
    assert f"with 1 process on cpu{'' if expected == 'no' else f', in {expected}'}" in caplog.messages[0]


def test_training_minutes_end_a_run_that_says_its_updates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="netflips.train")
    result = _train(replace(toy_config(str(tmp_path), max_steps=0, max_minutes=0.01), delay_s=0.01))
    assert 0 < result.step < 200
    assert f"loop.max_minutes ended the run after {result.step} updates" in caplog.text
    assert "rate was still rising" not in caplog.text


def test_a_run_by_minutes_warns_when_it_made_few_updates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    few = toy_config(str(tmp_path / "few"), max_steps=5000, max_minutes=0.005)
    made = _train(replace(few, delay_s=0.01)).step
    [line] = [one for one in caplog.records if "loop.max_minutes" in one.message]
    assert line.levelname == "WARNING"
    assert line.message.startswith(f"loop.max_minutes ended the run after {made} of 5,000 updates, 0.")
    caplog.clear()

    rising = toy_config(str(tmp_path / "rising"), max_steps=0, max_minutes=0.005)
    _train(replace(rising, delay_s=0.01, optim=replace(rising.optim, warmup_steps=900)))
    assert "while its rate was still rising (until update 900)" in caplog.text
    caplog.clear()

    _train(toy_config(str(tmp_path / "whole"), max_steps=5, max_minutes=5))
    assert "max_minutes" not in caplog.text


def test_a_run_that_goes_on_takes_a_changed_decay(tmp_path: Path) -> None:
    """Its log says that it goes on with another setting; the optimizer's state has the one before."""
    config = toy_config(str(tmp_path), max_steps=3)
    _train(config)
    changed = replace(config, optim=replace(config.optim, weight_decay=0.25, betas=(0.5, 0.75)))
    [optimizer] = Trainer(ToyTask(changed), changed)._optimizers.values()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.0]
    assert {group["betas"] for group in optimizer.param_groups} == {(0.5, 0.75)}


def test_a_signal_is_noted_whatever_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come while a line is being logged, and another one fails then."""
    trainer = Trainer(ToyTask(toy_config(str(tmp_path))), toy_config(str(tmp_path)))
    with monkeypatch.context() as busy:
        busy.setattr("avcore.train.loop.LOG.warning", lambda *_: 1 / 0)
        trainer._note_signal(signal.SIGTERM, None)
    assert trainer.train().stop_signal == signal.SIGTERM


def test_two_processes_draw_by_themselves_and_go_on_exactly(tmp_path: Path) -> None:
    changes = {"max_steps": 16, "save_every": 5, "log_every": 2, "keep": 9}
    told = train_with_two_processes(tmp_path / "whole", changes)
    assert (told.count("training with 2 processes on cpu"), told.count("16 steps")) == (1, 1)
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


def test_means_are_over_all_windows_and_processes_have_own_seeds() -> None:
    windows = [LogWindow(), LogWindow()]
    windows[0].note({"loss": 1.0})
    windows[0].note({"loss": torch.tensor(2.0)})
    windows[1].note({"loss": 6.0, "seldom": 5.0})
    assert means_of([window.take() for window in windows]) == {"loss": 3.0, "seldom": 5.0}
    assert means_of([window.take() for window in windows]) == {}
    assert seed_of(1337, 0) == 1337
    assert len({seed_of(seed, rank) for seed in (1, 2) for rank in range(8)}) == 16


def test_what_was_measured_is_added_up_before_anything_is_divided() -> None:
    """Errors of all clips over the units of all clips, in any number of processes."""
    clips = [{"errors": (3, 4), "loss": 1.0}, {"errors": (0, 12)}, {"errors": (1, 0), "loss": 2.0}]
    shares = [Means(), Means(), Means()]
    for number, clip in enumerate(clips):
        shares[number % 2].add(clip)
    assert means_of(shares) == {"errors": 0.25, "loss": 1.5}
    assert means_of(shares[2:]) == {}


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


@pytest.mark.slow
def test_accelerate_launch_on_a_cpu_is_told_to_be_one_process(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("accelerate starts as many as are asked for on GPUs")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["-m", "tests.avcore.train.toy", str(tmp_path), '{"max_steps": 2}']
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in ("WORLD_SIZE", "MASTER_PORT")}
    done = subprocess.run(launch, env=environment, capture_output=True, text=True, check=False, cwd=os.getcwd(), timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "training with 1 process on cpu" in done.stderr
    assert "accelerate launch was asked for several processes" in done.stderr
