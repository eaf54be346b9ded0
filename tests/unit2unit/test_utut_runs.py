"""Training runs of both stages at debug size, as a user starts them, and what becomes of their checkpoints."""

import argparse
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.compute.inference import has_native_bfloat16
from avcore.errors import VocabularyError
from avcore.journal import folder_lock
from avcore.units import Units
from netflips.commands.options import convert
from tests.forked import start
from tests.unit2unit.fairseq_side import load_trained, logits_without_ours
from tests.unit2unit.phrasebook import ENVIRONMENT, LANGUAGES, NUM_UNITS, command, logged, losses, prepare_stage, train_here
from unit2unit.model import TranslatorConfig, load_transformer
from unit2unit.stage import TRANSLATOR
from unit2unit.training.corpus import read_search_limit
from unit2unit.training.entry import finetune as finetune
from unit2unit.translator import UnitTranslator

_SHA = "sha256:0123456789abcdef"
_UPDATES = 48
_OPTIONS = (
    *(["fairseq.task.autocast=bfloat16"] if has_native_bfloat16() else []),  # a CPU without it takes twice as long
    "fairseq.task.noisy_sources=0.5",
    "fairseq.task.noise_substitute=0.05",
    "fairseq.task.noise_delete=0.05",
    "fairseq.task.noise_insert=0.05",
    "fairseq.task.noise_decoder=0.05",
    "fairseq.optimizer.lr_scheduler=timed_polynomial_decay",
    "fairseq.optimizer.optimizer=adam_muon",
    "fairseq.task.valid_pairs=12",
    "fairseq.task.bleu_pairs=6",
    "fairseq.task.text_weight=1.0",
)
"""Options of ours that fairseq lacks, used by the fine-tuning run, so that all that is tested here holds with them."""
_SHORT = (
    f"fairseq.optimizer.max_update={_UPDATES}",
    "fairseq.common.log_interval=1",
    "fairseq.checkpoint.save_interval_updates=10",
    "fairseq.dataset.num_workers=0",  # the batches are made sooner than workers are
)


@dataclass(frozen=True)
class Stage:
    """A stage, its settings and the folder of a run that was never broken off."""

    name: str
    settings: tuple[str, ...]
    run_dir: Path

    def given(self, run_dir: Path, *more: str) -> list[str]:
        """The settings of a run in another folder."""
        return [*self.settings, *_SHORT, f"run_dir={run_dir}", *more]

    def line(self, run_dir: Path, *more: str) -> list[str]:
        """Its command line."""
        return command(
            f"unit2unit.utut_{self.name}.{self.name}", "--config-name", f"unit2unit/{self.name}_debug", *self.given(run_dir, *more)
        )

    @property
    def last(self) -> Path:
        return self.run_dir / "checkpoints" / "checkpoint_last.pt"

    def train(self) -> "Stage":
        assert train_here(self.name, *self.given(self.run_dir)) == 0
        return self


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Pre-training of three languages, each to each."""
    root = tmp_path_factory.mktemp("pretrain")
    data = prepare_stage(root, "pretrain", 100, "--denoise", "--units-vocabulary", _SHA, "--valid", "10")
    return Stage("pretrain", (f"data_dir={data}",), root / "run").train()


@pytest.fixture(scope="module")
def finetuned(pretrained: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Fine-tuning of English to Korean, from the pre-trained checkpoint; it validates on a part of its pairs."""
    root = tmp_path_factory.mktemp("finetune")
    data = prepare_stage(root, "finetune", 300, "--units-vocabulary", _SHA, "--valid", "20", "--test", "5")
    return Stage("finetune", (f"data_dir={data}", f"init={pretrained.last}", *_OPTIONS), root / "run").train()


@pytest.fixture(params=["pretrained", "finetuned"])
def stage(request: pytest.FixtureRequest) -> Stage:
    """Each stage in turn."""
    return request.getfixturevalue(request.param)


def _fall(found: dict[int, float]) -> float:
    """The mean loss of the last quarter as a share of the first three's."""
    assert sorted(found) == list(range(1, _UPDATES + 1))
    return float(np.mean([found[update] for update in range(37, 49)]) / np.mean([found[update] for update in (1, 2, 3)]))


def test_training_lowers_its_loss(stage: Stage) -> None:
    assert _fall(losses(stage.run_dir)) < 0.9
    valid = losses(stage.run_dir, "valid")
    assert valid[max(valid)] < valid[min(valid)]


