"""What holds for any units, times, texts, journals, splits and batches: round trips, cuts anywhere, partitions."""

import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avcore import journal, timeline
from avcore.data.splits import SplitPlan, divide_speakers
from avcore.errors import UnitError, UsageError
from avcore.texts import parse_json, parse_yaml
from avcore.train.config import BatchConfig
from avcore.train.data import LengthBatches
from avcore.units import (
    Units,
    edit_distance,
    edit_distances,
    error_rate,
    format_units,
    parse_units,
    read_unit_file,
    write_unit_file,
)

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
settings.load_profile("here")

UNITS = st.lists(st.integers(0, 4), max_size=30)
RATES = st.sampled_from([Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(12)])


@given(UNITS)
def test_units_are_their_frames_and_their_text(frames: list[int]) -> None:
    units = Units.from_frames(frames, "en", "sha256:1")
    assert (units.frames().tolist(), units.num_steps) == (frames, len(frames))
    assert all(one != other for one, other in pairwise(units.ids.tolist()))
    assert units.merged() == units
    assert parse_units(format_units(np.array(frames, dtype=np.int64))).tolist() == frames


@given(UNITS.filter(bool), st.data())
def test_merging_keeps_every_step(ids: list[int], data: st.DataObject) -> None:
    durations = data.draw(st.lists(st.integers(1, 5), min_size=len(ids), max_size=len(ids)))
    units = Units(np.array(ids), np.array(durations))
    merged = units.merged()
    assert merged.frames().tolist() == units.frames().tolist()
    assert merged == merged.merged() == Units.from_frames(units.frames())
    assert Units(np.array(ids)).merged().ids.tolist() == merged.ids.tolist()


@given(
    st.lists(st.integers(-2, 999), min_size=1, max_size=20),
    st.sampled_from(["", " \n\n", "\t"]),
    st.sampled_from(["", "\n", " ", "\ufeff"]),
)
def test_a_unit_file_is_read_as_it_was_written(tmp_path: Path, ids: list[int], after: str, before: str) -> None:
    path = tmp_path / "x.txt"
    write_unit_file(path, ids)
    path.write_text(before + path.read_text() + after)
    assert read_unit_file(path).tolist() == ids


@given(st.text(max_size=8).filter(lambda text: text.split() and not text.strip().lstrip("-").isdecimal()))
def test_what_is_no_number_is_no_unit(token: str) -> None:
    with pytest.raises(UnitError, match="token"):
        parse_units(f"4 {token} 5")


def _by_definition(left: list[int], right: list[int]) -> int:
    if not left or not right:
        return len(left) + len(right)
    change = _by_definition(left[:-1], right[:-1]) + (left[-1] != right[-1])
    return min(change, _by_definition(left[:-1], right) + 1, _by_definition(left, right[:-1]) + 1)


@given(st.lists(st.integers(0, 2), max_size=6), st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=4))
def test_distances_are_those_of_the_definition(found: list[int], references: list[list[int]]) -> None:
    one, others = np.array(found, dtype=np.int64), [np.array(reference, dtype=np.int64) for reference in references]
    expected = [_by_definition(found, reference) for reference in references]
    assert edit_distances(one, others).tolist() == expected == [edit_distance(one, other) for other in others]
    assert error_rate([]) == 0.0


@given(st.integers(0, 10**6), RATES, st.fractions(0, Fraction(999, 1000)))
def test_a_time_within_a_frame_belongs_to_it(index: int, rate: Fraction, inside: Fraction) -> None:
    at = timeline.frames_to_seconds(index, rate)
    assert timeline.frame_at(at, rate) == timeline.frame_at(at + inside / rate, rate) == index
    assert timeline.frame_at(index / 25) == index


@given(st.fractions(0, 3600), st.fractions(0, 3600))
def test_conversions_of_time_invert_and_never_fall(one: Fraction, other: Fraction) -> None:
    early, late = sorted((one, other))
    for convert in (timeline.seconds_to_samples, timeline.seconds_to_units, timeline.frame_at, timeline.frames_covering):
        assert convert(early) <= convert(late)
    assert abs(timeline.samples_to_seconds(timeline.seconds_to_samples(one)) - one) <= Fraction(1, 2 * timeline.SAMPLE_RATE)
    assert abs(timeline.units_to_seconds(timeline.seconds_to_units(one)) - one) <= Fraction(1, 2 * timeline.UNIT_RATE)
    count = timeline.frames_covering(one)
    assert timeline.frames_to_seconds(count - 1) < one <= timeline.frames_to_seconds(count) or one == count == 0


