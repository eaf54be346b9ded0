"""Our plug-ins inside fairseq: published files, tasks, search, and commands of fairseq's own."""

import argparse
import multiprocessing
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import fairseq_cli.train
import numpy as np
import pytest
import torch
from fairseq import checkpoint_utils, models
from fairseq.data import data_utils
from fairseq.data.iterators import EpochBatchIterator
from fairseq.file_io import PathManager
from fairseq.logging import progress_bar
from fairseq.tasks import TASK_REGISTRY
from fairseq.trainer import Trainer
from torch.utils.data import Dataset, default_collate

from avcore.units import UTUT_LANGUAGES
from tests.unit2unit.fairseq_side import dictionary, load_published, units_only, utut_plugins
from tests.unit2unit.phrasebook import ENVIRONMENT, prepare_stage
from unit2unit.training import fairseq_fixes
from unit2unit.training.fairseq_fixes import copy_whole, end_collecting, remove_parts, repair_fairseq
from unit2unit.training.launch import train_in_process
from unit2unit.training.optim import TimedPolynomialDecay
from unit2unit.training.task import TRANSLATION, UnitTranslationTask, keep_published_keys, rescale

_LANGUAGES = (*UTUT_LANGUAGES, "ko")


def test_published_keys_come_back_and_the_published_task_is_ours(parity_dir: Path) -> None:
    model, _ = load_published(parity_dir / "utut.pt")
    published = torch.load(parity_dir / "utut.pt", weights_only=False)["model"]  # our own fixture
    written = model.state_dict()
    assert written.keys() == published.keys()
    assert {name: tensor.shape for name, tensor in written.items()} == {name: tensor.shape for name, tensor in published.items()}
    assert TASK_REGISTRY[TRANSLATION] is UnitTranslationTask


def test_published_size_has_515_tensors_and_353_767_424_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairseq.models.bart.model.init_bert_params", lambda _: None)  # the sizes alone, without memory
    symbols = dictionary(1000, UTUT_LANGUAGES)
    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols)
    options = argparse.Namespace(arch="utut_large", task="utut_pretraining", max_source_positions=1024, max_target_positions=1024)
    models.ARCH_CONFIG_REGISTRY["utut_large"](options)
    with torch.device("meta"):
        model = keep_published_keys(models.ARCH_MODEL_REGISTRY["utut_large"].build_model(options, task))
    assert len(model.state_dict()) == 515
    assert sum(parameter.numel() for parameter in model.parameters()) == 353_767_424


def test_each_process_draws_by_itself_and_the_first_as_ever() -> None:
    def drawn(rank: int, updates: int) -> int:
        common = SimpleNamespace(common=SimpleNamespace(seed=2))
        trainer = SimpleNamespace(cfg=common, get_num_updates=lambda: updates, data_parallel_rank=rank)
        fairseq_fixes.seed_by_process(trainer)
        return torch.initial_seed()

    assert [drawn(0, updates) for updates in (0, 5)] == [2, 7]
    assert len({drawn(rank, updates) for rank in range(4) for updates in range(4)}) == 16
    repair_fairseq()
    assert Trainer._set_seed is fairseq_fixes.seed_by_process


@pytest.mark.parametrize(("run", "beam"), [("suppressed_greedy_en_ko", 1), ("suppressed_beam5_en_ko", 5)])
def test_the_repaired_task_s_search_gives_no_other_tags_or_masks(parity_dir: Path, run: str, beam: int) -> None:
    expected = np.load(parity_dir / "expected.npz")
    model, _ = load_published(parity_dir / "utut_ko.pt", _LANGUAGES)
    options = argparse.Namespace(langs=",".join(_LANGUAGES), source_lang="en", target_lang="ko")
    task = UnitTranslationTask(options, units_only(1000), units_only(1000))
    generator = task.build_generator([model], argparse.Namespace(beam=beam, max_len_b=200))
    source = torch.from_numpy(np.load(parity_dir / "inputs.npz")["ko.src_tokens"])[None]
    sample = {"net_input": {"src_tokens": source, "src_lengths": torch.tensor([source.shape[1]])}}
    best = generator.generate([model], sample)[0][0]
    assert best["tokens"].tolist() == expected[f"ko.{run}.tokens"].tolist()
    assert float(best["score"]) == pytest.approx(float(expected[f"ko.{run}.nbest_scores"][0]), abs=1e-4)