def test_validation_tells_the_share_of_right_tokens_and_bleu(finetuned: Stage) -> None:
    accuracy, bleu = (logged(finetuned.run_dir, name, "valid") for name in ("accuracy", "bleu"))
    assert accuracy.keys() == bleu.keys() == losses(finetuned.run_dir, "valid").keys()
    assert accuracy[max(accuracy)] > accuracy[min(accuracy)]
    assert all(0 <= one <= 100 for one in bleu.values())
    assert max(bleu.values()) > 0
    rates = logged(finetuned.run_dir, "lr"), logged(finetuned.run_dir, "gnorm")
    assert all(sorted(one) == list(range(1, _UPDATES + 1)) for one in rates)


def test_a_part_is_validated_and_bounds_the_search(finetuned: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_here("finetune", *finetuned.given(tmp_path, "check_only=true")) == 0
    assert "validation: loss on 12 of 20 pairs, BLEU over units on 6 of them" in capsys.readouterr().err
    assert set(logged(finetuned.run_dir, "bsz", "valid").values()) == {12}
    assert logged(finetuned.run_dir, "cut", "valid")[10] <= 6
    limit = read_search_limit(Path(finetuned.settings[0].removeprefix("data_dir=")))
    search = UnitTranslator.from_checkpoint(finetuned.last).default_search
    assert search.no_repeat_unit  # its data are merged
    assert (search.max_len_a, search.max_len_b) == (limit["max_len_a"], limit["max_len_b"])


def test_a_run_keeps_everything_in_its_folder(stage: Stage) -> None:
    assert {path.name for path in stage.run_dir.iterdir()} == {
        "checkpoints",
        "tensorboard",
        "train.log",
        "config.yaml",
        "starts.jsonl",
        ".lock",
    }
    names = sorted(path.name for path in (stage.run_dir / "checkpoints").iterdir())
    assert names[1:] == ["checkpoint_best.pt", "checkpoint_last.pt", "learnt.npz"]
    assert names[0].startswith("checkpoint_"), "of those every 10 updates, the last is kept"
    assert any((stage.run_dir / "tensorboard" / "train_inner").iterdir())


def test_inference_gives_fairseqs_logits(stage: Stage) -> None:
    theirs, _ = load_trained(stage.last)
    ours = load_transformer(read_checkpoint(stage.last, TRANSLATOR)).eval()
    vocabulary = ours.config.vocabulary
    random = np.random.default_rng(0)
    rows = [vocabulary.source_tokens(random.integers(0, NUM_UNITS, count), "en") for count in (19, 19, 19)]
    source = torch.from_numpy(np.stack(rows))
    before = torch.from_numpy(np.stack([np.roll(vocabulary.source_tokens(row[1:12] - 4, "ko"), 1) for row in rows]))
    padded = torch.nn.functional.pad(source, (0, 5), value=1)
    padded[0, :24] = torch.from_numpy(vocabulary.source_tokens(random.integers(0, NUM_UNITS, 21), "en"))
    with torch.no_grad():
        for tokens in (source, padded):
            expected = theirs(tokens, tokens.ne(1).sum(1), before)[0]
            encoded, mask = ours.encoder(tokens)
            found = ours.decoder(before, ours.decoder.source_keys_values(encoded), mask)
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_an_export_is_loaded_without_our_code(finetuned: Stage, tmp_path: Path) -> None:
    """By fairseq's own task and by AV2AV's, from wherever; of a run, and of a translator of our own format that names no pair."""
    folder = tmp_path / "published"
    folder.mkdir()
    assert convert.main([str(finetuned.last), "--out", str(tmp_path / "ours.safetensors"), "--quiet"]) == 0
    pair = ["--src-lang", "en", "--tgt-lang", "ko"]
    exports = {
        "plain.pt": [str(finetuned.last)],
        "av2av.pt": [str(finetuned.last), "--published", "av2av"],
        "ours.pt": [str(tmp_path / "ours.safetensors"), "--published", *pair],
    }
    for name, (checkpoint, *more) in exports.items():
        assert finetune(["export", "--checkpoint", checkpoint, "--out-path", str(folder / name), "--quiet", *more]) == 0
    learnt = [f"{Path(name).stem}.learnt.npz" for name in exports]
    assert {path.name for path in folder.iterdir()} == {*exports, *learnt, "dict.txt", "dict.en.txt", "dict.ko.txt"}
    ours = load_transformer(read_checkpoint(finetuned.last, TRANSLATOR)).eval()
    vocabulary = ours.config.vocabulary
    random = np.random.default_rng(0)
    source = torch.from_numpy(np.stack([vocabulary.source_tokens(random.integers(0, NUM_UNITS, 19), "en") for _ in range(2)]))
    before = torch.from_numpy(np.stack([np.roll(vocabulary.source_tokens(row[1:12] - 4, "ko"), 1) for row in source.numpy()]))
    found = logits_without_ours([folder / name for name in exports], source, before, vocabulary.tag("ko"), tmp_path)
    with torch.no_grad():
        expected = ours(source, before).numpy()
    for name in exports:
        np.testing.assert_allclose(found[str(folder / name)], expected, atol=1e-4, rtol=0)
        read = read_checkpoint(folder / name, TRANSLATOR)
        assert (read.config["vocabulary"], TranslatorConfig.from_checkpoint(read).vocabulary) == (_SHA, vocabulary)
        assert {read.config["model"][key] for key in ("_name", "arch")} == {"mbart_large"}
        search = UnitTranslator.from_checkpoint(folder / name).default_search
        assert search == UnitTranslator.from_checkpoint(finetuned.last).default_search
    assert found["said"][-1] == vocabulary.tag("ko")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out-path", "x.safetensors"], "ending in .pt"),
        (["--out-path", "x.pt"], "which pair"),
        (["--out-path", "x.pt", "--src-lang", "en", "--tgt-lang", "zz"], "zz"),
        (["--out-path", "a:b/x.pt", "--published", "av2av"], "colon"),
        (["--out-path", "other/x.pt", "--published", "av2av"], "another dictionary"),
        (["--out-path", "utut.pt", "--published", "av2av"], "overwrite"),
    ],
)
def test_an_export_that_cannot_be_is_one_line_and_writes_nothing(
    parity_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:b", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "dict.txt").write_text("0 1\n1 1\n")
    (tmp_path / "utut.pt").write_bytes((parity_dir / "utut.pt").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    assert finetune(["export", "--checkpoint", "utut.pt", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_inference_loads_the_checkpoint_as_it_is(stage: Stage) -> None:
    translator = UnitTranslator.from_checkpoint(stage.last)
    assert (translator.languages, translator.default_search.beam) == (LANGUAGES, 5)
    assert len(translator.translate(Units([1, 1, 2, 3], None, "en", _SHA), "en", "ko").tokens) > 0
    with pytest.raises(VocabularyError):
        translator.translate(Units([1, 2], None, "en", "sha256:ffffffffffffffff"), "en", "ko")


def test_checkpoints_are_in_the_published_layout(stage: Stage, parity_dir: Path) -> None:
    published = read_checkpoint(parity_dir / "utut_ko.pt", TRANSLATOR)
    trained = read_checkpoint(stage.last, TRANSLATOR)
    assert (trained.tensors.keys(), trained.config["vocabulary"]) == (published.tensors.keys(), _SHA)
    assert trained.config["task"]["langs"] == ",".join(LANGUAGES)
    assert TranslatorConfig.from_checkpoint(trained).vocabulary.num_units == NUM_UNITS
    content = torch.load(stage.last, weights_only=False)  # our own file
    assert isinstance(content["cfg"]["model"], argparse.Namespace)
    assert isinstance(content["cfg"]["task"], argparse.Namespace if stage.name == "finetune" else dict)


def test_a_run_ended_then_killed_goes_on_as_if_nothing_happened(finetuned: Stage, tmp_path: Path) -> None:
    """SIGTERM: a checkpoint of the last update. SIGKILL in mid-epoch and with workers. To the end: the same losses and weights.

    Pre-training stands on the same engine; that its noise depends on epoch and sample alone has a test of its own.
    """
    last = tmp_path / "checkpoints" / finetuned.last.name
    begun = _forked(finetuned.given(tmp_path), tmp_path)
    assert _ended(signal.SIGTERM, begun, lambda: _has_logged(tmp_path, 13)) == 128 + signal.SIGTERM
    assert 13 <= _updates(last) == max(losses(tmp_path)) < 26
    begun = _forked(finetuned.given(tmp_path, "fairseq.dataset.num_workers=2"), tmp_path)
    assert _ended(signal.SIGKILL, begun, lambda: _has_logged(tmp_path, 26)) == -signal.SIGKILL
    assert train_here(finetuned.name, *finetuned.given(tmp_path)) == 0
    assert losses(tmp_path) == losses(finetuned.run_dir), "as logged, to three places"
    board = EventAccumulator(str(tmp_path / "tensorboard" / "train_inner")).Reload()
    assert [one.step for one in board.Scalars("loss")] == sorted(losses(tmp_path))
    whole, broken = (read_checkpoint(path, TRANSLATOR) for path in (finetuned.last, last))
    for name, tensor in whole.tensors.items():
        torch.testing.assert_close(broken.tensors[name], tensor, atol=1e-5, rtol=0)


def _updates(checkpoint: Path) -> int:
    """After how many updates it was written; our own file."""
    return int(torch.load(checkpoint, weights_only=False)["optimizer_history"][-1]["num_updates"])


def test_sigterm_in_a_validation_breaks_it_off_and_saves(finetuned: Stage, tmp_path: Path) -> None:
    """Each of its sentences is translated for as long as the network lets it: at the tenth update it knows no end."""
    slow = ["fairseq.task.valid_pairs=0", "fairseq.dataset.batch_size_valid=1", "generation.max_len_b=900", "generation.beam=1"]
    log = tmp_path / "train.log"
    begun = _forked(finetuned.given(tmp_path, *slow), tmp_path)
    assert _ended(signal.SIGTERM, begun, lambda: log.exists() and "begin validation" in log.read_text()) == 128 + signal.SIGTERM
    assert "this validation is broken off" in log.read_text()
    assert _updates(tmp_path / "checkpoints" / finetuned.last.name) == 10
    assert not losses(tmp_path, "valid")


def test_a_gradient_that_is_no_number_a_full_disk_and_a_second_run(
    finetuned: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The update is left out; ten in a row, weights that are no numbers and a disk without room end the run with a line."""
    from unit2unit.training import fairseq_fixes

    clip, calls, bad, last = fairseq_fixes._released_clipping, count(1), {4}, tmp_path / "checkpoints" / finetuned.last.name

    def clipped(trainer: Any, norm: float) -> Any:
        return clip(trainer, norm) * (float("nan") if next(calls) in bad else 1)

    def told(*more: str) -> str:
        capfd.readouterr()
        assert train_here(finetuned.name, *finetuned.given(tmp_path, *more)) == 2
        return capfd.readouterr().err

    monkeypatch.setattr(fairseq_fixes, "_released_clipping", clipped)
    assert train_here(finetuned.name, *finetuned.given(tmp_path, "fairseq.optimizer.max_update=12")) == 0
    assert "update 4: the gradient is no number; this update is left out" in (tmp_path / "train.log").read_text()
    assert sorted(losses(tmp_path)) == list(range(1, 13))
    assert _updates(last) == 12
    with folder_lock(tmp_path), monkeypatch.context() as patch:
        patch.setattr("avcore.train.entry._PATIENCE_S", 0)
        assert "another run trains in this folder; found process" in told()
    bad |= set(range(16, 99))
    assert "training broke down; nothing is saved since; expected gradients that are numbers" in told()
    bad.clear()
    with monkeypatch.context() as patch:
        patch.setattr(fairseq_fixes.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        assert "there is no room for a checkpoint; expected" in told()
    with monkeypatch.context() as patch:
        patch.setattr(fairseq_fixes.torch, "isfinite", lambda one: torch.zeros(()) if one.dim() > 1 else torch.ones(()))
        assert "expected weights that are numbers" in told()
    assert _updates(last) == 14, "of the epoch's end, before the gradients failed"
    assert not (last.parent / "crash.pt").exists()


def test_a_run_keeps_the_text_it_began_with(finetuned: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text_losses = logged(finetuned.run_dir, "text_loss", "valid")
    assert text_losses[max(text_losses)] < 0.9 * text_losses[min(text_losses)]
    copy = shutil.copytree(finetuned.run_dir, tmp_path / "run")
    assert train_here("finetune", *finetuned.given(copy, "fairseq.task.text_weight=0", "fairseq.optimizer.max_update=60")) == 2
    words = "checkpoint_last.pt is of other settings; expected those of the run; found Criterion does not match"
    assert words in capsys.readouterr().err
    anew = ("resume=never", "fairseq.task.text_weight=0", "fairseq.optimizer.max_update=3")
    assert train_here("finetune", *finetuned.given(copy, *anew)) == 0
    earlier = copy / "earlier.1"
    assert f"another run begins here; the earlier one is in {earlier}" in capsys.readouterr().err
    assert sorted(one.name for one in earlier.iterdir()) == ["checkpoints", "config.yaml", "tensorboard", "train.log"]
    assert (earlier / "checkpoints" / "checkpoint_last.pt").read_bytes() == finetuned.last.read_bytes()
    assert sorted(losses(copy)) == [1, 2, 3]


@pytest.mark.slow
def test_a_run_ends_after_its_minutes_at_a_low_rate(finetuned: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """To nothing, within what an update takes between two looks at the clock; with more minutes it goes on, not from its start."""
    endless = ["fairseq.optimizer.max_update=100000", "fairseq.optimizer.total_num_update=100000"]
    settings = ["fairseq.optimizer.warmup_updates=2", "fairseq.checkpoint.save_interval_updates=100000", *endless]
    ends = []
    for minutes in (0.05, 0.09):
        assert train_here(finetuned.name, *finetuned.given(tmp_path, *settings, f"max_minutes={minutes}")) == 0
        content = torch.load(tmp_path / "checkpoints" / finetuned.last.name, weights_only=False)  # our own file
        ends.append(content["optimizer_history"][-1]["num_updates"])
        assert f"max_minutes ended the run after {ends[-1]} of 100,000 updates" in capfd.readouterr().err
        assert content["extra_state"]["previous_training_time"] >= 60 * minutes
    rates = logged(tmp_path, "lr")
    assert 2 < ends[0] < ends[1] == max(rates) < 100000
    for first, last in ((2, ends[0]), (ends[0] + 1, ends[1])):
        falling = [rates[update] for update in range(first, last + 1)]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] < 0.05 * rates[2]
    assert rates[ends[0] + 1] < 0.6 * rates[2]


def _finetune(settings: list[str]) -> int:
    return finetune(["--config-name", "unit2unit/finetune_debug", *settings])


def _forked(settings: list[str], run_dir: Path) -> BaseProcess:
    return start(_finetune, settings, told=run_dir.parent / f"{run_dir.name}.told")


def _has_logged(run_dir: Path, update: int) -> bool:
    return (run_dir / "train.log").exists() and max(losses(run_dir), default=0) >= update


def _ended(sign: signal.Signals, process: BaseProcess, is_so: Callable[[], bool]) -> int | None:
    """Send a run a signal once something is so; returns its exit code."""
    deadline = time.monotonic() + 300
    while not is_so():
        assert process.is_alive() and time.monotonic() < deadline  # noqa: PT018
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, sign)
    process.join(120)
    return process.exitcode


@pytest.mark.slow
def test_two_processes_train_one_run_and_end_together(finetuned: Stage, tmp_path: Path) -> None:
    """By torchrun on the CPU, over gloo: fairseq's own distribution with our task, data and criterion, from a checkpoint.

    One of them translates the one sentence that its validation is to translate, the other none. torchrun passes SIGTERM on to each;
    they agree, and one checkpoint is written.
    """
    run, told = tmp_path / "run", tmp_path / "told"
    few = ["fairseq.task.bleu_pairs=1", "fairseq.dataset.batch_size_valid=1", "generation={beam: 1, max_len_a: 0, max_len_b: 1}"]
    python, *module = finetuned.line(run, "update_tokens=4096", *few)
    launch = [python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *module[module.index("-m") :]]
    with told.open("w") as file:
        process = subprocess.Popen(launch, env=ENVIRONMENT, stderr=file)
        while process.poll() is None and not _has_logged(run, 12):
            time.sleep(0.01)
        process.terminate()
        assert process.wait(timeout=120) != 0
    said, together = told.read_text(), losses(run)
    assert said.count("training with 2 processes on the CPU") == 1, said[-3000:]
    assert "1 batch an update in 2 processes: 4,096 tokens an update" in said
    assert "the limit of length cut 1 of 1 translation" in said
    assert logged(run, "cut", "valid")[10] == 1
    assert said.count('train_inner | {"epoch": 1, "update": 1') <= 1, "only the first process logs"
    assert np.mean([together[update] for update in (6, 7, 8)]) < np.mean([together[update] for update in (1, 2, 3)])
    assert together[1] != losses(finetuned.run_dir)[1], "an update of two processes sees two batches"
    last = run / "checkpoints" / finetuned.last.name
    assert 12 <= _updates(last) == max(together) < _UPDATES
    assert sorted(together) == list(range(1, max(together) + 1))
    assert read_checkpoint(last, TRANSLATOR).config["vocabulary"] == _SHA
