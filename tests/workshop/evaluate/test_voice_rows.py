"""The rows of the table that say how a voice sounds: good voices reach their goals, croaks do not."""

import pytest

from avcore.errors import InputError
from workshop.evaluate.clipless import known_phones
from workshop.evaluate.jobs import COPIED, RECORDED, Record
from workshop.evaluate.modalities import BOTH
from workshop.evaluate.row import ExamRow
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.voice_rows import VOICE_ROWS


def test_phones_of_another_version_of_the_synthesiser_are_known_by_their_sound() -> None:
    names = ["", "'a", "s", "e", ",e", "_:"]
    found = known_phones({"'a", "a", "'e", "_"}, names, {"_": "_:"})
    assert [found.get(one, one) for one in ("'a", "a", "'e", "_")] == ["'a", "'a", "e", "_:"]
    with pytest.raises(InputError, match="stands for a phone; found o"):
        known_phones({"o"}, names, {})


def records(is_good: bool) -> dict[tuple[str, str], list[Record]]:
    dub = {"harmonicity_db": 12.0, "periodic": 0.95, "f0_off": 0.2, "clicks": 1, "clipped": False, "begins": 0.0, "ends": 0.01}
    bad = {"harmonicity_db": -4.0, "periodic": 0.2, "f0_off": 4.0, "clicks": 11, "clipped": True, "begins": 0.3, "ends": 0.0}
    copy = {"voicing": 0.08, "f0_error": 0.3, "hiss_off": 1.5, "floor": -80.0, "recorded_floor": -90.0}
    worse = {"voicing": 0.6, "f0_error": 5.0, "hiss_off": 7.0, "floor": -40.0, "recorded_floor": -90.0}
    source = {"source_begins": 0.0, "source_ends": 0.0}
    recorded = {"harmonicity_db": 11.0, "periodic": 0.92, "clicks": 1}
    found = {
        ("held_out", BOTH): [(dub if is_good else bad) | source] * 5 + [{"right": False, "failed": "no face"}],
        (RECORDED, RECORDED): [recorded] * 5,
        (COPIED, COPIED): [copy if is_good else worse] * 5,
    }
    return {place: [{"index": index, **one} for index, one in enumerate(items)] for place, items in found.items()}


@pytest.mark.parametrize("row", [row for row in VOICE_ROWS if row.goal is not None], ids=lambda row: row.name)
def test_a_row_tells_a_voice_from_a_croak(row: ExamRow) -> None:
    settings = EvaluationSettings()
    good, bad = (row.figure(records(is_good), settings) for is_good in (True, False))
    assert good is not None
    assert bad is not None
    assert row.meets_goal(good)
    assert not row.meets_goal(bad)
    assert row.figure({}, settings) is None
    assert row.needs(settings)
