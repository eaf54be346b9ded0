"""The nearest of all sentences of a bundle, by what a recogniser hears."""

from dataclasses import dataclass

import pytest

from netflips.evaluate.metrics.nearest import _by_text
from tests.netflips.evaluate.made import MadeCase, MadeClip


@dataclass(frozen=True, eq=False)
class WithSentences(MadeCase):
    known: tuple[str, ...] = ("불 한 잔 주세요", "물 두 잔 주세요")

    def model(self, need: str) -> tuple[str, ...]:  # type: ignore[override]
        return self.known


@pytest.mark.parametrize(
    ("heard", "is_right"),
    [
        ("물 한 잔 주세요", True),
        ("물한잔, 주새요.", True),  # blanks, marks and a letter
        ("불 한 잔 주세요", False),
        ("뿔 한 잔 주세요", False),  # as near to one as to the other
        ("", False),
    ],
)
def test_the_right_sentence_is_the_nearest_by_letters(heard: str, is_right: bool) -> None:
    assert _by_text.measure(WithSentences(), MadeClip(text=heard)) == {"right": float(is_right)}


def test_with_no_other_sentence_silence_is_wrong() -> None:
    case = WithSentences(known=("물 한 잔 주세요",))
    assert _by_text.measure(case, MadeClip(text="")) == {"right": 0.0}
    assert _by_text.measure(case, MadeClip(text="물 한 잔")) == {"right": 1.0}
