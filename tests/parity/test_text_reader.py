"""The text reader against the reference's numbers (small random checkpoints in the published layouts)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avcore.avhubert.pictures import lip_features
from avcore.checkpoints.av_hubert import read_av_hubert
from avcore.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from avcore.decoding.beam import Hypothesis
from avcore.decoding.marks import PAD
from avcore.errors import CheckpointError, LanguageError
from unit2text.config import ReaderConfig
from unit2text.conversion import join_pretrained
from unit2text.model import Encoded, LipText, TextReader, UnitText, load_reader
from unit2text.reader import LipUnits, UnitReader
from unit2text.scores import word_errors
from unit2text.search import PUBLISHED_SEARCH, ReadOptions, hypotheses
from unit2text.stage import TEXT_READER
from unit2text.training.losses import Losses, joint_loss, num_faded
from unit2text.vocabulary import TextVocabulary
from unit2text.windows import WindowSettings

PARITY = Path(__file__).parent / "unit2text"
MANIFEST: dict[str, Any] = json.loads((PARITY / "manifest.json").read_text(encoding="utf-8"))
EXPECTED, INPUTS = MANIFEST["arrays"]["expected.npz"], MANIFEST["arrays"]["inputs.npz"]
RUNS: dict[str, dict[str, Any]] = MANIFEST["runs"]
CLIPS = {clip["name"]: clip for clip in MANIFEST["clips"]}
PAIRS = {"ft.pair": ("clip0", "clip3"), "ft.pair_short_first": ("clip3", "clip0")}
BLOCKS = ["pos_conv", "after_first_norm"]
ACTIVATION = 1e-4


@cache
def arrays(name: str) -> Mapping[str, Any]:
    return np.load(PARITY / name)


def expected(name: str) -> Any:
    return arrays("expected.npz")[name]


@cache
def model(name: str) -> TextReader:
    checkpoint = read_checkpoint(PARITY / f"{name}.pt", TEXT_READER)
    return load_reader(checkpoint, ReaderConfig.from_checkpoint(checkpoint)).requires_grad_(False)


@cache
def reader(name: str) -> UnitReader:
    return UnitReader.from_checkpoint(PARITY / f"{name}.pt")


def number_of(using: TextReader, *clips: str) -> Tensor:
    return torch.tensor([using.config.languages.index(CLIPS[clip]["language"]) for clip in clips])


def pictures(clip: str) -> Tensor:
    lips = model("finetuned").config.lips
    assert lips is not None
    return torch.from_numpy(
        lip_features(arrays("inputs.npz")[f"{clip}.gray"], lips.image_crop_size, lips.image_mean, lips.image_std)
    )


def said_units(number: int, with_sound: bool) -> LipUnits:
    stored = arrays("inputs.npz")
    return LipUnits(stored[f"units{number}.lip"], stored[f"units{number}.speech"] if with_sound else None)


def encode_units(numbers: list[int], with_sound: bool) -> Encoded:
    using = model("unit_pretrained")
    assert isinstance(using, UnitText)
    said = [said_units(number, with_sound) for number in numbers]
    lips = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(one.lips) for one in said], batch_first=True)
    sound = None
    if with_sound:
        rows = [torch.from_numpy(one.sound + 4) for one in said if one.sound is not None]
        sound = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    clips = [f"clip{number}" for number in numbers]
    return using.encode(lips, sound, number_of(using, *clips), [len(one.lips) for one in said])


def encode_clips(*clips: str) -> Encoded:
    using = model("finetuned")
    assert isinstance(using, LipText)
    return using.encode([pictures(clip) for clip in clips], number_of(using, *clips))


def assert_near(found: Tensor, name: str, real: Tensor | None = None) -> None:
    wanted = torch.from_numpy(expected(name))
    assert found.shape == wanted.shape
    error = (found - wanted).abs()
    assert float((error if real is None else error[real]).max()) <= ACTIVATION


def score_tolerance(score: float) -> float:
    return 1e-4 + 1e-6 * abs(score)


def assert_same_hypotheses(found: list[Hypothesis], key: str) -> None:
    wanted_tokens, wanted_scores = expected(f"{key}.nbest_tokens"), expected(f"{key}.nbest_scores")
    by_score = RUNS[key.removesuffix(".0").removesuffix(".1")].get("smallest_gap", 1.0) < 1e-3
    tokens = [one.tokens.tolist() for one in found]
    wanted = [row[row >= 0].tolist() for row in wanted_tokens]
    assert (sorted(tokens) == sorted(wanted)) if by_score else (tokens == wanted)
    for one in found:
        rank = wanted.index(one.tokens.tolist())
        assert abs(one.score - float(wanted_scores[rank])) <= score_tolerance(float(wanted_scores[rank]))
        positional = expected(f"{key}.nbest_positional_scores")[rank][: len(one.tokens)]
        np.testing.assert_allclose(one.positional_scores, positional, atol=1e-4, rtol=1e-6)


def inner_blocks(using: TextReader, run: Any) -> tuple[Any, dict[str, Tensor]]:
    """What `run()` gives, and what came out of the blocks of the unit encoder meanwhile."""
    stack, seen = using.unit_encoder_module, dict[str, Tensor]()
    named = {"pos_conv": stack.pos_conv, "after_first_norm": stack.layer_norm}
    named |= {f"layer{number}_out": layer for number, layer in enumerate(stack.layers)}  # type: ignore[arg-type]
    hooks = [stack.register_forward_pre_hook(lambda _, given: seen.update({"unit_encoder_in": given[0]}))]

    def keep(name: str) -> Any:
        return lambda _, __, out: seen.update({name: out})

    hooks += [part.register_forward_hook(keep(name)) for name, part in named.items()]
    try:
        return run(), seen
    finally:
        for hook in hooks:
            hook.remove()


def cross_attention(using: TextReader, encoded: Encoded, prefix: Tensor) -> Tensor:
    """Weights of the last decoder layer on the source, mean over heads, float [batch, target, source]."""
    attention, seen = using.decoder.layers[-1].encoder_attn, list[Tensor]()
    hook = attention.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    using.logits(encoded, prefix)
    hook.remove()
    queries = attention._split(attention.q_proj(seen[0]))
    scores = queries @ attention.keys_values(encoded.features).keys.transpose(2, 3) * queries.shape[-1] ** -0.5
    if encoded.attended is not None:
        scores = scores.masked_fill(~encoded.attended, -torch.inf)
    return scores.softmax(-1).mean(1)


def check_heads(name: str, tag: str, encoded: Encoded) -> None:
    """Everything behind the unit encoder, of each array that there is."""
    using, real = model(name), encoded.is_real
    assert_near(encoded.features, f"{tag}.encoder_out", real)
    log_probs = using.ctc_log_probs(encoded.features)
    if f"{tag}.ctc_log_probs" in EXPECTED:
        assert_near(log_probs, f"{tag}.ctc_log_probs", real)
    path = torch.from_numpy(expected(f"{tag}.ctc_best_path"))
    assert torch.equal(log_probs.argmax(-1) if real is None else log_probs.argmax(-1)[real], path if real is None else path[real])
    prefix = torch.from_numpy(expected(f"{tag}.prefix"))
    is_token = torch.from_numpy(expected(f"{tag}.target")) != PAD
    if f"{tag}.decoder_logits" in EXPECTED:
        assert_near(using.logits(encoded, prefix), f"{tag}.decoder_logits", is_token)
    assert_near(cross_attention(using, encoded, prefix), f"{tag}.cross_attention_mean", is_token)


class TestLips:
    def test_pictures(self) -> None:
        assert_near(pictures("clip0")[:2], "ft.clip0.video_first_two")

    @pytest.mark.parametrize("clip", [name for name in CLIPS if f"ft.{name}.avhubert_out" in EXPECTED])
    def test_features_and_heads(self, clip: str) -> None:
        using = model("finetuned")
        assert isinstance(using, LipText)
        seen = list[Tensor]()
        resnet = using.encoder.w2v_model.feature_extractor_video.resnet  # type: ignore[union-attr]
        hook = resnet.register_forward_hook(lambda _, __, out: seen.append(out))  # type: ignore[union-attr, operator]
        features = using.features([pictures(clip)])
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
        assert isinstance(using, LipText)
        assert_near(using.features([pictures(clip) for clip in PAIRS[tag]]), f"{tag}.avhubert_out", encoded.is_real)
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

    def find(self, name: str, encoded: Encoded, clips: list[str], key: str, limit: int = 0) -> list[list[Hypothesis]]:
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

    def test_a_batch_of_the_reference_shares_the_limit_of_its_longest_clip(self) -> None:
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
        assert encoded.is_real is not None
        assert encoded.is_real.sum(1).tolist() == right
        prefix, target = (torch.from_numpy(expected(f"{tag}.{name}")) for name in ("prefix", "target"))
        losses = joint_loss(using.logits(encoded, prefix), target, using.ctc_log_probs(encoded.features), torch.tensor(right))
        wanted = float(expected(f"{tag}.loss_ctc_weighted_right"))
        assert abs(0.1 * float(losses.ctc) - wanted) <= score_tolerance(wanted)

    def check(self, tag: str, using: TextReader, encoded: Encoded) -> None:
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
        assert [text.symbols[row] for row, piece in zip(rows.tolist(), case["pieces"], strict=True) if row != 3] == [
            piece for row, piece in zip(rows.tolist(), case["pieces"], strict=True) if row != 3
        ]

    def test_symbols_come_from_the_checkpoint(self) -> None:
        lines = (PARITY / "dict.wrd.txt").read_text(encoding="utf-8").splitlines()
        assert list(reader("finetuned").text.symbols[4:]) == [line.rsplit(" ", 1)[0] for line in lines]

    def test_both_forms_of_the_stored_tokenizer_are_the_file(self) -> None:
        stored = TextVocabulary.from_checkpoint(read_checkpoint(PARITY / "unit_pretrained.pt", TEXT_READER)).tokenizer
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
    def other(name: str, **changed: Any) -> TextReader:
        checkpoint = read_checkpoint(PARITY / f"{name}.pt", TEXT_READER)
        return load_reader(checkpoint, replace(ReaderConfig.from_checkpoint(checkpoint), **changed)).requires_grad_(False)

    def test_the_unit_encoder_has_its_norms_behind_and_av_hubert_before(self) -> None:
        using = model("unit_pretrained")
        assert not using.config.encoder.norm_first
        swapped = self.other("unit_pretrained", encoder=replace(using.config.encoder, norm_first=True))
        units = torch.from_numpy(said_units(0, False).lips)[None]
        assert isinstance(swapped, UnitText)
        features = swapped.encode(units, None, number_of(using, "clip0"), [units.shape[1]]).features
        assert float((features - torch.from_numpy(expected("pt.units0_lip_only.encoder_out"))).abs().max()) > 0.01

    @pytest.mark.parametrize("changed", ["activation", "scale"])
    def test_the_decoder_has_relu_and_embeddings_that_are_not_scaled(self, changed: str) -> None:
        config = model("finetuned").config
        assert (config.decoder.activation, config.scale) == (torch.nn.ReLU, 1.0)
        wrong = {"activation": {"decoder": replace(config.decoder, activation=torch.nn.GELU)}, "scale": {"scale": config.dim**0.5}}
        logits = self.other("finetuned", **wrong[changed]).logits(
            encode_clips("clip0"), torch.from_numpy(expected("ft.clip0.prefix"))
        )
        assert float((logits - torch.from_numpy(expected("ft.clip0.decoder_logits"))).abs().max()) > 0.01

    def test_start_tokens_are_numbers_whatever_their_symbols_are_called(self) -> None:
        config = model("finetuned").config
        assert dict(zip(config.languages, config.starts, strict=True)) == {
            "en": 1000,
            "it": 1001,
            "fr": 1002,
            "es": 1003,
            "pt": 1004,
        }
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
        assert given.lips is not None
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
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in published.tensors.items()
    }
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
