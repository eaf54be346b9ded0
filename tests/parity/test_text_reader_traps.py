"""What loads without an error and is wrong, and what the reader of lips is made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_av_hubert, read_checkpoint, write_checkpoint
from avcore.errors import CheckpointError, LanguageError
from tests.parity.reading import (
    CLIPS,
    EXPECTED,
    MANIFEST,
    PARITY,
    RUNS,
    arrays,
    encode_clips,
    expected,
    model,
    number_of,
    reader,
    said_units,
)
from unit2text.config import ReaderConfig
from unit2text.model import TextReader, load_reader
from unit2text.reader import UnitReader
from unit2text.search import ReadOptions, hypotheses
from unit2text.stage import TEXT_READER
from unit2text.training.task import join_pretrained
from unit2text.windows import WindowSettings


class TestTraps:
    """What loads without an error and is wrong."""

    @staticmethod
    def other(name: str, **changed: Any) -> TextReader:
        checkpoint = read_checkpoint(PARITY / f"{name}.pt", TEXT_READER)
        return load_reader(checkpoint, replace(ReaderConfig.from_checkpoint(checkpoint), **changed)).requires_grad_(False)

    def test_the_unit_encoder_has_its_norms_behind_and_av_hubert_before(self) -> None:
        using = model("unit_pretrained")
        assert not using.config.encoder.norm_first
        swapped = self.other("unit_pretrained", encoder=replace(using.config.encoder, norm_first=True))
        units = torch.from_numpy(said_units(0, False).lips)[None]
        features = swapped.encode(units, None, number_of(using, "clip0"), [units.shape[1]]).features
        assert float((features - torch.from_numpy(expected("pt.units0_lip_only.encoder_out"))).abs().max()) > 0.01

    @pytest.mark.parametrize("changed", ["activation", "scale"])
    def test_the_decoder_has_relu_and_embeddings_that_are_not_scaled(self, changed: str) -> None:
        config = model("finetuned").config
        assert (config.decoder.activation, config.scale) == (torch.nn.ReLU, 1.0)
        wrong = {"activation": {"decoder": replace(config.decoder, activation=torch.nn.GELU)}, "scale": {"scale": config.dim**0.5}}
        prefix = torch.from_numpy(expected("ft.clip0.prefix"))
        logits = self.other("finetuned", **wrong[changed]).logits(encode_clips("clip0"), prefix)
        assert float((logits - torch.from_numpy(expected("ft.clip0.decoder_logits"))).abs().max()) > 0.01

    def test_start_tokens_are_numbers_whatever_their_symbols_are_called(self) -> None:
        config = model("finetuned").config
        starts = {"en": 1000, "it": 1001, "fr": 1002, "es": 1003, "pt": 1004}
        assert dict(zip(config.languages, config.starts, strict=True)) == starts
        for clip, stored in CLIPS.items():
            if f"ft.{clip}.prefix" in EXPECTED:
                assert expected(f"ft.{clip}.prefix")[0, 0] == config.start(stored["language"])

    def test_the_language_is_asked_for_and_never_guessed_from_a_name(self) -> None:
        using, gray = reader("finetuned"), arrays("inputs.npz")["clip0.gray"]
        with pytest.raises(LanguageError, match="one of en, it, fr, es, pt"):
            using.read(gray, "de")
        by_score = using.read_scored(gray)
        scores = {name: using.read_scored(gray, name) for name in using.languages}
        assert by_score.transcript.language in using.languages
        assert by_score.transcript == scores[by_score.transcript.language].transcript

    def test_marks_and_start_tokens_can_be_kept_out_of_a_text(self) -> None:
        using = reader("finetuned")
        encoded = using.encode(arrays("inputs.npz")["clip1.gray"], CLIPS["clip1"]["language"]).features
        marks = using.text.marks(using.config.starts)
        start = using.config.start(CLIPS["clip1"]["language"])
        found = hypotheses(using.model, [encoded], [start], ReadOptions(suppress_marks=True), marks)[0]
        assert not {token for one in found for token in one.tokens.tolist()} & set(marks)

    def test_words_have_times_in_order_inside_the_clip(self) -> None:
        gray = arrays("inputs.npz")["clip0.gray"]
        found = reader("finetuned").read(gray, CLIPS["clip0"]["language"])
        assert found.text == RUNS["beam.ft.clip0"]["text"][0]
        assert [word.text for word in found.words] == found.text.split()
        edges = [edge for word in found.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert 0 <= edges[0] <= edges[-1] <= len(gray) / 25
        assert all(0 <= word.confidence <= 1 for word in found.words)

    def test_a_long_clip_is_read_in_windows_and_never_dropped(self) -> None:
        gray = np.concatenate([arrays("inputs.npz")["clip0.gray"]] * 4)
        small = WindowSettings(longest_s=1.6, shortest_s=0.8, overlap_s=0.4)
        found = reader("finetuned").read_scored(gray, "fr", windows=small).transcript
        edges = [edge for word in found.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert edges[-1] > 1.6
        assert edges[-1] <= len(gray) / 25

    def test_entries_that_reading_needs_nothing_of_may_be_missing(self) -> None:
        checkpoint = read_checkpoint(PARITY / "finetuned.pt", TEXT_READER)
        unused = set(MANIFEST["finetuned_keys_without_use"])
        assert unused < checkpoint.tensors.keys()
        bare = replace(checkpoint, tensors={name: one for name, one in checkpoint.tensors.items() if name not in unused})
        load_reader(bare, ReaderConfig.from_checkpoint(bare))
        torn = replace(bare, tensors={name: one for name, one in bare.tensors.items() if name != "decoder.layer_norm.bias"})
        with pytest.raises(CheckpointError, match=r"1 missing: decoder\.layer_norm\.bias"):
            load_reader(torn, ReaderConfig.from_checkpoint(torn))

    def test_heads_of_the_lip_encoder_are_never_guessed(self, tmp_path: Path) -> None:
        checkpoint = read_checkpoint(PARITY / "finetuned.pt", TEXT_READER)
        heads = read_av_hubert(PARITY / "mavhubert.pt").config["model"]["encoder_attention_heads"]
        assert ReaderConfig.from_checkpoint(checkpoint).lips.encoder.encoder_attention_heads == heads  # type: ignore[union-attr]
        settings = {**checkpoint.config["model"], "w2v_args": None}
        alone = replace(checkpoint, path=tmp_path / "finetuned.pt", config={**checkpoint.config, "model": settings})
        with pytest.raises(CheckpointError, match="does not say how many heads"):
            ReaderConfig.from_checkpoint(alone)
        given = ReaderConfig.from_checkpoint(alone, PARITY / "mavhubert.pt")
        assert given.lips.encoder.encoder_attention_heads == heads

    def test_our_own_form_reads_the_same(self, tmp_path: Path) -> None:
        source = read_checkpoint(PARITY / "finetuned.pt", TEXT_READER)
        path = write_checkpoint(tmp_path / "reader", TEXT_READER, source.config, source.tensors)
        gray = arrays("inputs.npz")["clip2.gray"]
        own = UnitReader.from_checkpoint(path, av_hubert=PARITY / "mavhubert.pt")
        assert own.read(gray, "en") == reader("finetuned").read(gray, "en")


def test_conversion_of_the_two_files_of_pre_training() -> None:
    units = read_checkpoint(PARITY / "unit_pretrained.pt", TEXT_READER)
    lips = read_av_hubert(PARITY / "mavhubert.pt")
    config, tensors = join_pretrained(units, lips)
    published = read_checkpoint(PARITY / "finetuned.pt", TEXT_READER)
    assert tensors.keys() == published.tensors.keys()
    ours, theirs = ({name: tensor.shape for name, tensor in found.items()} for found in (tensors, published.tensors))
    assert ours == theirs
    fresh = set(MANIFEST["conversion_fresh_keys"])
    from_units = {id(tensor) for tensor in units.tensors.values()}
    from_lips = {id(tensor) for tensor in lips.tensors.values()}
    counts = {
        "unit_pretrained": sum(id(tensor) in from_units for tensor in tensors.values()),
        "mavhubert": sum(id(tensor) in from_lips for tensor in tensors.values()),
        "fresh": sum(id(tensor) not in from_units | from_lips for tensor in tensors.values()),
    }
    assert counts == MANIFEST["conversion_counts"]
    assert {name for name, tensor in tensors.items() if id(tensor) not in from_units | from_lips} == fresh
    joined = replace(published, config=config, tensors=tensors)
    load_reader(joined, ReaderConfig.from_checkpoint(joined))
