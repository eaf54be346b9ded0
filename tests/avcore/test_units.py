"""Unit sequences: runs, merging, ranges and the published habits."""

import numpy as np
import pytest
import torch

from avcore.errors import UnitError, UnitRangeError
from avcore.units import Units, format_units, from_reference_codes, parse_units


def test_from_frames_counts_runs_and_frames_give_them_back() -> None:
    frames = np.array([5, 5, 5, 9, 5, 5, 0])
    units = Units.from_frames(frames, "en", "sha256:1")
    assert units.ids.tolist() == [5, 9, 5, 0]
    assert units.durations is not None
    assert units.durations.tolist() == [3, 1, 2, 1]
    assert units.num_steps == 7
    assert units.frames().tolist() == frames.tolist()
    assert (units.language, units.vocabulary) == ("en", "sha256:1")


@pytest.mark.parametrize("empty", [[], np.zeros(0, dtype=np.int64), torch.zeros(0, dtype=torch.int64)])
def test_an_empty_sequence_is_allowed(empty: object) -> None:
    units = Units.from_frames(empty)  # type: ignore[arg-type]
    assert len(units) == 0
    assert units.num_steps == 0
    assert len(units.merged()) == 0
    assert len(Units(empty).merged()) == 0  # type: ignore[arg-type]


def test_merging_adds_durations_up() -> None:
    units = Units(np.array([7, 7, 3, 7]), np.array([2, 3, 1, 4])).merged()
    assert units.ids.tolist() == [7, 3, 7]
    assert units.durations is not None
    assert units.durations.tolist() == [5, 1, 4]


def test_merging_without_durations_leaves_them_unknown() -> None:
    units = Units(np.array([7, 7, 3])).merged()
    assert units.ids.tolist() == [7, 3]
    assert units.durations is None
    with pytest.raises(UnitError, match="durations"):
        units.frames()


def test_reference_codes_merge_before_negatives_go_and_stay_apart() -> None:
    units = from_reference_codes([7, 7, -1, 7, -2, -2, 4])
    assert units.ids.tolist() == [7, 7, 4]
    assert units.merged().ids.tolist() == [7, 7, 4]


def test_a_negative_unit_names_its_position() -> None:
    with pytest.raises(UnitRangeError, match="position 2") as caught:
        Units(np.array([1, 2, -3]))
    assert (caught.value.unit, caught.value.position) == (-3, 2)


def test_a_unit_beyond_the_vocabulary_names_position_and_bounds() -> None:
    units = Units(np.array([999, 1000]))
    assert units.check_range(1001) is units
    with pytest.raises(UnitRangeError, match=r"position 1 .*0\.\.999.*1000"):
        units.check_range(1000)


@pytest.mark.parametrize(
    ("ids", "durations"), [([1, 2], [1]), ([1, 2], [1, 0]), ([[1, 2]], None), ([1.5], None), ([1], [1.5]), (["a"], None)]
)
def test_what_is_no_unit_sequence_is_refused(ids: list, durations: list | None) -> None:
    with pytest.raises(UnitError):
        Units(np.array(ids), None if durations is None else np.array(durations))


def test_units_can_come_from_a_tensor_or_a_list() -> None:
    assert Units(torch.tensor([3, 4])) == Units([3, 4]) == Units(np.array([3, 4], dtype=np.int32))  # type: ignore[arg-type]


def test_equality_looks_at_everything() -> None:
    units = Units([1, 2], [1, 1], "ko", "v")  # type: ignore[arg-type]
    assert units == Units([1, 2], [1, 1], "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], [1, 2], "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], None, "ko", "v")  # type: ignore[arg-type]
    assert units != Units([1, 2], [1, 1], "en", "v")  # type: ignore[arg-type]
    assert units != "1 2"


def test_text_form_goes_there_and_back() -> None:
    assert format_units(np.array([12, 0, 999])) == "12 0 999"
    assert parse_units("  12 0\t999 \n").tolist() == [12, 0, 999]
    assert parse_units("7 -1 7").tolist() == [7, -1, 7]
    assert parse_units("").tolist() == []


@pytest.mark.parametrize("token", ["<unk>", "[en]", "1.5", "--1", "1-2", "٣", "-"])
def test_a_token_that_is_no_number_is_named(token: str) -> None:
    with pytest.raises(UnitError, match="token 1") as caught:
        parse_units(f"4 {token} 5", path="x.unit")
    assert "x.unit" in str(caught.value)
