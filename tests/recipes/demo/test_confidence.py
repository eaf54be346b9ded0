"""How likely words are right, fitted on rows of recordings."""

import numpy as np
import pytest

from netflips.bundles.confidence import translation_readings
from recipes.demo.recipe.confidence import KINDS, PLACES, fitted, is_heard, recorded, reliability, reliability_lines, section

pytest.importorskip("whisper_normalizer", reason="needs the extra judges")


def test_what_is_fitted_never_falls_and_is_never_all_or_nothing() -> None:
    rng = np.random.default_rng(3)
    scores = -np.exp(rng.uniform(np.log(0.03), np.log(0.4), 300))
    rows = [
        (translation_readings(score, -1.0, []), bool(rng.random() < np.interp(score, (-0.2, -0.04), (0.0, 1.0))))
        for score in scores
    ]
    table = fitted([{"translation": row} for row in rows], "translation")
    assert table.recordings == 300
    shares = [table.share(translation_readings(score, -1.0, [])) for score in (-0.4, -0.2, -0.1, -0.06, -0.03)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.02, 0.98)
    told = reliability(np.array([table.share(readings) for readings, _ in rows]), np.array([right for _, right in rows]))
    assert told.startswith("300 recordings, by thirds told 0.")


def rows() -> list[dict[str, object]]:
    """Rows in which a model that is sure is right."""
    found: list[dict[str, object]] = []
    for number in range(160):
        is_right = number % 3 > 0
        readings = [translation_readings(-0.03 if is_right else -0.25, -1.0, []), is_right]
        sure = [{"confidence": 0.9 if is_right else 0.4}, is_right]
        found.append({"kind": KINDS[number % len(KINDS)], "translation": readings, "reading": sure, "recognition": sure})
    return found


def test_a_kind_of_voice_is_judged_by_the_others() -> None:
    lines = list(reliability_lines(rows()))  # type: ignore[arg-type]
    assert [line.split(":")[0] for line in lines] == ["translation", "reading", "recognition"]
    assert all("106 sure, 106 right, 54 not understood, 0 right" in line for line in lines)
    found = section(rows())  # type: ignore[arg-type]
    assert ["coffee", "커피"] in found["words"]["drink"]
    assert [one["weights"].keys() for one in found["reading"]["tables"]] == [{"confidence"}]
    assert found["translation"]["recordings"] == 160


@pytest.mark.parametrize(("is_right", "share"), [(False, 0.02), (True, 0.98)])
def test_models_that_are_never_or_always_right_have_one_share_for_all(is_right: bool, share: float) -> None:
    same = [
        {**row, **{name: [row[name][0], is_right] for name in ("translation", "reading", "recognition")}}  # type: ignore[index]
        for row in rows()
    ]
    table = fitted(same, "translation")
    assert {table.share(translation_readings(score, -1.0, [])) for score in (-0.4, -0.03)} == {share}
    assert len(list(reliability_lines(same))) == 3


@pytest.mark.parametrize("place", sorted(set(PLACES)))
def test_a_recording_of_each_place_is_whole(place: str) -> None:
    found = recorded(np.sin(np.arange(16000) / 9).astype(np.float32), place, np.random.default_rng(1))
    assert found.dtype == np.float32
    assert len(found) > 16000 if place in ("silence", "hiss") else len(found) == 16000
    assert 0.1 < np.abs(found).max() <= 1
    assert (np.abs(found[:1000]).max() == 0) == (place == "silence")


def test_numbers_are_heard_however_they_are_written() -> None:
    assert is_heard("This hat costs 15,000 won.", "This hat costs fifteen thousand won.")
    assert not is_heard("This hat costs 50,000 won.", "This cat costs fifteen thousand won.")
