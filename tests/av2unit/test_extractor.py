"""The extractor: what goes in and comes out, labels, decoding, precision, errors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from av2unit.config import vocabulary_of
from av2unit.extractor import UnitExtractor
from av2unit.model import load_avhubert
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Floats, Frames
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.checkpoints.stages import Checkpoint
from avcore.errors import CheckpointError, InputError, UsageError
from tests.refusal import refused

CPU = torch.device("cpu")


def extractor_of(checkpoint: Checkpoint) -> UnitExtractor:
    return UnitExtractor(load_avhubert(checkpoint).requires_grad_(False), checkpoint, CPU)


def with_config(checkpoint: Checkpoint, **changes: Any) -> Checkpoint:
    return replace(checkpoint, config={**checkpoint.config, **changes})


def test_units_come_50_a_second_also_of_one_frame_or_sample(extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    assert extractor.extract(lips=lips).num_steps == 2 * 57
    assert extractor.extract(speech=speech).num_steps == 2 * 58
    both = extractor.extract(speech, lips)
    assert both.num_steps == 2 * 57
    assert both.durations is not None
    assert both.is_merged
    assert both.ids.max() < 1000
    assert both.vocabulary == extractor.vocabulary != ""
    assert extractor.extract(lips=lips[:1]).num_steps == 2
    assert extractor.extract(speech=np.zeros(1, dtype=np.float32)).num_steps == 2
    assert extractor.extract(np.zeros(1, dtype=np.float32), lips[:3]).num_steps == 6


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_a_padded_batch_changes_no_id(extractor: UnitExtractor, speech: Floats, lips: Frames, modalities: str) -> None:
    sounds = [speech, speech[5000:20000], speech[::-1].copy(), speech[:700]]
    faces = [lips[:40], lips[10:31], lips[::-1], lips[:1]]
    batch = (sounds if "audio" in modalities else None, faces if "video" in modalities else None)
    for row, units in enumerate(extractor.extract_batch(*batch)):
        assert units == extractor.extract(*(None if clips is None else clips[row] for clips in batch))


def test_only_units_are_chosen(encoder_checkpoint: Checkpoint, speech: Floats) -> None:
    # The special classes are put where the heads point at step 20: the highest scores are theirs there.
    plain = extractor_of(encoder_checkpoint)
    even, odd = plain.model.final_proj(torch.from_numpy(plain.features(None, speech))[20]).split(24)
    embeddings = encoder_checkpoint.tensors["label_embs_concat"].clone()
    embeddings[[0, 1]], embeddings[[1006, 1007]] = even, odd
    changed = extractor_of(replace(encoder_checkpoint, tensors=encoder_checkpoint.tensors | {"label_embs_concat": embeddings}))
    assert set(changed.logits(speech)[40:42].argmax(axis=1)) <= {0, 1, 2, 3}
    units = changed.extract(speech).frames()
    untouched = plain.extract(speech).frames()
    np.testing.assert_array_equal(units[40:42], untouched[40:42])
    assert len(units) == len(untouched)


def test_the_first_dictionary_names_the_classes_of_both_heads(other_checkpoint: Checkpoint, speech: Floats) -> None:
    extractor = extractor_of(other_checkpoint)
    logits = extractor.logits(speech)
    assert logits.shape == (2 * 58, 34)
    assert np.isneginf(logits[1::2, 32:]).all()
    classes = logits[:, 4:].argmax(axis=1) + 4
    first, second = other_checkpoint.config["dictionaries"]
    np.testing.assert_array_equal(extractor.extract(speech).frames(), [int(first[index]) for index in classes])
    assert [first[index] for index in classes[1::2]] != [second[index] for index in classes[1::2]]


def test_symbols_that_are_no_units_are_never_chosen(encoder_checkpoint: Checkpoint, speech: Floats) -> None:
    usual = int(extractor_of(encoder_checkpoint).extract(speech).ids[0])
    first, second = encoder_checkpoint.config["dictionaries"]
    renamed = ["madeupword0000" if symbol == str(usual) else symbol for symbol in first]
    units = extractor_of(with_config(encoder_checkpoint, dictionaries=[renamed, second])).extract(speech)
    assert usual not in units.ids
    refused(CheckpointError, "holds no units", extractor_of, with_config(encoder_checkpoint, dictionaries=[["a"] * 1004, second]))


def test_one_projection_may_serve_both_heads(encoder_checkpoint: Checkpoint, speech: Floats) -> None:
    tensors = dict(encoder_checkpoint.tensors)
    even = {name: tensors[name][:24] for name in ("final_proj.weight", "final_proj.bias")}
    twice = {name: torch.cat([part, part]) for name, part in even.items()}
    model = encoder_checkpoint.config["model"]
    tied = with_config(replace(encoder_checkpoint, tensors=tensors | even), model=model | {"untie_final_proj": False})
    untied = replace(encoder_checkpoint, tensors=tensors | twice)
    np.testing.assert_allclose(extractor_of(tied).logits(speech), extractor_of(untied).logits(speech), atol=1e-5)


def test_stored_decoding_is_used(encoder_checkpoint: Checkpoint, extractor: UnitExtractor, speech: Floats, tmp_path: Path) -> None:
    stored = {"decoding": {"method": "viterbi", "duration_penalty": 3.0}, "vocabulary": "sha256:0123"}
    config = encoder_checkpoint.config | stored
    path = write_checkpoint(tmp_path / "own.safetensors", UNIT_ENCODER, config, encoder_checkpoint.tensors)
    units = UnitExtractor.from_checkpoint(path).extract(speech)
    assert units.vocabulary == "sha256:0123"
    assert len(units) < len(extractor.extract(speech)) / 2
    assert units.num_steps == extractor.extract(speech).num_steps


def test_vocabulary_depends_on_dictionaries_and_heads_only(encoder_checkpoint: Checkpoint) -> None:
    own = vocabulary_of(encoder_checkpoint)
    first, second = encoder_checkpoint.config["dictionaries"]
    assert vocabulary_of(with_config(encoder_checkpoint, dictionaries=[first[:4] + first[:3:-1], second])) != own

    def changed(name: str) -> Checkpoint:
        return replace(encoder_checkpoint, tensors=encoder_checkpoint.tensors | {name: encoder_checkpoint.tensors[name] + 1})

    assert vocabulary_of(changed("label_embs_concat")) != own
    assert vocabulary_of(changed("final_proj.bias")) != own
    assert vocabulary_of(changed("encoder.layer_norm.bias")) == own


def test_hidden_states_of_every_layer(extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    layers = [extractor.features(layer, speech, lips) for layer in range(3)]
    for states in [*layers, extractor.features(None, speech, lips)]:
        assert (states.shape, states.dtype) == ((57, 64), np.float32)
    normed = torch.nn.functional.layer_norm(torch.from_numpy(layers[2]), (64,)).numpy()
    norm = extractor.model.encoder.layer_norm
    truth = normed * norm.weight.numpy() + norm.bias.numpy()
    np.testing.assert_allclose(extractor.features(None, speech, lips), truth, atol=1e-5)
    refused(InputError, r"0\.\.2", extractor.features, 3, speech)


def test_bfloat16_stays_near_float32(encoder_path: Path, extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    half = UnitExtractor.from_checkpoint(encoder_path, precision="bfloat16")
    assert half.model.feature_extractor_video.resnet.frontend3D[0].weight.dtype == torch.bfloat16
    assert half.model.layer_norm.weight.dtype == torch.float32
    logits, truth = half.logits(speech, lips), extractor.logits(speech, lips)
    assert np.abs(logits - truth).max() < 0.05 * np.abs(truth).max()
    assert half.extract(speech, lips).num_steps == 114


def test_how_sure_it_is_and_where_least(extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    found = extractor.extract_scored(speech, lips)
    units, confidence = found
    assert units == extractor.extract(speech, lips)
    assert confidence == found.confidence < 0
    assert found.weakest.score < confidence
    assert 0 <= found.weakest.start < found.weakest.stop <= units.num_steps
    assert found.nearest is None  # a published encoder names no sentences
    assert [one.is_strange for one in found.readings(extractor.domain)] == [False, False]


def test_lips_that_were_looked_at_once_serve_every_pass(extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    seen = extractor.look(lips)
    for sound in (None, speech):
        found, wanted = extractor.extract_scored(sound, seen), extractor.extract_scored(sound, lips)
        assert found.units.frames().tolist() == wanted.units.frames().tolist()
        assert (found.confidence, found.weakest) == (wanted.confidence, wanted.weakest)


def test_progress_is_reported(extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    seen: list[tuple[str, int, int | None]] = []
    extractor.extract(speech, lips, lambda *step: seen.append(step))
    assert seen == [("lip frames", done, 2) for done in range(3)] + [("encoder layers", done, 2) for done in range(3)]


def test_what_cannot_be_used_is_refused(
    extractor: UnitExtractor, speech: Floats, lips: Frames, encoder_path: Path, parity_dir: Path, tmp_path: Path
) -> None:
    refused(InputError, "speech, lips or both", extractor.extract)
    refused(InputError, "", extractor.extract, speech, lips[:0])
    refused(InputError, "", extractor.extract, speech[:0], lips)
    refused(ValueError, "found 1 and 2", extractor.extract_batch, [speech, speech], [lips])
    refused(CheckpointError, "unit translator", UnitExtractor.from_checkpoint, parity_dir / "utut.pt")
    refused(InputError, "not there", UnitExtractor.from_checkpoint, tmp_path / "none.pt")
    refused(UsageError, "float16", UnitExtractor.from_checkpoint, encoder_path, precision="float16")


def test_unsupported_variants_are_refused(encoder_checkpoint: Checkpoint) -> None:
    model = encoder_checkpoint.config["model"]
    with pytest.raises(CheckpointError, match=r"model\.modality_fuse; expected concat; found add"):
        load_avhubert(with_config(encoder_checkpoint, model=model | {"modality_fuse": "add"}))
    first, second = encoder_checkpoint.config["dictionaries"]
    with pytest.raises(CheckpointError, match=r"expected 2008 classes; found 1004 \+ 904"):
        load_avhubert(with_config(encoder_checkpoint, dictionaries=[first, second[:904]]))
    refused(CheckpointError, "no dictionaries", load_avhubert, replace(encoder_checkpoint, config={"model": model, "task": {}}))
    refused(CheckpointError, "two heads", load_avhubert, with_config(encoder_checkpoint, dictionaries=[first]))
    sizes = {
        "encoder_layers": 10**12, "encoder_embed_dim": 7, "encoder_ffn_embed_dim": -1, "conv_pos": "128", "final_dim": 1e9,
        "audio_feat_dim": True, "encoder_attention_heads": 3, "conv_pos_groups": 0, "stack_order_audio": 3, "logit_temp": 0,
        "image_crop_size": 88.5, "dropout": [0.1], "normalize": 1, "untie_final_proj": "yes", "image_std": None,
    }  # fmt: skip
    for name, value in sizes.items():
        if value is None:
            load_avhubert(with_config(encoder_checkpoint, model=model | {name: value}))
            continue
        with pytest.raises(CheckpointError, match=f"the unit encoder's setting {name} "):
            load_avhubert(with_config(encoder_checkpoint, model=model | {name: value}))
    with pytest.raises(CheckpointError, match="dictionaries cannot be read"):
        load_avhubert(with_config(encoder_checkpoint, dictionaries=[first, [1, 2]]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_gives_the_same_units(encoder_path: Path, extractor: UnitExtractor, speech: Floats, lips: Frames) -> None:
    on_gpu = UnitExtractor.from_checkpoint(encoder_path, device="cuda")
    np.testing.assert_allclose(on_gpu.logits(speech, lips), extractor.logits(speech, lips), atol=5e-3)
