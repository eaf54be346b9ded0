"""What is planted in dubs that check themselves is what its name says."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from avcore.contracts import SpeakerVoice
from avcore.units import Units
from recipes.demo.evaluate.planted import PLANTED, OtherVoices, planted_text, planted_words


def test_the_longest_word_is_left_out_or_said_again() -> None:
    assert planted_text("저는 도서관에 가요", "missing word") == "저는 가요"
    assert planted_text("저는 도서관에 가요", "loop") == "저는 도서관에 도서관에 도서관에 도서관에 도서관에 가요"


def test_every_second_text_is_said_otherwise_within_the_block() -> None:
    speller = SimpleNamespace(units_of=lambda text, language: text)
    models: Any = SimpleNamespace(other=lambda stage, language: speller)
    texts = ["가나다 하나", "라마바 둘", "사아자 셋"]
    with planted_words(models, "missing word"):
        assert [speller.units_of(text, "ko") for text in (*texts, texts[1])] == [texts[0], "둘", texts[2], "둘"]
    assert speller.units_of(texts[1], "ko") == texts[1]


def test_one_of_each_speaker_s_four_is_said_in_the_other_voice() -> None:
    said: list[float] = []
    vocoder = SimpleNamespace(iter_synthesize=lambda units, voice: said.append(float(voice.vector[0])) or iter(()), language="ko")
    planted = OtherVoices(vocoder)
    voices = [SpeakerVoice(np.array([number], np.float32)) for number in (0, 1)]
    for number in range(8):
        list(planted.iter_synthesize(Units(np.array([number]), np.array([5]), "ko"), voices[number % 2]))
    assert said == [0, 1, 1, 1, 0, 0, 0, 1]
    assert planted.language == "ko"
    assert "voice" in PLANTED["wrong voice"].found_as