@given(st.integers(0, 10**7))
def test_whole_units_frames_and_samples_are_kept(count: int) -> None:
    assert timeline.samples_to_units(timeline.units_to_samples(count)) == count
    assert timeline.units_to_frames(timeline.frames_to_units(count)) == count
    assert timeline.seconds_to_units(timeline.units_to_seconds(count)) == count
    assert timeline.seconds_to_samples(timeline.samples_to_seconds(count)) == count


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(categories=["L", "N"])), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_what_json_is(value: Any) -> None:
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


def _message_of(parse: Callable[[str], Any], text: str) -> str | None:
    """What it says of a text that it does not take."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


@given(st.text('{}[]",:0123456789.eE+-\\truefalsn \n') | st.text())
def test_any_text_is_read_as_json_reads_it_or_is_one_line_of_error(text: str) -> None:
    told = _message_of(parse_json, text)
    assert told is None or ("\n" not in told and len(told) < 200)
    if told is None:
        assert parse_json(text) == json.loads(text)


@given(st.text("{}[]&*!|>-:#'\"ab10 \n", max_size=60))
def test_any_yaml_is_plain_values_or_one_line_of_error(text: str) -> None:
    told = _message_of(parse_yaml, text)
    assert told is None or "\n" not in told


ROWS = [{"a": number, "text": f"words {number}"} for number in range(12)]


@given(st.integers(0, 400))
def test_a_journal_cut_anywhere_loses_one_row_at_most(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j.jsonl"
    path.unlink(missing_ok=True)
    journal.append(path, ROWS)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    whole = ROWS[: content.count(b"\n")]
    assert list(journal.read(path, "a")) == whole
    journal.repair(path, "a")
    assert path.read_bytes() == content[: content.rfind(b"\n") + 1]
    assert not journal.repair(path, "a")
    journal.append(path, [{"a": 100}])
    assert list(journal.read(path, "a")) == [*whole, {"a": 100}]


_DIGITS = st.lists(st.sampled_from([b"1", b"2", b"3", b"4", b"5"]), max_size=2)
CONTENTS = st.dictionaries(st.from_regex(r"\A[a-d]_[0-9]{1,3}\Z"), _DIGITS)


@given(CONTENTS, st.integers(0, 3), st.integers(0, 3), st.integers(0, 9), st.sampled_from(["", "^[a-d]"]))
def test_nothing_is_in_two_splits(contents: dict[str, list[bytes]], valid: int, test: int, seed: int, group: str) -> None:
    try:
        splits = divide_speakers(contents, SplitPlan(valid, test, seed, group))
    except UsageError:
        return  # a split that was asked for would be empty
    assert sorted(name for names in splits.values() for name in names) == sorted(contents)
    homes: dict[object, str] = {}
    for split, names in splits.items():
        for name in names:
            for key in (*contents[name], *([name[0]] if group else [])):
                assert homes.setdefault(key, split) == split
    assert len(splits["valid"]) <= valid
    assert len(splits["test"]) <= test


COUNTS = st.integers(1, 9), st.integers(1, 4), st.integers(0, 5), st.integers(1, 8)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), *COUNTS)
def test_batches_of_all_processes_are_a_partition(lengths: list[int], size: int, world: int, epoch: int, bucket: int) -> None:
    config = BatchConfig(batch_size=size, bucket=bucket)
    shares = [LengthBatches(lengths, config, 1, rank, world) for rank in range(world)]
    batches = [share.epoch_batches(epoch) for share in shares]
    assert len({len(share) for share in batches}) == 1
    taken = [index for share in batches for batch in share for index in batch]
    assert len(taken) == len(set(taken))
    assert set(taken) <= set(range(len(lengths)))
    if world == 1:
        assert sorted(taken) == list(range(len(lengths)))
    for share, own in zip(shares, batches, strict=True):
        for position in range(len(own) + 1):
            share.start(epoch, position)
            assert [[index for _, index in batch] for batch in share] == own[position:]
