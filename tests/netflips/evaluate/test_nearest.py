"""The nearest of all sentences that a bundle knows, by units and by text."""

import numpy as np

from avcore.units import Units
from netflips.bundles.references import Reference
from netflips.evaluate.judges import KnownSentences


def reference(text: str, ids: list[int]) -> Reference:
    return Reference(text, Units(np.array(ids), np.full(len(ids), 3), "ko").merged(), text, "")


def test_the_nearest_units_are_found_and_repeats_do_not_matter() -> None:
    known = KnownSentences([reference("a", [1, 2, 3, 4]), reference("b", [1, 2, 9, 4]), reference("c", [7, 7, 8])])
    assert known.of_units(Units(np.array([1, 1, 2, 9, 9, 5]))) == "b"
    assert known.of_units(Units(np.array([7, 8]))) == "c"


def test_silence_at_the_ends_and_marks_count_for_nothing() -> None:
    known = KnownSentences([reference("물 주세요.", [0, 1, 2, 0, 3]), reference("불 꺼요.", [1, 2, 3, 0])], silences={0})
    assert known.of_units(Units(np.array([0, 1, 2, 3, 0]))) == "불 꺼요."
    assert known.of_units(Units(np.array([1, 2, 0, 3]))) == "물 주세요."
