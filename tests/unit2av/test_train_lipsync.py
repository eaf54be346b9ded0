"""Wav2Lip's training by sound: windows, losses, the switch of the sync loss, resuming, and files as published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.errors import CheckpointError, InputError
from avcore.media import read_speech
from avcore.train.checkpoints import read_state
from avcore.train.entry import read_config
from avcore.train.logs import TrainResult
from avcore.train.loop import Trainer
from recipes.made.drawn_lips import DrawnCorpus, draw_corpus
from tests.avcore.train.toy import OneStep, batch_of, history, without_gradient
from unit2av.lip_task import LOSSES, QUALITY, faces_of
from unit2av.lipsync.patches import SoundLipSync, load_wav2lip
from unit2av.lipsync.wav2lip.model import mel_of
from unit2av.lipsync.wav2lip.training.config import ExpertConfig, GeneratorConfig, SoundDataConfig, read_sound_clips
from unit2av.lipsync.wav2lip.training.task import GENERATOR, ExpertWindows, GeneratorWindows
from unit2av.train_lipsync import load_expert, main, make_task

PARITY = Path(__file__).parents[1] / "parity"
EXPERT = PARITY / "lipsync_expert_tiny.pth"


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> DrawnCorpus:
    """Drawn clips with sound; nobody may change them."""
    return draw_corpus(tmp_path_factory.mktemp("heard"), clips=20, frames=40, has_sound=True)


def words(corpus: DrawnCorpus, cache: Path, run_dir: Path, **settings: Any) -> list[str]:
    fixed = {"data.train": corpus.manifest, "data.cache": cache, "run_dir": run_dir}
    named = {name.replace("__", "."): value for name, value in settings.items()}
    return [f"{name}={value}" for name, value in (fixed | named).items()]


def config(corpus: DrawnCorpus, cache: Path, run_dir: Path, name: str = "lipsync_debug", **settings: Any) -> GeneratorConfig:
    return read_config(GeneratorConfig, f"unit2av/{name}", words(corpus, cache, run_dir, **settings))


def train(settings: GeneratorConfig) -> TrainResult:
    return Trainer(make_task(settings), settings).train()


# The recipe and its windows


def test_the_published_recipe() -> None:
    given = ["run_dir=none", "data.train=none"]
    plain, hq = (read_config(GeneratorConfig, f"unit2av/{name}", given) for name in ("lipsync", "lipsync_hq"))
    expert = read_config(ExpertConfig, "unit2av/lipsync_expert", given)
    assert (plain.losses.sync, plain.losses.quality, plain.losses.sync_threshold) == (0.01, 0, 0.75)
    assert (hq.losses.sync, hq.losses.quality, hq.losses.sync_threshold) == (0.03, 0.07, 0.75)
    optims = (plain.optim, hq.optim, hq.quality_optim, expert.optim)
    assert [tuple(one.betas) for one in optims] == [(0.9, 0.999), (0.5, 0.999), (0.5, 0.999), (0.9, 0.999)]
    assert {one.lr for one in optims} == {1e-4}
    assert [one.batch.batch_size for one in (plain, hq, expert)] == [16, 16, 64]


def test_windows_hold_the_sound_of_their_frames(heard: DrawnCorpus, crops: Path) -> None:
    clip = read_sound_clips(SoundDataConfig(train=str(heard.manifest), hold_out=1), 0).train[0]
    mel, faces = mel_of(read_speech(clip.sound)), GeneratorWindows([clip], crops, 3)._crops.faces(clip.footage).frames
    firsts = set()
    for early in (0, 2):
        shifted = replace(clip, offset=early)
        for epoch in range(30):
            example = GeneratorWindows([shifted], crops, 3).load((epoch, 0))
            first = next(k for k in range(len(faces)) if np.array_equal(faces[k : k + 5], example.target))
            starts = [(first - early + k - 1) * 80 // 25 for k in range(5)]
            np.testing.assert_array_equal(example.sounds, np.stack([mel[None, :, start : start + 16] for start in starts]))
            start = (first - early) * 80 // 25
            np.testing.assert_array_equal(example.sound, mel[None, :, start : start + 16])
            assert not np.array_equal(example.reference, example.target)
            firsts.add((early, first))
    assert min(first for early, first in firsts if not early) == 1
    assert min(first for early, first in firsts if early) >= 3
    assert len(firsts) > 20


def test_half_of_the_experts_windows_have_another_ones_sound(heard: DrawnCorpus, crops: Path) -> None:
    clip = read_sound_clips(SoundDataConfig(train=str(heard.manifest), hold_out=1), 0).train[0]
    windows = ExpertWindows([clip], crops, 3, num_items=60)
    assert len(windows) == 60
    mel, faces = mel_of(read_speech(clip.sound)), windows._crops.faces(clip.footage).frames[:, 48:]
    labels = []
    for index in range(60):
        example = windows.load((0, index))
        first = next(k for k in range(len(faces)) if np.array_equal(faces[k : k + 5], example.mouths))
        start = first * 80 // 25
        assert np.array_equal(example.sound, mel[None, :, start : start + 16]) == bool(example.label)
        labels.append(float(example.label))
    assert 15 < sum(labels) < 45


# The step


def test_the_expert_judges_in_evaluation_mode_and_does_not_drift(heard: DrawnCorpus, crops: Path, tmp_path: Path) -> None:
    task = make_task(config(heard, crops, tmp_path, losses__sync_checkpoint=EXPERT))
    losses: Any = task.parts[LOSSES]
    engine, batch = OneStep(task), batch_of(task, range(4))
    assert "sync" not in task.training_step(batch, engine)
    assert not losses.notice(0.75)
    assert losses.notice(0.74)
    assert not losses.notice(0.1)
    with torch.no_grad():
        drawn = engine.module(GENERATOR)(batch["sounds"].flatten(0, 1), faces_of(batch))
    values = task.training_step(batch, engine)
    expected = -losses.in_step(drawn, batch)[0].log().mean()
    assert values["sync"].item() == pytest.approx(expected.item(), abs=1e-4)
    assert values["loss"].item() == pytest.approx(0.99 * values["l1"].item() + 0.01 * values["sync"].item())
    alone = losses.in_step(drawn[:5], {"sound": batch["sound"][:1]})[0]
    assert torch.allclose(alone, losses.in_step(drawn, batch)[0][:1], atol=1e-5)
    for name, tensor in load_expert(str(EXPERT)).state_dict().items():
        assert torch.equal(losses.expert.state_dict()[name], tensor), name


# Runs


def test_the_generators_export_is_a_published_file(heard: DrawnCorpus, crops: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert main(["--config-name", "unit2av/lipsync_hq_debug", "loop.max_steps=2", *words(heard, crops, run_dir)]) == 0
    last, out, quality = run_dir / "checkpoints" / "last.pt", tmp_path / "wav2lip.pth", tmp_path / "quality.pth"
    command = ["export", "--checkpoint", str(last), "--out-path", str(out), "--quality-path", str(quality)]
    assert main(command) == 0
    trained = read_state(last)["modules"]
    judge = torch.load(quality, weights_only=True)["state_dict"]
    for tensors, stored in ((trained[GENERATOR], load_wav2lip(out).state_dict()), (trained[QUALITY], judge)):
        assert tensors.keys() == stored.keys()
        assert all(torch.equal(tensors[name], stored[name]) for name in tensors)
    assert set(torch.load(out, weights_only=True)) == {"state_dict", "optimizer", "global_step", "global_epoch"}
    task = make_task(config(heard, crops, tmp_path, "lipsync_hq_debug", init__checkpoint=out, init__quality_checkpoint=quality))
    batch, generator = batch_of(task, range(2)), task.parts[GENERATOR].eval()
    with torch.no_grad():
        drawn = generator(batch["sounds"].flatten(0, 1), faces_of(batch))
        assert torch.equal(drawn, load_wav2lip(out)(batch["sounds"].flatten(0, 1), faces_of(batch)))
    assert SoundLipSync.from_checkpoint(out).name == "wav2lip"


@pytest.mark.slow
def test_the_expert_learns(heard: DrawnCorpus, crops: Path, tmp_path: Path) -> None:
    assert main(["expert", "--config-name", "unit2av/lipsync_expert_debug", *words(heard, crops, tmp_path)]) == 0
    losses = list(history(tmp_path).values())
    assert losses[-1] < 0.9 * losses[0]  # 0.86 of it was seen once


def test_the_experts_export_is_a_published_file(heard: DrawnCorpus, crops: Path, tmp_path: Path) -> None:
    run_dir, out = tmp_path / "run", tmp_path / "lipsync_expert.pth"
    few = {"loop__max_steps": 2, "loop__validate_every": 2, "data__valid_windows": 8, "batch__batch_size": 4}
    assert main(["expert", "--config-name", "unit2av/lipsync_expert_debug", *words(heard, crops, run_dir, **few)]) == 0
    best = run_dir / "checkpoints" / "best.pt"
    assert main(["export", "--checkpoint", str(best), "--out-path", str(out)]) == 0
    trained, stored = read_state(best)["modules"]["expert"], load_expert(str(out)).state_dict()
    assert all(torch.equal(trained[name], stored[name]) for name in trained.keys() | stored.keys())
    assert main(["export", "--checkpoint", str(best), "--out-path", str(out), "--quality-path", str(tmp_path / "q.pth")]) == 2
    # The generator takes it.
    make_task(config(heard, crops, tmp_path, losses__sync_checkpoint=out))


def test_published_files_are_gone_on_from(heard: DrawnCorpus, crops: Path, tmp_path: Path) -> None:
    judge = PARITY / "visual_quality_disc_tiny.pth"
    begun = {"init__checkpoint": PARITY / "wav2lip_tiny.pth", "init__quality_checkpoint": judge}
    task = make_task(config(heard, crops, tmp_path, "lipsync_hq_debug", **begun))
    start = {name: tensor.clone() for name, tensor in task.parts[GENERATOR].state_dict().items()}
    stored = load_wav2lip(PARITY / "wav2lip_tiny.pth").state_dict()
    assert all(torch.equal(start[name], stored[name]) for name in stored)
    task.training_step(batch_of(task, range(4)), OneStep(task))
    assert without_gradient(task.parts[GENERATOR]) == []
    with pytest.raises(CheckpointError):
        make_task(config(heard, crops, tmp_path, init__checkpoint=EXPERT))


# What cannot be trained on


def test_bad_input_is_told_in_a_line(heard: DrawnCorpus, crops: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["--config-name", "unit2av/lipsync_debug", *words(heard, crops, tmp_path / "run")]
    assert main([*command, "data.hold_out=0"]) == 2
    assert "nothing to validate on" in capfd.readouterr().err
    assert main([*command, "losses.quality=0.99", "losses.sync=0.01"]) == 2
    assert main([*command, "data.hold_out=20"]) == 2
    rows = [json.loads(line) for line in heard.manifest.read_text().splitlines()]
    for change, what in (
        ({"audio": "gone.wav"}, "without a sound file"),
        ({"sync_offset": 0.5}, "sync_offset"),
        ({"frames": 15}, "too short"),
    ):
        manifest = tmp_path / "bad.jsonl"
        manifest.write_text("".join(json.dumps(row) + "\n" for row in [rows[0] | change, *rows[1:]]))
        with pytest.raises(InputError, match=what):
            read_sound_clips(SoundDataConfig(train=str(manifest), root=str(heard.manifest.parent), hold_out=1), 0)