def test_fairseqs_own_commands_run_with_the_user_dir(tmp_path: Path) -> None:
    prepare_stage(tmp_path, "finetune", 60, "--valid", "5", "--test", "5")
    train = (
        f"{tmp_path}/data --user-dir {Path(utut_plugins.__file__).parent} --task {TRANSLATION} --langs en,ko -s en -t ko "
        "--prepend-bos --left-pad-source --arch utut_large --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16 "
        "--encoder-ffn-embed-dim 16 --encoder-attention-heads 2 --decoder-attention-heads 2 --max-source-positions 64 "
        "--criterion focal_label_smoothed_cross_entropy --label-smoothing 0.1 --focal-gamma 1.5 --optimizer adam --lr 1e-3 --cpu "
        f"--max-tokens 500 --max-update 2 --save-dir {tmp_path}/checkpoints --num-workers 0"
    )
    script = Path(sys.executable).parent / "fairseq-train"
    outside = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    done = subprocess.run([script, *train.split()], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "checkpoints" / "checkpoint_last.pt").exists()


def test_a_copy_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "checkpoint_last.pt", tmp_path / "checkpoint_best.pt"
    old.write_text("old")
    new.write_text("new and longer")

    def killed(source: str, target: str) -> None:
        Path(target).write_text("new an")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        copy_whole(str(new), str(old), overwrite=True)
    assert old.read_text() == "old"
    monkeypatch.undo()
    remove_parts(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint_best.pt", "checkpoint_last.pt"]
    assert copy_whole(str(new), str(old), overwrite=True) == str(old)
    assert old.read_text() == "new and longer"
    repair_fairseq()
    assert PathManager.copy is copy_whole


@pytest.mark.parametrize("count", [1, 5, 8, 9, 30])
def test_no_sample_is_dropped_for_the_size_of_its_batch(count: int) -> None:
    repair_fairseq()
    lengths = np.arange(10, 10 + count)
    batches = data_utils.batch_by_size(np.arange(count), None, lengths, max_tokens=300, required_batch_size_multiple=8)
    assert np.concatenate(batches).tolist() == list(range(count))
    assert all(len(batch) * lengths[batch].max() <= 300 for batch in batches)


def test_new_weights_get_the_deviation_asked_for() -> None:
    symbols = dictionary(200, ("en", "ko"))
    task = argparse.Namespace(source_dictionary=symbols, target_dictionary=symbols)
    sizes = {f"{side}_{what}": 64 for side in ("encoder", "decoder") for what in ("embed_dim", "ffn_embed_dim")}
    layers = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    positions = {"max_source_positions": 64, "max_target_positions": 64}
    options = argparse.Namespace(arch="utut_large", task=TRANSLATION, **sizes, **layers, **positions)
    models.ARCH_CONFIG_REGISTRY["utut_large"](options)
    model = models.ARCH_MODEL_REGISTRY["utut_large"].build_model(options, task)
    rescale(model, 0.0)
    assert float(model.encoder.embed_tokens.weight.std().detach()) == pytest.approx(0.02, rel=0.05)
    rescale(model, 0.1)
    for weight in (model.decoder.output_projection.weight, model.decoder.layers[1].encoder_attn.k_proj.weight):
        assert float(weight.std().detach()) == pytest.approx(0.1, rel=0.05), "a shared table too is scaled once"
    assert (model.encoder.layer_norm.weight == 1).all()


def test_the_time_of_another_run_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(trainer: SimpleNamespace, *_: object, **__: object) -> str:
        trainer._previous_training_time = 700
        return "state"

    monkeypatch.setattr(fairseq_fixes, "_released_loading", load)
    for is_another_run, expected in ((True, 0), (False, 700)):
        trainer = SimpleNamespace(_previous_training_time=0, lr_scheduler=None, is_data_parallel_master=False)
        assert fairseq_fixes.load_for_this_run(trainer, "x.pt", reset_meters=is_another_run) == "state"
        assert trainer._previous_training_time == expected


def test_figures_of_repeated_updates_are_dropped_from_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fairseq writes counts with six digits, and a kill may tear a line."""
    monkeypatch.setattr(progress_bar, "SummaryWriter", object)
    kept = [b'{"num_updates": "999000"}\n', b"epoch 3 | num_updates 1e+06 | loss 2\n", b"\xec\x95 torn\n"]
    (tmp_path / "train.log").write_bytes(b"".join([*kept, b"epoch 3 | num_updates 1.0002e+06 | loss 2\n"]))
    fairseq_fixes.drop_figures(tmp_path, 1_000_100)
    assert (tmp_path / "train.log").read_text(encoding="utf-8").count("num_updates") == 2


def test_rates_of_processes_begin_with_the_checkpoints_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One was a minute in starting, another less: rates by their own clocks would make of one step two."""
    monkeypatch.setattr(fairseq_fixes, "_released_loading", lambda *_, **__: "state")
    schedule = TimedPolynomialDecay.__new__(TimedPolynomialDecay)
    trainer = SimpleNamespace(_previous_training_time=700, lr_scheduler=schedule, _local_cumulative_training_time=lambda: 760)
    trainer.cumulative_training_time = partial(Trainer.cumulative_training_time, trainer)
    trainer.is_data_parallel_master = False
    for processes, expected in ((1, 760), (2, 700)):
        trainer.data_parallel_world_size, trainer._cumulative_training_time = processes, None
        fairseq_fixes.load_for_this_run(trainer, "x.pt")
        assert schedule._trained() == expected


class _Numbers(Dataset[int]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> int:
        return index


def test_a_run_knows_no_best_of_an_earlier_one_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """fairseq keeps it in its functions: a worse run would have no checkpoint_best.pt."""
    known = []
    vars(checkpoint_utils.save_checkpoint)["best"] = 1.0
    monkeypatch.setattr(fairseq_cli.train, "main", lambda _: known.append(hasattr(checkpoint_utils.save_checkpoint, "best")))
    train_in_process(SimpleNamespace(distributed_training=SimpleNamespace(distributed_rank=1), common=SimpleNamespace(cpu=False)))
    assert known == [False]


def test_no_thread_is_left_at_its_batches_when_a_run_ends() -> None:
    """Left alone, it ended 54 of 60 processes by SIGABRT instead of their exit code."""
    before = threading.active_count()
    epochs = EpochBatchIterator(_Numbers(), default_collate, [[index] for index in range(6)], num_workers=0, buffer_size=1)
    assert next(epochs.next_epoch_itr(shuffle=False)).tolist() == [0]
    assert threading.active_count() == before + 1
    end_collecting()
    assert threading.active_count() == before


def test_workers_end_with_the_last_batch_of_their_epoch() -> None:
    """Left alone, they hold up whatever runs when they are collected as garbage, for five seconds each."""
    repair_fairseq()
    before = set(multiprocessing.active_children())
    epochs = EpochBatchIterator(_Numbers(), default_collate, [[0, 1], [2, 3], [4, 5]], num_workers=2, buffer_size=4)
    batches = epochs.next_epoch_itr(shuffle=False)
    first = next(batches)
    workers = set(multiprocessing.active_children()) - before
    assert [batch.tolist() for batch in (first, *batches)] == [[0, 1], [2, 3], [4, 5]]
    ended_by = time.monotonic() + 60
    # A thread of the loader waits for them too: a worker's exit code is unknown here for a moment where that thread saw its end.
    while any(worker.exitcode is None for worker in workers) and time.monotonic() < ended_by:
        time.sleep(0.05)
    assert [worker.exitcode for worker in workers] == [0, 0], "told to end, and not killed"
