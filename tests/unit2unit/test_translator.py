"""The translator as other rooms use it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unit2unit.translator
from avcore.checkpoints.checkpoint import write_checkpoint
from avcore.contracts import Hypothesis
from avcore.errors import CheckpointError, LanguageError, UnitRangeError, UsageError, VocabularyError
from avcore.units import Ids, Units
from tests.refusal import refused
from tests.unit2unit.tiny import checkpoint_content, tiny_model, write_tiny
from unit2unit.inference import SearchConfig, UnitTranslator
from unit2unit.model import UnitTransformer
from unit2unit.stage import TRANSLATOR
from unit2unit.translator import _BatchLimits, _group

UNITS = Units(np.array([3, 3, 3, 17, 29, 29, 4, 0]), language="en")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.safetensors", seed=5)


@pytest.fixture(scope="module")
def translator(path: Path) -> UnitTranslator:
    return UnitTranslator.from_checkpoint(path)


def test_languages_and_settings_come_from_file_and_search(translator: UnitTranslator) -> None:
    assert translator.languages == ("en", "fr", "ko")
    assert translator.default_search == SearchConfig(beam=4, max_len_b=12)
    found = translator.translate(UNITS, "en", "kor")
    names = [token - 4 for token in found.tokens if 4 <= token < 34]
    assert found.units == Units(np.array(names), None, "ko")
    assert not found.units.is_merged
    assert len(found.hypotheses) == 4
    assert found.score == pytest.approx(float(found.positional_scores.sum()) / len(found.tokens), abs=1e-5)


def test_units_are_merged_at_the_door(translator: UnitTranslator) -> None:
    merged, timed = UNITS.merged(), Units(np.array([3, 17, 29, 4, 0]), np.array([3, 1, 2, 1, 9]))
    wanted = translator.translate(UNITS)
    for units in (merged, timed):
        found = translator.translate(units)
        assert (found.tokens.tolist(), found.score) == (wanted.tokens.tolist(), wanted.score)


def test_a_batch_gives_what_single_runs_give(translator: UnitTranslator) -> None:
    generator = np.random.default_rng(3)
    sequences = [Units(generator.integers(0, 30, length)) for length in (12, 1, 0, 25, 7, 40, 3, 3, 9)]
    for units, found in zip(sequences, translator.translate_batch(sequences, "fr", "ko"), strict=True):
        alone = translator.translate(units, "fr", "ko")
        assert [one.tokens.tolist() for one in found.hypotheses] == [one.tokens.tolist() for one in alone.hypotheses]
        assert (found.score, found.truncated) == (pytest.approx(alone.score, abs=1e-5), alone.truncated)


def test_truncation_is_told(parity_dir: Path) -> None:
    published = UnitTranslator.from_checkpoint(parity_dir / "utut.pt")
    units = Units(np.load(parity_dir / "inputs.npz")["src_units1"])
    whole = published.translate(units, "fr", "es")
    assert len(whole.tokens) == 52
    assert not whole.truncated
    cut = published.translate(units, "fr", "es", replace(published.default_search, max_target_units=20))
    assert len(cut.tokens) == 21
    assert cut.truncated
    ends_there = published.translate(units, "fr", "pt", SearchConfig(beam=1, max_target_units=1))
    assert len(ends_there.tokens) == 2
    assert not ends_there.truncated


def test_no_units_are_a_defined_input_and_output(translator: UnitTranslator, tmp_path: Path) -> None:
    assert translator.translate(Units(np.zeros(0, dtype=np.int64))).tokens[-1] == 36
    model = tiny_model()
    with torch.no_grad():
        # The decoder's last norm gives the row of <s> whatever it is given, so that <s> is the best token at every step.
        model.decoder.layer_norm.weight.zero_()
        model.decoder.layer_norm.bias.copy_(model.encoder.embed_tokens.weight[0])
    path = write_checkpoint(tmp_path / "marks.safetensors", TRANSLATOR, *checkpoint_content(model))
    found = UnitTranslator.from_checkpoint(path).translate(UNITS, search=SearchConfig(beam=1, max_len_b=5))
    assert found.tokens.tolist() == [0, 0, 0, 0, 0, 36]
    assert found.units == Units(np.zeros(0, dtype=np.int64), None, "ko")


def test_korean_on_the_published_file_names_the_way_to_it(parity_dir: Path) -> None:
    published = UnitTranslator.from_checkpoint(parity_dir / "utut.pt")
    with pytest.raises(
        LanguageError, match=r"one of en, es, fr, it, pt, el, .*, sl;.*utut_finetune.add_language.*utut_finetune.finetune"
    ):
        published.translate(UNITS, "en", "ko")
    assert "add_language" not in refused(LanguageError, "", published.translate, UNITS, "en", "ja")


def test_unit_offset_is_added_and_taken_off_and_may_be_stored(path: Path, translator: UnitTranslator, tmp_path: Path) -> None:
    shifted = UnitTranslator.from_checkpoint(path, unit_offset=2)
    plain = translator.translate(Units(np.array([5, 9, 12])))
    moved = shifted.translate(Units(np.array([3, 7, 10])))
    assert moved.tokens.tolist() == plain.tokens.tolist()
    assert moved.units.ids.tolist() == [unit - 2 for unit in plain.units.ids if unit >= 2]
    refused(UnitRangeError, r"position 1 .*expected 0..27; found 28", shifted.translate, Units(np.array([0, 28])))
    stored = write_tiny(tmp_path / "shifted.safetensors", seed=5, unit_offset=2)
    refused(UnitRangeError, "", UnitTranslator.from_checkpoint(stored).translate, Units(np.array([28])))
    UnitTranslator.from_checkpoint(stored, unit_offset=0).translate(Units(np.array([28])))


def test_units_of_another_quantizer_are_refused(tmp_path: Path) -> None:
    translator = UnitTranslator.from_checkpoint(write_tiny(tmp_path / "known.safetensors", vocabulary="sha256:0a"))
    assert translator.translate(UNITS).units.vocabulary == "sha256:0a"
    assert translator.translate(replace(UNITS, vocabulary="sha256:0a")).units.vocabulary == "sha256:0a"
    refused(VocabularyError, "sha256:0b", translator.translate, replace(UNITS, vocabulary="sha256:0b"))


@torch.inference_mode()
def test_limits_of_a_search(translator: UnitTranslator) -> None:
    widest = SearchConfig(beam=36, min_len=0, max_len_b=2)
    for found in translator.translate_batch([UNITS, Units(np.array([8]))], search=widest):
        assert len(found.hypotheses) == len({tuple(one.tokens) for one in found.hypotheses})
    refused(UsageError, "36 at most; found 37", translator.translate, UNITS, search=replace(widest, beam=37))
    refused(UsageError, "below its least length", translator.translate, UNITS, search=SearchConfig(min_len=9, max_len_b=3))


def test_weights_without_numbers_are_reported(tmp_path: Path) -> None:
    for value, told in ((torch.nan, "weights are damaged"), (3e38, "no finite scores")):
        model = tiny_model()
        with torch.no_grad():
            model.decoder.layer_norm.bias.fill_(value)
        path = write_checkpoint(tmp_path / "nan.safetensors", TRANSLATOR, *checkpoint_content(model))
        with pytest.raises(CheckpointError, match=rf"nan\.safetensors: .*{told}"):
            UnitTranslator.from_checkpoint(path).translate(UNITS)


def test_bfloat16_stays_close_and_float16_on_a_cpu_is_refused(path: Path, translator: UnitTranslator) -> None:
    rough = UnitTranslator.from_checkpoint(path, precision="bfloat16").translate(UNITS)
    assert rough.score == pytest.approx(translator.translate(UNITS).score, rel=0.1)
    refused(UsageError, "float16", UnitTranslator.from_checkpoint, path, precision="float16")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_cuda_agrees_with_the_cpu(path: Path, translator: UnitTranslator, precision: str) -> None:
    found = UnitTranslator.from_checkpoint(path, "cuda", precision).translate_batch([UNITS, UNITS])
    wanted = translator.translate(UNITS)
    for one in found:
        assert one.score == pytest.approx(wanted.score, abs=1e-3 if precision == "float32" else 0.1)


def test_progress_is_reported_to_its_end(translator: UnitTranslator) -> None:
    for count, total in ((1, 13), (9, 39)):
        seen: list[tuple[str, int, int | None]] = []
        translator.translate_batch([UNITS] * count, progress=lambda *report, seen=seen: seen.append(report))
        assert (seen[0], seen[-1]) == (("translate", 0, total), ("translate", total, total))
        assert seen == sorted(seen)


def test_long_searches_are_not_run_side_by_side() -> None:
    lengths = [9, 3, 5, 4, 8]
    assert _group(lengths, [400] * 5) == [[1], [3, 2, 4, 0]]
    assert _group(lengths, [800] * 5) == [[1], [3, 2], [4, 0]]
    assert _group(lengths, [1023] * 5) == [[1], [3], [2], [4], [0]]
    assert _group(lengths, [200, 200, 1800, 200, 200]) == [[1, 3], [2], [4, 0]]
    assert _group(lengths, [200] * 5, _BatchLimits(800, 800, None)) == [[1], [3, 2, 4, 0]]
    assert _group(lengths, [200] * 5, _BatchLimits(9000, 9000, None)) == [[1, 3, 2, 4, 0]]


def test_sentences_are_dealt_so_that_threads_end_together() -> None:
    by_length = list(range(10))
    assert _group(by_length, [200] * 10, num_workers=2) == [[0], [1], [3, 4, 7, 8], [2, 5, 6, 9]]
    assert _group(by_length[:8], [200] * 8, num_workers=2) == [[1, 2, 5, 6], [0, 3, 4, 7]]
    assert _group(by_length[:5], [700] * 5, num_workers=2) == [[0], [2, 3], [1, 4]]
    assert _group(by_length[:3], [2000] * 3, num_workers=2) == [[0], [1], [2]]


def test_sentences_are_grouped_by_the_time_they_take(translator: UnitTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of 235 units, Ko-X's median, are searched side by side without a limit of units, whose bound is 4 x 235 + 50 each."""
    sizes, search = list[int](), unit2unit.translator.search_beams
    monkeypatch.setattr(translator, "_config", replace(translator._config, max_target_positions=1024))

    def noted(model: UnitTransformer, tokens: list[Ids], *given: Any) -> list[list[Hypothesis]]:
        sizes.append(len(tokens))
        return search(model, [one[:4] for one in tokens], given[0], [replace(rule, limit=3) for rule in given[1]], *given[2:])

    monkeypatch.setattr("unit2unit.translator.search_beams", noted)
    sequences = [Units(np.arange(235) % 7) for _ in range(4)]
    translator.translate_batch(sequences, search=SearchConfig(beam=2, max_target_units=0))
    assert sizes == [4]


def test_each_length_has_a_beam_of_its_own(translator: UnitTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    beams, search = list[int](), unit2unit.translator.search_beams

    def noted(model: UnitTransformer, tokens: list[Ids], settings: SearchConfig, *given: Any) -> list[list[Hypothesis]]:
        beams.append(settings.beam)
        return search(model, tokens, settings, *given)

    monkeypatch.setattr("unit2unit.translator.search_beams", noted)
    monkeypatch.setattr(translator, "lengths", ("even", "even", "even"))
    translator.translate_batch([UNITS], search=replace(translator.default_search, beam=5))
    assert set(beams) == {5}


def test_searches_in_lanes_give_what_one_after_another_gives(translator: UnitTranslator) -> None:
    rng, before = np.random.default_rng(1), torch.get_num_threads()
    sequences = [Units(rng.integers(0, 30, length)) for length in (4, 9, 6, 12, 3, 7)]
    try:
        torch.set_num_threads(1)
        wanted = translator.translate_batch(sequences)
        torch.set_num_threads(3)
        found = translator.translate_batch(sequences)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, wanted, strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
        assert one.score == pytest.approx(other.score, abs=1e-5)
