"""What a run keeps in its folder, what it says of itself, and how it goes on from what is left there."""

import itertools
import json
import logging
import os
import shlex
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avcore import journal
from avcore.errors import CheckpointError, InputError, OutputError, UsageError
from avcore.train.checkpoints import no_number_in, read_state
from avcore.train.entry import keep_run_apart, stamp_training_lines
from avcore.train.logs import RunLog, TrainResult
from avcore.train.loop import Trainer
from tests.avcore.train.toy import Points, ToyConfig, ToyTask, toy_config
from tests.refusal import refused


def _train(config: ToyConfig) -> TrainResult:
    return Trainer(ToyTask(config), config).train()


def _damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    holed = content[:middle] + bytes(200) + content[middle + 200 :]
    path.write_bytes({"empty": b"", "cut": content[:middle], "hole": holed, "text": b"{}"}[how])


@pytest.mark.parametrize("how", ["empty", "cut", "hole", "text"])
def test_a_damaged_last_checkpoint_gives_way_to_a_whole_one(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    config = toy_config(str(tmp_path), max_steps=25)
    _train(config)
    folder = tmp_path / "checkpoints"
    whole = read_state(folder / "last.pt")["modules"]["line"]
    _damage(folder / "last.pt", how)
    trainer = Trainer(ToyTask(config), config)
    assert trainer.step == 20
    assert f"{folder / 'last.pt'}: this training checkpoint is damaged" in caplog.text
    assert f"{folder / 'step_00000020.pt'} is whole" in caplog.text
    trainer.train()
    again = read_state(folder / "last.pt")["modules"]["line"]
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    _damage(folder / "last.pt", how)
    _damage(folder / "step_00000020.pt", how)
    assert Trainer(ToyTask(config), config).step == 10


def test_nothing_whole_is_said_in_one_line(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=10)
    _train(config)
    for path in (tmp_path / "checkpoints").iterdir():
        _damage(path, "empty")
    refused(CheckpointError, r"last\.pt.*damaged.*loop\.resume=never", Trainer, ToyTask(config), config)
    last = tmp_path / "checkpoints" / "last.pt"
    refused(InputError, "to begin from, is empty", Trainer, ToyTask(config), toy_config(str(tmp_path / "other"), resume=str(last)))


def _step(path: Path) -> int:
    return int(read_state(path)["position"]["step"])


def test_a_run_begins_from_a_checkpoint_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A scheduler starts the same command again: it goes on. Back to an earlier checkpoint, the run of before is put aside."""
    folder = tmp_path / "run" / "checkpoints"
    _train(toy_config(str(tmp_path / "run"), max_steps=30))
    start = str(folder / "step_00000010.pt")
    again = [toy_config(str(tmp_path / "run"), max_steps=steps, resume=start) for steps in (12, 14)]
    assert [Trainer(ToyTask(one), one).train().step for one in again] == [12, 14]
    assert "another run begins here; the earlier one is in" in caplog.text
    assert not Path(start).exists()
    assert (_step(folder / "last.pt"), _step(tmp_path / "run" / "earlier.1" / "checkpoints" / "last.pt")) == (14, 30)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [11, 12, 13, 14]
    assert not (tmp_path / "run" / "earlier.2").exists()


def test_what_another_trainer_made_is_not_gone_on_with(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=2)
    _train(config)
    task = ToyTask(config)
    task.kind = "other"  # type: ignore[misc]
    refused(CheckpointError, "the run of another trainer; expected a other's; found a toy's", Trainer, task, config)


def test_the_best_is_never_older_than_the_last_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the files of one save."""
    config = toy_config(str(tmp_path), max_steps=30)
    save, written = torch.save, list[str]()

    def killed(state: object, path: Path) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(Path(path).name)
        save(state, path)

    with monkeypatch.context() as patch:
        patch.setattr("torch.save", killed)
        refused(KeyboardInterrupt, "", _train, config)
    folder = tmp_path / "checkpoints"
    assert _step(folder / "best.pt") >= read_state(folder / "last.pt")["position"]["best_step"]
    result = _train(config)
    assert read_state(folder / "best.pt")["position"]["best"] == result.best


@pytest.mark.parametrize("how", ["no room", "while it is written"])
def test_a_full_disk_costs_a_line_while_there_is_another_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    config, save, usage = toy_config(str(tmp_path), max_steps=30), torch.save, shutil.disk_usage
    full = {1}

    def fails(state: dict, path: Path) -> None:
        if how != "no room" and state["position"]["step"] // 10 in full:
            Path(path).write_bytes(b"half")
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 664192 vs 664080")
        save(state, path)

    monkeypatch.setattr("torch.save", fails)
    trainer = Trainer(ToyTask(config), config)
    rooms = usage(tmp_path)._replace(free=1000), usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: rooms[how != "no room" or trainer.step // 10 not in full])
    result = trainer.train()
    assert caplog.text.count("training goes on, and saves the next time") == 1
    assert "MB free" in caplog.text
    assert "inline_container" not in caplog.text
    folder = tmp_path / "checkpoints"
    assert not (folder / "step_00000010.pt").exists()
    assert read_state(folder / "best.pt")["position"]["best"] == result.best
    assert {path.name for path in folder.iterdir()} == {"best.pt", "last.pt", "step_00000020.pt", "step_00000030.pt"}
    full.add(4)
    longer = toy_config(str(tmp_path), max_steps=40)
    trainer = Trainer(ToyTask(longer), longer)
    refused(OutputError, r"checkpoint.*MB free", trainer.train)
    assert _step(folder / "last.pt") == 30


def test_a_figure_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=50)
    figures = iter([float("nan"), 3.0, float("nan"), float("-inf"), 2.0])
    task = ToyTask(config)
    task.validate = lambda batches, engine: {"loss": next(figures)}  # type: ignore[method-assign]
    assert Trainer(task, config).train().best == 2.0
    assert _step(tmp_path / "checkpoints" / "best.pt") == 50


def test_norms_forget_a_batch_that_was_no_number(tmp_path: Path) -> None:
    config = toy_config(str(tmp_path), max_steps=20)
    task = ToyTask(config)
    task.parts["line"].insert(1, torch.nn.BatchNorm1d(16))
    stack = task.collate
    task.collate = lambda items: stack(items) * (float("nan") if next(numbers) == 5 else 1)  # type: ignore[method-assign]
    numbers = itertools.count()
    Trainer(task, config).train()
    assert no_number_in(read_state(tmp_path / "checkpoints" / "last.pt")["modules"]) is None


def test_a_folder_that_is_a_file_is_said_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.txt").write_text("a")
    refused(OutputError, r"x\.txt.*cannot be written", keep_run_apart, toy_config(str(tmp_path / "x.txt")))


def test_a_loader_that_was_killed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy_config(str(tmp_path), num_workers=1)
    monkeypatch.setattr(Points, "load", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    refused(InputError, "a process that loads data was killed", _train, config)


def test_other_settings_are_named_and_the_old_ones_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    _train(toy_config(str(tmp_path), max_steps=4))
    _train(toy_config(str(tmp_path), max_steps=4))
    assert "another setting" not in caplog.text
    assert not (tmp_path / "config.1.yaml").exists()
    _train(toy_config(str(tmp_path), max_steps=6, batch_size=2))
    assert "going on with another setting: batch.batch_size: 8 -> 2" in caplog.text
    assert "going on with another setting: loop.max_steps: 4 -> 6" in caplog.text
    assert caplog.text.count("another setting") == 2
    assert "max_steps: 4" in (tmp_path / "config.1.yaml").read_text()
    assert "max_steps: 6" in (tmp_path / "config.yaml").read_text()
    _train(toy_config(str(tmp_path), max_steps=7, batch_size=2))
    assert "max_steps: 6" in (tmp_path / "config.2.yaml").read_text()


def test_a_start_is_noted_with_its_command_and_commit(tmp_path: Path) -> None:
    for _ in range(2):
        _train(toy_config(str(tmp_path), max_steps=2))
    lines = [json.loads(line) for line in (tmp_path / "starts.jsonl").read_text().splitlines()]
    assert (len(lines), lines[0]["processes"], lines[0]["command"]) == (2, 1, shlex.join(sys.orig_argv))
    if (Path(__file__).resolve().parents[3] / ".git").exists():
        assert len(lines[0]["commit"]) == 40
        assert isinstance(lines[0]["is_changed"], bool)


@pytest.mark.parametrize("clip", [1.0, 0.0])
def test_rate_norm_epoch_and_times_are_logged(tmp_path: Path, clip: float) -> None:
    config = toy_config(str(tmp_path), max_steps=9, log_every=3)
    optim = type(config.optim)(lr=0.05, warmup_steps=3, clip_norm=clip)
    result = _train(toy_config(str(tmp_path), max_steps=9, log_every=3, optim=optim))
    lines = [line for line in result.history if line["kind"] == "train"]
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert lines[0]["lr"] == pytest.approx(0.05 * (1 - 2 / 9))
    assert lines[0]["lr"] > lines[1]["lr"] > lines[2]["lr"]
    assert all(line["grad_norm"] > 0 and line["step_s"] > 0 and line["time"].endswith("+00:00") for line in lines)
    assert [line["epoch"] for line in lines] == [0.0, 0.0, 1.0]
    assert all("time" in line for line in result.history)
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert {"train/lr", "train/grad_norm", "train/step_s", "train/epoch", "valid/loss"} <= set(board.Tags()["scalars"])


def test_a_run_stops_early_and_stays_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "netflips")
    config = toy_config(str(tmp_path), max_steps=100, validate_every=5, patience=2)
    figures = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    task = ToyTask(config)
    task.validate = lambda batches, engine: {"loss": next(figures)}  # type: ignore[method-assign]
    result = Trainer(task, config).train()
    assert (result.step, result.best, result.stop_signal) == (20, 2.0, None)
    assert "stopping early: no better loss in 2 validations; best 2 at step 10" in caplog.text
    assert read_state(tmp_path / "checkpoints" / "last.pt")["position"]["step"] == 20
    assert read_state(tmp_path / "checkpoints" / "best.pt")["position"]["step"] == 10
    assert _train(config).step == 20
    assert _train(toy_config(str(tmp_path), max_steps=22, validate_every=5, patience=0)).step == 22


@pytest.mark.parametrize("change", [{"precision": "fp8"}, {"patience": -1}, {"max_steps": 0}, {"log_every": 0}])
def test_settings_that_there_are_not(tmp_path: Path, change: dict[str, object]) -> None:
    refused(UsageError, rf"loop\.{next(iter(change))}", _train, toy_config(str(tmp_path / "run"), **change))
    assert not (tmp_path / "run").exists()


_FAKE = """
import json, pathlib

class Run:
    def __init__(self, **options):
        self.path = pathlib.Path(options["dir"]) / "told.jsonl"
        self.tell(init={name: value for name, value in options.items() if name not in ("dir", "config")})
    def tell(self, **what):
        with self.path.open("a") as file:
            file.write(json.dumps(what) + "\\n")
    def log(self, values, step):
        self.tell(step=step, names=sorted(values))
    def finish(self):
        self.tell(finished=True)

def init(**options):
    return Run(**options)
"""


def test_weights_and_biases_is_told_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "wandb.py").write_text(_FAKE.replace("\\\\n", "\\n"))
    monkeypatch.syspath_prepend(str(tmp_path / "there"))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    for steps in (2, 3):
        _train(toy_config(str(tmp_path / "run"), max_steps=steps, wandb_project="mine"))
    sys.modules.pop("wandb")  # by monkeypatch it would come back at the end, for all tests of this process
    told = [json.loads(line) for line in (tmp_path / "run" / "told.jsonl").read_text().splitlines()]
    starts = [line["init"] for line in told if "init" in line]
    assert [start["project"] for start in starts] == ["mine", "mine"]
    assert (starts[0]["name"], starts[0]["id"]) == ("run", starts[1]["id"])
    assert [line["step"] for line in told if "step" in line] == [1, 2, 2, 3, 3]
    assert "train/grad_norm" in told[1]["names"]
    assert sum("finished" in line for line in told) == 2


def test_weights_and_biases_that_is_not_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avcore.train.config.find_spec", lambda name: None if name == "wandb" else find_spec(name))
    refused(UsageError, "not installed; pip install wandb", _train, toy_config(str(tmp_path / "run"), wandb_project="mine"))


def test_lines_of_training_have_the_time_and_errors_have_not(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        stamp_training_lines()
        logging.getLogger("netflips.train").warning("step 3")
        logging.getLogger("netflips").error("error: no")
    finally:
        root.removeHandler(handler)
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" step 3")
    assert first[:4].isdecimal()
    assert second == "error: no"


def test_a_damaged_line_of_measurements_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = ['{"kind": "train", "step": 1, "loss": Infinity}', '{"kind": \x00', '{"kind": "train", "step": 2}', '{"step": 9}', "[]"]
    path.write_text("".join(f"{row}\n" for row in rows) + '{"kind": "tra')
    log = RunLog(tmp_path, 2, is_main=True)
    log.close()
    assert [line["step"] for line in log.history] == [1, 2]
    assert [line["step"] for line in journal.read(path)] == [1, 2]
    assert "lines 2, 5 are damaged and left out; what was measured there is lost" in caplog.text
