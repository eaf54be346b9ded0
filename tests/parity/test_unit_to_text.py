"""The unit-to-text model against the reference's numbers (small random checkpoints), and wrong files that load without an error."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import read_av_hubert, read_checkpoint, write_checkpoint
from avcore.contracts import Hypothesis
from avcore.errors import CheckpointError, LanguageError
from tests.parity.reading import (
    CLIPS,
    EXPECTED,
    INPUTS,
    MANIFEST,
    PAIRS,
    PARITY,
    RUNS,
    arrays,
    assert_near,
    assert_same_hypotheses,
    check_heads,
    encode_clips,
    encode_units,
    expected,
    frames,
    inner_blocks,
    model,
    number_of,
    reader,
    said_units,
    score_tolerance,
)
from unit2text.config import UnitToTextConfig
from unit2text.model import EncodedUnits, UnitToTextNetwork, load_unit_to_text_network
from unit2text.search import PUBLISHED_SEARCH, ReadOptions, hypotheses
from unit2text.stage import UNIT2TEXT
from unit2text.text import TextVocabulary, word_errors
from unit2text.training.items import num_faded
from unit2text.training.task import Losses, join_pretrained, joint_loss
from unit2text.unit_reader import UnitReader
from unit2text.windows import WindowSettings


class TestLips:
    def test_frames(self) -> None:
        assert_near(frames("clip0")[:2], "ft.clip0.video_first_two")

    @pytest.mark.parametrize("clip", [name for name in CLIPS if f"ft.{name}.avhubert_out" in EXPECTED])
    def test_features_and_heads(self, clip: str) -> None:
        using = model("finetuned")
        seen = list[Tensor]()
        resnet = using.encoder.w2v_model.feature_extractor_video.resnet  # type: ignore[union-attr]
        hook = resnet.register_forward_hook(lambda _, __, out: seen.append(out))  # type: ignore[union-attr, operator]
        features = using.features([frames(clip)])
        hook.remove()
        assert_near(torch.cat(seen)[None], f"ft.{clip}.resnet_out")
        assert_near(features, f"ft.{clip}.avhubert_out")
        check_heads("finetuned", f"ft.{clip}", encode_clips(clip))

    def test_blocks_of_the_unit_encoder(self) -> None:
        _, seen = inner_blocks(model("finetuned"), lambda: encode_clips("clip0"))
        wanted = [name for name in EXPECTED if name.startswith("ft.clip0.") and name.removeprefix("ft.clip0.") in seen]
        assert len(wanted) == len(seen)
        for name in wanted:
            assert_near(seen[name.removeprefix("ft.clip0.")], name)

    @pytest.mark.parametrize("tag", PAIRS)
    def test_padded_pair(self, tag: str) -> None:
        using, encoded = model("finetuned"), encode_clips(*PAIRS[tag])
        assert_near(using.features([frames(clip) for clip in PAIRS[tag]]), f"{tag}.avhubert_out", encoded.is_real)
        check_heads("finetuned", tag, encoded)


class TestUnits:
    @pytest.mark.parametrize("with_sound", [True, False])
    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_heads(self, number: int, with_sound: bool) -> None:
        tag = f"pt.units{number}" + ("" if with_sound else "_lip_only")
        encoded, seen = inner_blocks(model("unit_pretrained"), lambda: encode_units([number], with_sound))
        check_heads("unit_pretrained", tag, encoded)
        for name in (f"{tag}.{part}" for part in seen if f"{tag}.{part}" in EXPECTED):
            assert_near(seen[name.removeprefix(f"{tag}.")], name)
        assert number or all(f"{tag}.{part}" in EXPECTED for part in seen)

    @pytest.mark.parametrize("with_sound", [True, False])
    def test_padded_pair(self, with_sound: bool) -> None:
        check_heads("unit_pretrained", "pt.units_pair" + ("" if with_sound else "_lip_only"), encode_units([0, 3], with_sound))

    def test_lip_units_count_from_row_0_and_those_of_sound_from_row_4(self) -> None:
        said = said_units(0, True)
        features = reader("unit_pretrained").encode(said, CLIPS["clip0"]["language"]).features
        assert_near(features, "pt.units0.encoder_out")


class TestSearch:
    @staticmethod
    def options(key: str) -> ReadOptions:
        run = RUNS[key]
        names = ("beam", "lenpen", "max_len_a", "max_len_b", "min_len", "unnormalized")
        return ReadOptions(replace(PUBLISHED_SEARCH, **{name: run[name] for name in names if name in run}))

    def find(self, name: str, encoded: EncodedUnits, clips: list[str], key: str, limit: int = 0) -> list[list[Hypothesis]]:
        using = model(name)
        starts = [using.config.start(CLIPS[clip]["language"]) for clip in clips]
        lengths = [len(encoded.features[0])] * len(clips) if encoded.is_real is None else encoded.is_real.sum(1).tolist()
        parts = [encoded.features[row : row + 1, : int(length)] for row, length in enumerate(lengths)]
        return hypotheses(using, parts, starts, self.options(key), (), limit)

    @pytest.mark.parametrize("key", [name for name in RUNS if name.startswith("beam.ft.clip")])
    def test_lips(self, key: str) -> None:
        clip = key.split(".")[2].split("_")[0]
        found = self.find("finetuned", encode_clips(clip), [clip], key)[0]
        assert_same_hypotheses(found, key)
        assert reader("finetuned").text.decode(found[0].tokens.tolist()) == RUNS[key]["text"][0]

    def test_a_batch_shares_the_limit_of_its_longest_clip(self) -> None:
        encoded = encode_clips(*PAIRS["ft.pair"])
        found = self.find("finetuned", encoded, list(PAIRS["ft.pair"]), "beam.ft.pair", len(encoded.features[0]))
        for number, one in enumerate(found):
            assert_same_hypotheses(one, f"beam.ft.pair.{number}")
        own = self.find("finetuned", encoded, list(PAIRS["ft.pair"]), "beam.ft.pair")
        shortest = arrays("inputs.npz")["clip3.gray"].shape[0]
        assert max(len(one.tokens) for one in own[1]) <= shortest + 1

    @pytest.mark.parametrize("key", [name for name in RUNS if name.startswith("beam.pt.units") and "pair" not in name])
    def test_units(self, key: str) -> None:
        number = int(key.removeprefix("beam.pt.units")[0])
        found = self.find("unit_pretrained", encode_units([number], "lip_only" not in key), [f"clip{number}"], key)
        assert_same_hypotheses(found[0], key)

    @pytest.mark.parametrize("key", [name for name in RUNS if name.startswith("beam.pt.units_pair")])
    def test_pair_of_units(self, key: str) -> None:
        encoded = encode_units([0, 3], "lip_only" not in key)
        found = self.find("unit_pretrained", encoded, ["clip0", "clip3"], key, len(encoded.features[0]))
        for number, one in enumerate(found):
            assert_same_hypotheses(one, f"{key}.{number}")

    def test_the_language_of_each_clip_is_its_own(self) -> None:
        """The reference starts all texts of a batch with the language of its first clip; right is what each gives alone."""
        parts = [encode_clips(clip).features for clip in ("clip0", "clip1")]
        using = model("finetuned")
        starts = [using.config.start(CLIPS[clip]["language"]) for clip in ("clip0", "clip1")]
        found = hypotheses(using, parts, starts, ReadOptions(), ())
        assert_same_hypotheses(found[0], "beam.ft.mixed.0")
        assert_same_hypotheses(found[1], "beam.ft.clip1")
        wrong = hypotheses(using, parts[1:], starts[:1], ReadOptions(), (), parts[0].shape[1])
        assert_same_hypotheses(wrong[0], "beam.ft.mixed.1")
        assert [one.tokens.tolist() for one in wrong[0]] != [one.tokens.tolist() for one in found[1]]


class TestLosses:
    @pytest.mark.parametrize("tag", PAIRS)
    def test_with_the_lengths_of_the_reference_and_with_each_clip_s_own(self, tag: str) -> None:
        using, encoded = model("finetuned"), encode_clips(*PAIRS[tag])
        self.check(tag, using, encoded)
        right = expected(f"{tag}.ctc_lengths_right").tolist()
        assert encoded.is_real.sum(1).tolist() == right
        prefix, target = (torch.from_numpy(expected(f"{tag}.{name}")) for name in ("prefix", "target"))
        losses = joint_loss(using.logits(encoded, prefix), target, using.ctc_log_probs(encoded.features), torch.tensor(right))
        wanted = float(expected(f"{tag}.loss_ctc_weighted_right"))
        assert abs(0.1 * float(losses.ctc) - wanted) <= score_tolerance(wanted)

    def check(self, tag: str, using: UnitToTextNetwork, encoded: EncodedUnits) -> None:
        lengths = torch.from_numpy(expected(f"{tag}.ctc_lengths_reference"))
        prefix, target = (torch.from_numpy(expected(f"{tag}.{name}")) for name in ("prefix", "target"))
        losses = joint_loss(using.logits(encoded, prefix), target, using.ctc_log_probs(encoded.features), lengths)
        self.compare(losses, tag)
        if f"{tag}.n_correct" in EXPECTED:
            assert int(losses.right) == int(expected(f"{tag}.n_correct"))
            assert len(target) == int(expected(f"{tag}.sample_size"))

    @staticmethod
    def compare(losses: Losses, tag: str) -> None:
        sums = {"nll": losses.nll, "ctc_weighted": 0.1 * losses.ctc, "total": losses.total(0.1)}
        for name, found in sums.items():
            wanted = float(expected(f"{tag}.loss_{name}"))
            assert abs(float(found) - wanted) <= score_tolerance(wanted)

    def test_of_units(self) -> None:
        using, encoded = model("unit_pretrained"), encode_units([0, 3], True)
        prefix, target = (torch.from_numpy(expected(f"pt.units_pair.{name}")) for name in ("prefix", "target"))
        reference = torch.full((2,), len(encoded.features[0]))  # the first clip is the longest: its padding is none
        losses = joint_loss(using.logits(encoded, prefix), target, using.ctc_log_probs(encoded.features), reference)
        self.compare(losses, "pt.units_pair")

    @pytest.mark.parametrize(("update", "masked"), MANIFEST["curriculum"].items())
    def test_how_many_units_of_sound_are_hidden(self, update: str, masked: int) -> None:
        assert num_faded(int(update) / 60_000, 600) == masked


class TestText:
    @pytest.mark.parametrize("number", range(len(MANIFEST["text"])))
    def test_pieces_and_rows(self, number: int) -> None:
        case, text = MANIFEST["text"][number], reader("finetuned").text
        rows = text.encode(case["text"])
        assert [*rows.tolist(), 2] == expected(f"text.{number}.ids").tolist()
        assert text.decode(rows.tolist()) == case["decoded"]
        known = [(text.symbols[row], piece) for row, piece in zip(rows.tolist(), case["pieces"], strict=True) if row != 3]
        assert all(symbol == piece for symbol, piece in known)

    def test_symbols_come_from_the_checkpoint(self) -> None:
        lines = (PARITY / "dict.wrd.txt").read_text(encoding="utf-8").splitlines()
        assert list(reader("finetuned").text.symbols[4:]) == [line.rsplit(" ", 1)[0] for line in lines]

    def test_both_forms_of_the_stored_tokenizer_are_the_file(self) -> None:
        stored = TextVocabulary.from_checkpoint(read_checkpoint(PARITY / "unit_pretrained.pt", UNIT2TEXT)).tokenizer
        assert stored == (PARITY / "spm.model").read_bytes()

    def test_reading_the_clips_and_the_error_rate_of_the_reference(self) -> None:
        run = MANIFEST["evaluation"]
        using = reader("finetuned")
        assert [len(using.model.config.languages), using.takes] == [5, "lips"]
        longest = max(INPUTS[f"{clip}.gray"]["shape"][0] for clip in run["clips"])
        errors = words = 0
        for number, clip in enumerate(run["clips"]):
            encoded = using.encode(arrays("inputs.npz")[f"{clip}.gray"], run["language"]).features
            start = using.config.start(run["language"])
            best = hypotheses(using.model, [encoded], [start], using.default_options, (), longest)[0][0]
            text = using.text.decode(best.tokens.tolist())
            assert text == run["result"]["hypo"][number]
            counted = word_errors(run["result"]["ref"][number], text)
            errors, words = errors + counted.errors, words + counted.length
        assert run["wer_file"][1] == f"err / num_ref_words = {errors} / {words}"

    @pytest.mark.parametrize("pair", MANIFEST["wer_pairs"])
    def test_word_errors(self, pair: dict[str, Any]) -> None:
        assert word_errors(pair["reference"], pair["hypothesis"]).errors == pair["errors"]


class TestTraps:
    """What loads without an error and is wrong."""

    @staticmethod
    def other(name: str, **changed: Any) -> UnitToTextNetwork:
        checkpoint = read_checkpoint(PARITY / f"{name}.pt", UNIT2TEXT)
        return load_unit_to_text_network(
            checkpoint, replace(UnitToTextConfig.from_checkpoint(checkpoint), **changed)
        ).requires_grad_(False)

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
        checkpoint = read_checkpoint(PARITY / "finetuned.pt", UNIT2TEXT)
        unused = set(MANIFEST["finetuned_keys_without_use"])
        assert unused < checkpoint.tensors.keys()
        bare = replace(checkpoint, tensors={name: one for name, one in checkpoint.tensors.items() if name not in unused})
        load_unit_to_text_network(bare, UnitToTextConfig.from_checkpoint(bare))
        torn = replace(bare, tensors={name: one for name, one in bare.tensors.items() if name != "decoder.layer_norm.bias"})
        with pytest.raises(CheckpointError, match=r"1 missing: decoder\.layer_norm\.bias"):
            load_unit_to_text_network(torn, UnitToTextConfig.from_checkpoint(torn))

    def test_heads_of_the_lip_encoder_are_never_guessed(self, tmp_path: Path) -> None:
        checkpoint = read_checkpoint(PARITY / "finetuned.pt", UNIT2TEXT)
        heads = read_av_hubert(PARITY / "mavhubert.pt").config["model"]["encoder_attention_heads"]
        assert UnitToTextConfig.from_checkpoint(checkpoint).lips.encoder.encoder_attention_heads == heads  # type: ignore[union-attr]
        settings = {**checkpoint.config["model"], "w2v_args": None}
        alone = replace(checkpoint, path=tmp_path / "finetuned.pt", config={**checkpoint.config, "model": settings})
        with pytest.raises(CheckpointError, match="does not say how many heads"):
            UnitToTextConfig.from_checkpoint(alone)
        given = UnitToTextConfig.from_checkpoint(alone, PARITY / "mavhubert.pt")
        assert given.lips.encoder.encoder_attention_heads == heads

    def test_our_own_form_reads_the_same(self, tmp_path: Path) -> None:
        source = read_checkpoint(PARITY / "finetuned.pt", UNIT2TEXT)
        path = write_checkpoint(tmp_path / "reader", UNIT2TEXT, source.config, source.tensors)
        gray = arrays("inputs.npz")["clip2.gray"]
        own = UnitReader.from_checkpoint(path, av_hubert=PARITY / "mavhubert.pt")
        assert own.read(gray, "en") == reader("finetuned").read(gray, "en")


def test_conversion_of_the_two_files_of_pre_training() -> None:
    units = read_checkpoint(PARITY / "unit_pretrained.pt", UNIT2TEXT)
    lips = read_av_hubert(PARITY / "mavhubert.pt")
    config, tensors = join_pretrained(units, lips)
    published = read_checkpoint(PARITY / "finetuned.pt", UNIT2TEXT)
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
    load_unit_to_text_network(joined, UnitToTextConfig.from_checkpoint(joined))
