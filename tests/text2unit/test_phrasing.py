"""Where a Korean sentence is breathed."""

from pathlib import Path

import pytest

from recipes.demo.voices import phrasebook
from text2unit.korean.phrasing import MOST, phrased, rested
from text2unit.normalise import PAUSE, normalise


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("기차역이 어디에 있어요?", "기차역이 어디에 있어요?"),
        ("농민들은 가뭄 때문에 수확이 크게 줄었다고 걱정합니다.", "농민들은 가뭄 때문에, 수확이 크게 줄었다고 걱정합니다."),
        ("처음에는 모두가 불가능하다고 했지만, 성공했어요.", "처음에는 모두가 불가능하다고 했지만, 성공했어요."),
        ("나무를 심는 일은 우리 모두의 미래를 심는 일입니다.", "나무를 심는 일은 우리 모두의 미래를 심는 일입니다."),
        ("", ""),
    ],
)
def test_long_clauses_are_parted_behind_particles_and_endings(written: str, said: str) -> None:
    assert phrased(written) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "오늘 모인 모든 분들은 우리나라와 세계의 더 나은 미래를 위해 애쓰고 있습니다."),
        (1, "오늘 모인 모든 분들은 우리나라와 세계의 더 나은 미래를 위해, 애쓰고 있습니다."),
        (2, "오늘 모인 모든 분들은, 우리나라와 세계의 더 나은 미래를 위해, 애쓰고 있습니다."),
        (5, "오늘 모인 모든 분들은, 우리나라와 세계의 더 나은 미래를 위해, 애쓰고 있습니다."),
    ],
)
def test_speech_with_time_to_spare_rests_at_its_phrases(count: int, said: str) -> None:
    assert rested("오늘 모인 모든 분들은 우리나라와 세계의 더 나은 미래를 위해 애쓰고 있습니다.", count) == said
    assert rested("기차역이 어디에 있어요?", count) == "기차역이 어디에 있어요?"


def test_no_word_is_changed_and_what_is_parted_stays_so() -> None:
    texts = Path(phrasebook.__file__).with_name("unseen_korean.txt").read_text(encoding="utf-8").splitlines()
    parted = 0
    for text in map(normalise, texts):
        said = phrased(text)
        assert said.replace(PAUSE, "") == text.replace(PAUSE, "")
        assert len(said) < 2 * len(text)
        parted += said != text
        if len(text) <= MOST:
            assert said == text
    assert parted > len(texts) // 4
