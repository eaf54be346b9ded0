"""The loss by hand, what gradients reach; runs at debug size: they learn, go on exactly, survive being killed, and are exported."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from av2unit import train as command
from av2unit.config import AvHubertConfig
from av2unit.extractor import UnitExtractor
from av2unit.model import AvHubert, load_avhubert
from av2unit.stage import UNIT_ENCODER
from av2unit.training.config import InitConfig
from av2unit.training.items import ClipBatch
from av2unit.training.start import build_model, encoder_tensors, initialise, read_start, read_trained
from av2unit.training.task import MaskedPrediction
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, VocabularyError
from avcore.media import read_gray_video, read_speech
from tests.av2unit.made_clips import VOCABULARY, share_in_order, write_corpus
from tests.av2unit.training_runs import PUBLISHED, SIDE, config_of, settings, train
from tests.avcore.train.toy import history, measured
from tests.refusal import refused

SMALL = AvHubertConfig(
    encoder_layers=2, encoder_embed_dim=16, encoder_ffn_embed_dim=32, encoder_attention_heads=2, conv_pos=8, conv_pos_groups=2,
    audio_feat_dim=12, stack_order_audio=4, final_dim=8, image_crop_size=32, resnet_width=4, mask_dim=12, num_classes=(9, 9),
    dropout=0.0, attention_dropout=0.0, dropout_input=0.0, encoder_layerdrop=0.0,
)  # fmt: skip
LENGTHS, VIDEO_LENGTHS, HAS_AUDIO = [7, 5, 6], [7, 0, 6], [True, True, False]


def _batch(extra: int = 0) -> ClipBatch:
    """Three clips: both modalities, sound alone, lips alone; `extra` steps of padding more than needed."""
    generator = torch.Generator().manual_seed(3)
    time = max(LENGTHS)
    real = torch.arange(time) < torch.tensor(LENGTHS)[:, None]
    audio_mask = (torch.rand(3, time, generator=generator) < 0.4) & real & torch.tensor(HAS_AUDIO)[:, None]
    mask = audio_mask | ((torch.rand(3, time, generator=generator) < 0.3) & real)
    audio = torch.randn(3, time, 12, generator=generator) * real[..., None]
    video = torch.randint(0, 256, (3, time, 32, 32), generator=generator, dtype=torch.uint8)
    targets = torch.randint(4, 9, (3, time, 2), generator=generator).masked_fill(~real[..., None], -100)
    padded = [torch.cat([part, part[:, :1].expand(-1, extra, *part.shape[2:]) * 0], 1) for part in (audio, video, audio_mask, mask)]
    targets = torch.cat([targets, torch.full((3, extra, 2), -100)], 1)
    return ClipBatch(
        padded[0], padded[1], padded[2].bool(), padded[3].bool(), torch.tensor(HAS_AUDIO), targets, LENGTHS, VIDEO_LENGTHS
    )


def _network(**loss: float) -> MaskedPrediction:
    torch.manual_seed(0)
    return MaskedPrediction(initialise(AvHubert(SMALL)), replace(PUBLISHED.loss, **loss))


def _by_hand(model: AvHubert, batch: ClipBatch, masked_weight: float, unmasked_weight: float) -> tuple[float, float]:
    """Clip after clip and step after step, from the published description: (cross-entropies over frames, penalty)."""
    total, counted, squares = 0.0, 0, []
    for row, length in enumerate(batch.lengths):
        audio = batch.audio[row, :length].clone()
        audio[batch.audio_mask[row, :length]] = model.mask_emb
        video = ((batch.video[row, :length].double() / 255 - 0.421) / 0.165).float()
        features = [
            model.feature_extractor_audio(audio[None]) if batch.has_audio[row] else torch.zeros(1, length, 16),
            model.feature_extractor_video(video[None], [length]) if batch.video_lengths[row] else torch.zeros(1, length, 16),
        ]
        fused = torch.cat(features, -1)
        squares.append(fused.square().mean(-1)[0])
        hidden = model.encoder(model.post_extract_proj(model.layer_norm(fused)))[0]
        for step in range(length):
            weight = masked_weight if batch.mask[row, step] else unmasked_weight
            counted += weight > 0
            for head in range(2):
                projected = model.final_proj(hidden[step])[8 * head : 8 * head + 8]
                classes = model.label_embs_concat[9 * head : 9 * head + 9]
                logits = torch.stack([projected @ one / projected.norm() / one.norm() / 0.1 for one in classes])
                total += weight * (logits.logsumexp(0) - logits[batch.targets[row, step, head]]).item()
    return total / counted, torch.cat(squares).mean().item()


@pytest.mark.parametrize(("masked_weight", "unmasked_weight"), [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
@torch.no_grad()
def test_the_loss_is_the_published_one(masked_weight: float, unmasked_weight: float) -> None:
    network = _network(masked_weight=masked_weight, unmasked_weight=unmasked_weight, feature_penalty=10.0).eval()
    batch = _batch()
    measured = network(batch)
    entropies, penalty = _by_hand(network.model, batch, masked_weight, unmasked_weight)
    assert measured["feature_penalty"].item() == pytest.approx(penalty, rel=1e-5)
    assert measured["loss"].item() == pytest.approx(entropies + 10 * penalty, rel=1e-5)


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    network = _network().eval()
    found, padded = network(_batch()), network(_batch(extra=5))
    for name, value in found.items():
        assert padded[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_label_smoothing_and_class_weights_reach_the_loss() -> None:
    batch = _batch()
    plain = _network(feature_penalty=0.0).eval()
    smooth = MaskedPrediction(plain.model, replace(PUBLISHED.loss, feature_penalty=0.0, label_smoothing=0.1)).eval()
    heavy = MaskedPrediction(plain.model, replace(PUBLISHED.loss, feature_penalty=0.0), (), torch.full((9,), 3.0)).eval()
    values = [network(batch)["loss"].item() for network in (plain, smooth, heavy)]
    assert values[2] == pytest.approx(3 * values[0], rel=1e-5)
    logits = plain.logits(plain.model.fuse(*plain.front_ends(batch)), batch)
    real = batch.targets[..., 0] >= 0
    uniform = sum(-head.log_softmax(-1).mean(-1)[real].sum() for head in logits).item() / int(real.sum())
    assert values[1] == pytest.approx(0.9 * values[0] + 0.1 * uniform, rel=1e-5)


def _gradients(network: MaskedPrediction) -> dict[str, Tensor]:
    network(_batch())["loss"].backward()
    return {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}


def test_gradients_of_the_front_ends_are_scaled() -> None:
    whole, tenth = (_gradients(_network(feature_grad_mult=scale).eval()) for scale in (1.0, 0.1))
    for name, gradient in whole.items():
        scale = 0.1 if "feature_extractor" in name or "mask_emb" in name else 1.0
        assert torch.allclose(tenth[name], scale * gradient, rtol=1e-3, atol=1e-7), name
    assert not any("feature_extractor" in name for name in _gradients(_network(feature_grad_mult=0.0)))


def test_frozen_parts_do_not_move_nor_do_their_norms() -> None:
    torch.manual_seed(0)
    network = MaskedPrediction(initialise(AvHubert(SMALL)), PUBLISHED.loss, ("feature_extractor_video.resnet",)).train()
    resnet = network.model.feature_extractor_video.resnet
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    assert not any("resnet" in name for name in _gradients(network))
    assert all(torch.equal(value, before[name]) for name, value in resnet.state_dict().items())
    assert network.model.encoder.training


# Starting weights


def _settings(checkpoint: Checkpoint, classes: int) -> AvHubertConfig:
    return replace(AvHubertConfig.from_checkpoint(checkpoint), num_classes=(classes, classes), encoder_layerdrop=0.2)


def _dictionaries(count: int) -> list[list[str]]:
    return [["<s>", "<pad>", "</s>", "<unk>", *map(str, range(count))]] * 2


def test_a_published_encoder_keeps_all_but_the_class_embeddings(encoder_checkpoint: Checkpoint, parity_dir: Path) -> None:
    config = _settings(encoder_checkpoint, 54)
    model = build_model(config, InitConfig(checkpoint=str(encoder_checkpoint.path), heads="new"), _dictionaries(50), "sha256:any")
    for name, tensor in model.state_dict().items():
        if name == "label_embs_concat":
            assert tensor.shape == (108, config.final_dim)
        else:
            assert torch.equal(tensor, encoder_checkpoint.tensors[name]), name
    other = replace(config, encoder_embed_dim=128, encoder_layers=5)
    with pytest.raises(CheckpointError, match=r"expected model.encoder_layers=2 model.encoder_embed_dim=64"):
        build_model(other, InitConfig(checkpoint=str(encoder_checkpoint.path), heads="new"), _dictionaries(50), "")
    refused(CheckpointError, "", read_start, parity_dir / "utut.pt")


def test_the_projection_of_one_head_is_repeated_for_two(encoder_checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = _settings(encoder_checkpoint, 54)
    width = config.final_dim
    single = dict(encoder_checkpoint.tensors)
    for name in ("final_proj.weight", "final_proj.bias"):
        single[name] = single[name][:width].clone()
    single["label_embs_concat"] = torch.rand(104, width)
    task, own = {"_name": "av_hubert_pretraining"}, encoder_checkpoint.config
    cfg = {"task": own["task"] | task, "model": own["model"]}
    path = tmp_path / "english.pt"
    torch.save({"args": None, "cfg": cfg, "model": single, "task_state": {}}, path)
    model = build_model(config, InitConfig(checkpoint=str(path), heads="new"), _dictionaries(50), "")
    assert torch.equal(model.final_proj.weight[:width], single["final_proj.weight"])
    assert torch.equal(model.final_proj.weight[width:], single["final_proj.weight"])
    assert torch.equal(model.final_proj.bias, single["final_proj.bias"].repeat(2))
    assert torch.equal(model.encoder.layer_norm.weight, single["encoder.layer_norm.weight"])
    assert read_start(path).config["dictionaries"] == []


def test_heads_are_kept_for_the_same_units_only(encoder_checkpoint: Checkpoint, tmp_path: Path) -> None:
    symbols = _dictionaries(50)
    config = _settings(encoder_checkpoint, 54)
    tensors = encoder_checkpoint.tensors | {"label_embs_concat": torch.rand(108, config.final_dim)}
    stored = encoder_checkpoint.config | {"dictionaries": symbols, "vocabulary": "sha256:mine"}
    path = write_checkpoint(tmp_path / "own", UNIT_ENCODER, stored, tensors)
    model = build_model(config, InitConfig(checkpoint=str(path), heads="keep"), symbols, "sha256:mine")
    assert torch.equal(model.label_embs_concat, tensors["label_embs_concat"])
    assert torch.equal(load_avhubert(read_checkpoint(path, UNIT_ENCODER)).label_embs_concat, tensors["label_embs_concat"])
    refused(VocabularyError, "", build_model, config, InitConfig(checkpoint=str(path), heads="keep"), symbols, "sha256:other")
    with pytest.raises(CheckpointError, match="other units"):
        build_model(replace(config, num_classes=(44, 44)), InitConfig(checkpoint=str(path), heads="keep"), _dictionaries(40), "")


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
    options = ["export", "--run-dir", str(run_dir), "--out-path", str(out), "--choose-penalty", "0,1,40", "--calibrate-agreement"]
    assert command.main([*options, "--device", "cpu"]) == 0
    stored = read_checkpoint(out, UNIT_ENCODER).config
    assert stored["vocabulary"] == VOCABULARY
    assert stored["decoding"]["duration_penalty"] in (0.0, 1.0)  # 40 makes one unit of each clip
    extractor = UnitExtractor.from_checkpoint(out)
    assert extractor.agreement.foreign < extractor.agreement.least < extractor.agreement.own
    trained = encoder_tensors(read_trained(run_dir))
    assert torch.equal(read_checkpoint(out, UNIT_ENCODER).tensors["final_proj.weight"], trained["final_proj.weight"])
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


def test_clips_of_one_modality_are_mixed_in_and_bad_files_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
