"""Training at debug size on made clips: it learns, goes on exactly, survives being killed, and inference loads the result.

What several processes measure of a validation is what one measures.
"""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from av2unit import train as command
from av2unit.extractor import UnitExtractor
from av2unit.stage import UNIT_ENCODER
from av2unit.training.start import read_trained
from av2unit.training.task import Score, joined
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.media import read_gray_video, read_speech
from tests.av2unit.made_clips import VOCABULARY, share_in_order, write_corpus
from tests.av2unit.training_runs import SIDE, config_of, settings, train
from tests.avtrain.toy import history, measured

STEPS = 60


@pytest.fixture(scope="module")
def run_dir(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run by the command, on the published forms with noise, dropout and all augmentation."""
    folder = tmp_path_factory.mktemp("run")
    more = [f"loop.max_steps={STEPS}", "loop.validate_every=30", "model.dropout=0.05", "model.encoder_layerdrop=0.05"]
    more += ["noise.noise_prob=0.2", f"noise.noise_wav={corpus}/noise", "noise.snr_db=[5,20]"]
    more += ["noise.kinds=[files,coloured,speech]"]
    more += ["augment.warp=0.05", "augment.tilt=0.5", "augment.pace=0.1", "augment.brightness=0.1", "augment.contrast=0.1"]
    more += ["augment.rotate_deg=3", "loss.label_smoothing=0.02", "loss.class_balance=0.3", f"data.units_vocabulary={VOCABULARY}"]
    assert command.main(settings(corpus, folder, *more, kind="tsv", labels="even.km,odd.km")) == 0
    return folder


def test_the_loss_falls_and_units_are_learnt_from_sound_and_lips(run_dir: Path) -> None:
    losses = [line["loss"] for line in measured(run_dir, "train")]
    assert losses[-1] < 0.5 * losses[0]
    valid = measured(run_dir, "valid")[-1]
    assert valid["step"] == STEPS
    assert valid["uer_audio_video"] < 0.2
    assert valid["accuracy_audio"] > 0.8
    assert valid["accuracy_video"] > 0.5
    assert valid["unmasked_accuracy"] > valid["masked_accuracy"] > 0.3
    assert (run_dir / "config.yaml").exists()


def test_what_is_exported_labels_the_clips_it_was_trained_on(run_dir: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "encoder.safetensors"
    options = ["export", "--run-dir", str(run_dir), "--out-path", str(out), "--choose-penalty", "0,1,40", "--judge-lips"]
    assert command.main([*options, "--device", "cpu"]) == 0
    stored = read_checkpoint(out, UNIT_ENCODER).config
    assert stored["vocabulary"] == VOCABULARY
    assert stored["decoding"]["duration_penalty"] in (0.0, 1.0)  # 40 makes one unit of each clip
    extractor = UnitExtractor.from_checkpoint(out)
    assert extractor.agreement.foreign < extractor.agreement.least < extractor.agreement.own
    trained = read_trained(run_dir)
    assert torch.equal(read_checkpoint(out, UNIT_ENCODER).tensors["final_proj.weight"], trained.tensors["final_proj.weight"])
    pairs = list[tuple[np.ndarray, np.ndarray]]()
    for name, units in _labels(corpus)[:16]:
        found = extractor.extract(read_speech(corpus / f"audio/{name}.wav"), _lips(corpus, name))
        assert found.vocabulary == VOCABULARY
        pairs.append((found.frames(), units))
    said, wanted = (np.concatenate(side) for side in zip(*pairs, strict=True))
    assert (said == wanted).mean() > 0.9
    assert share_in_order(said, wanted) > 0.8


def test_half_precision_costs_half(run_dir: Path, corpus: Path, tmp_path: Path) -> None:
    for precision in ("float32", "float16"):
        options = ["export", "--run-dir", str(run_dir), "--out-path", str(tmp_path / precision), "--precision", precision]
        assert command.main(options) == 0
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("float32", "float16")]
    assert sizes[1] < 0.55 * sizes[0]
    name = _labels(corpus)[0][0]
    inputs = read_speech(corpus / f"audio/{name}.wav"), _lips(corpus, name)
    logits = [UnitExtractor.from_checkpoint(tmp_path / f"{kind}.safetensors").logits(*inputs) for kind in ("float32", "float16")]
    assert np.abs(logits[0] - logits[1]).max() < 0.1


def _labels(corpus: Path) -> list[tuple[str, np.ndarray]]:
    lines = [(corpus / f"train.{head}.km").read_text().splitlines() for head in ("even", "odd")]
    names = [line.split("\t")[0] for line in (corpus / "train.tsv").read_text().splitlines()[1:]]
    return [
        (name, np.array([even.split(), odd.split()]).T.ravel().astype(int)) for name, even, odd in zip(names, *lines, strict=True)
    ]


def _lips(corpus: Path, name: str) -> np.ndarray:
    array = corpus / f"lips/{name}.npy"
    return np.load(array) if array.exists() else read_gray_video(corpus / f"lips/{name}.mp4")


def test_without_masks_it_is_plain_frame_classification(corpus: Path, tmp_path: Path) -> None:
    result = train(config_of(corpus, tmp_path, "masking.mask_prob=0", "loop.max_steps=8", "loop.log_every=4", "loop.num_workers=0"))
    assert not any(name.startswith("masked") for line in result.history for name in line)
    assert history(result)[8] < history(result)[4]


def test_clips_with_one_modality_are_mixed_in_and_bad_files_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = write_corpus(tmp_path, count=14, side=SIDE, frames=(18, 30))
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    for row, missing in zip(rows, ["lips", "audio"] * 4, strict=False):
        del row[missing]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "lips" / f"{made[9].id}.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and nothing")
    more = ("loop.max_steps=12", "batch.batch_size=3", "loop.validate_every=12", "loop.num_workers=0")
    with caplog.at_level(logging.WARNING):
        result = train(config_of(tmp_path, tmp_path / "run", *more))
    assert list(result.bad_items) == [made[9].id]
    assert f"skipped {made[9].id}" in caplog.text
    assert np.isfinite(list(history(result).values())).all()


def _measure(score: Score, seeds: list[int]) -> Score:
    for seed in seeds:
        random = np.random.default_rng(seed)
        score.losses["loss"].append(float(random.random()))
        score.add("audio" if seed % 3 else "video", random.integers(0, 4, 20), random.integers(0, 4, 20))
    return score


def test_shares_are_brought_together_before_anything_is_divided() -> None:
    whole = _measure(Score(), [1, 2, 3, 4, 5]).metrics()
    shares = [_measure(Score(), [1, 3, 5]), _measure(Score(), [2, 4]), Score()]
    assert joined(shares).metrics() == pytest.approx(whole)
    assert joined([Score()]).metrics() == {}
