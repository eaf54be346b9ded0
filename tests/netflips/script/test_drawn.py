"""In how many frames the lips were drawn, and why not in the others."""

import pytest

from avcore.notes import sentence
from avcore.timeline import Interval
from netflips.script.drawn import lips_drawn
from netflips.script.types import Made, Script
from netflips.script.utterance import DrawnFrames, SeenFaces, TimeFit, Utterance


def _said(number: int, drawn: DrawnFrames, absent: str = "") -> Utterance:
    place = Interval(2.0 * number, 2.0 * number + 2)
    return Utterance(number, place, fit=TimeFit(place), drawn=drawn, seen=SeenFaces(absent=absent))  # type: ignore[arg-type]


_HERE = _said(1, DrawnFrames(50, 38, {"profile": 7, "hidden": 5}))
_ELSEWHERE = _said(2, DrawnFrames(50, 0, {"no_face": 50}), "out_of_sight")


@pytest.mark.parametrize(
    ("said", "english", "korean"),
    [
        ([_said(1, DrawnFrames(50, 50))], "50 of 50 frames", "50개 가운데 50개"),
        (
            [_HERE, _ELSEWHERE],
            "38 of 100 frames: nobody in sight seems to speak (50), the face is turned away (7), something is before the mouth (5)",
            "100개 가운데 38개: 말하는 사람이 화면에 보이지 않음 (50), 얼굴이 돌아감 (7), 입 앞에 무언가 있음 (5)",
        ),
        ([_said(1, DrawnFrames(), "no_face")], "0 of 50 frames: no face was found (50)", "50개 가운데 0개: 얼굴을 찾지 못함 (50)"),
    ],
)
def test_lips_are_counted_with_the_reason(said: list[Utterance], english: str, korean: str) -> None:
    script = Script("en", "ko", utterances=tuple(said), made=Made(frames=150, duration_s=6.0, lips="mesh"))
    note = lips_drawn(script)
    assert note is not None
    assert (sentence(note), sentence(note, "ko")) == (f"lips drawn in {english}", f"입 모양을 그린 화면: {korean}")


def test_a_dub_without_lips_counts_none() -> None:
    assert lips_drawn(Script("en", "ko", made=Made(frames=150, duration_s=6.0, lips="none"))) is None
    assert lips_drawn(Script("en", "ko")) is None
