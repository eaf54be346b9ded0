"""Unit sequences: runs, merging, ranges; conversions of time are exact."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore import timeline
from avcore.errors import InputError, LanguageError, UnitError, UnitRangeError, VocabularyError
from avcore.timeline import pingpong
from avcore.units import (
    UTUT_LANGUAGES,
    Units,
    fingerprint,
    from_reference_codes,
    language_tag,
    meant_language,
    normalise_language,
    parse_units,
    read_unit_file,
    require_language,
    require_same_vocabulary,
)
from tests.refusal import refused


@pytest.mark.parametrize("empty", [[], np.zeros(0, dtype=np.int64), torch.zeros(0, dtype=torch.int64)])
def test_an_empty_sequence_is_allowed(empty: object) -> None:
    units = Units.from_frames(empty)  # type: ignore[arg-type]
    assert (len(units), units.num_steps, len(units.merged())) == (0, 0, 0)
    assert len(Units(empty).merged()) == 0  # type: ignore[arg-type]


def test_merging_keeps_unknown_durations_and_precedes_negatives() -> None:
    units = Units(np.array([7, 7, 3])).merged()
    assert units.ids.tolist() == [7, 3]
    assert units.durations is None
    refused(UnitError, "durations", units.frames)
    units = from_reference_codes([7, 7, -1, 7, -2, -2, 4])
    assert units.ids.tolist() == [7, 7, 4]
    assert units.merged().ids.tolist() == [7, 7, 4]


@pytest.mark.parametrize(
    ("ids", "durations", "merged", "summed"),
    [
        ([7, 7, 3], [2, 5, 1], [7, 3], [7, 1]),
        ([7, 3, 3, 3, 7], [1, 4, 2, 8, 16], [7, 3, 7], [1, 14, 16]),
        ([5], [9], [5], [9]),
        ([1, 2, 3], [3, 2, 1], [1, 2, 3], [3, 2, 1]),
        ([], [], [], []),
    ],
)
def test_merged_units_last_as_long_as_runs(ids: list[int], durations: list[int], merged: list[int], summed: list[int]) -> None:
    units = Units(np.array(ids, np.int64), np.array(durations, np.int64)).merged()
    assert (units.ids.tolist(), np.asarray(units.durations).tolist()) == (merged, summed)
    assert units.num_steps == sum(durations)
    assert units.merged() is units


def test_a_unit_out_of_range_is_named_with_its_position() -> None:
    with pytest.raises(UnitRangeError, match="position 2") as caught:
        Units(np.array([1, 2, -3]))
    assert (caught.value.unit, caught.value.position) == (-3, 2)
    units = Units(np.array([999, 1000]))
    assert units.check_range(1001) is units
    refused(UnitRangeError, r"position 1 .*0\.\.999.*1000", units.check_range, 1000)


@pytest.mark.parametrize(
    ("ids", "durations"), [([1, 2], [1]), ([1, 2], [1, 0]), ([[1, 2]], None), ([1.5], None), ([1], [1.5]), (["a"], None)]
)
def test_what_is_no_unit_sequence_is_refused(ids: list, durations: list | None) -> None:
    refused(UnitError, "", Units, np.array(ids), None if durations is None else np.array(durations))


def test_units_come_from_tensors_or_lists_and_are_compared_whole() -> None:
    assert Units(torch.tensor([3, 4])) == Units([3, 4]) == Units(np.array([3, 4], dtype=np.int32))  # type: ignore[arg-type]
    units = Units([1, 2], [1, 1], "ko", "v")  # type: ignore[arg-type]
    assert units == Units([1, 2], [1, 1], "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], [1, 2], "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], None, "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], [1, 1], "en", "v")  # type: ignore[arg-type]
    assert units != "1 2"


@pytest.mark.parametrize("token", ["<unk>", "[en]", "1.5", "--1", "1-2", "٣", "-"])
def test_a_token_that_is_no_number_is_named(token: str) -> None:
    assert "x.unit" in refused(UnitError, "token 1", parse_units, f"4 {token} 5", path="x.unit")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"7 <unk> 8", "token 1 is not a unit"),
        (b"7 8.5", "token 1 is not a unit"),
        (b"\xff\xfe\x00", "line 1 .* is no text; expected UTF-8; found UTF-16"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "x.txt").write_bytes(content)
    refused((UnitError, InputError), f"x.txt: .*{complaint}", read_unit_file, tmp_path / "x.txt")


def test_only_the_first_line_is_read_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.txt").write_text("7 8\n9\n")
    assert read_unit_file(tmp_path / "x.txt").tolist() == [7, 8]
    assert "first of 2 lines" in caplog.text


def test_language_names_mean_the_same_and_nineteen_are_published() -> None:
    for name in ("ko", "KO", "kor", " [ko] "):
        assert (normalise_language(name), language_tag(name)) == ("ko", "[ko]")
    assert (len(set(UTUT_LANGUAGES)), UTUT_LANGUAGES[:5]) == (19, ("en", "es", "fr", "it", "pt"))


def test_a_missing_language_lists_those_there_are() -> None:
    assert require_language("spa", ["en", "es"], "the translator") == "es"
    refused(LanguageError, r"en, es.*train it", require_language, "ko", ["en", "es"], "the translator", hint="train it")


def test_fingerprints_tell_contents_and_their_borders_apart() -> None:
    assert fingerprint(b"ab", b"c") == fingerprint(b"ab", b"c")
    assert fingerprint(b"ab", b"c") != fingerprint(b"a", b"bc")
    assert fingerprint(b"").startswith("sha256:")


def test_only_two_known_and_different_vocabularies_are_refused() -> None:
    require_same_vocabulary("", "b", "the model")
    require_same_vocabulary("a", "", "the model")
    require_same_vocabulary("a", "a", "the model")
    refused(VocabularyError, "expected b; found a", require_same_vocabulary, "a", "b", "the model")


def test_a_country_in_place_of_a_language_is_understood() -> None:
    for written, meant in (("kr", "ko"), ("Korean", "ko"), ("ko-KR", "ko"), ("en_US", "en")):
        refused(LanguageError, f"did you mean {meant}", require_language, written, ("en", "ko"), "the translator")
    refused(LanguageError, "found xx; add it", require_language, "xx", ("en", "ko"), "the translator", "add it")
    assert meant_language("kr", ("en", "fr")) is None


def test_units_samples_and_frames_by_constants_that_agree() -> None:
    assert timeline.SAMPLES_PER_UNIT * timeline.UNIT_RATE == timeline.SAMPLE_RATE
    assert timeline.SAMPLES_PER_FRAME == timeline.UNITS_PER_FRAME * timeline.SAMPLES_PER_UNIT
    assert (timeline.units_to_samples(45), timeline.samples_to_units(14719)) == (14400, 45)
    assert (timeline.units_to_frames(45), timeline.frames_to_units(22)) == (22, 44)
    assert timeline.units_to_seconds(45) == Fraction(9, 10)
    assert timeline.samples_to_seconds(4410, 44100) == Fraction(1, 10)
    assert timeline.seconds_to_samples(Fraction(1, 3)) == 5333
    assert (timeline.seconds_to_samples(0.5, 44100), timeline.seconds_to_units(0.03)) == (22050, 2)
    assert timeline.seconds_to_units(0.0299) == 1


def published(count: int, needed: int) -> list[int]:
    """The reference's way: the whole list, then there and back again until there are enough."""
    order = list(range(count))
    while len(order) < needed:
        order += [*range(count - 2, -1, -1), *range(1, count)]
    return order[:needed]


def test_the_order_is_the_published_one() -> None:
    for count in (2, 3, 5, 7):
        assert [pingpong(step, count) for step in range(50)] == published(count, 50)
    assert [pingpong(step, 1) for step in range(5)] == [0] * 5
    refused(ValueError, "no frames", pingpong, 0, 0)
