import logging

import numpy as np
import pytest

from avcore.timeline import frame_at, frames_to_seconds
from avdata.prepare.espeak import Phoneme
from netflips.cascade.kokoro import PHONES
from recipes.demo.heads.motion import VISEMES, mouth_track, visemes_of

ENGLISH = (
    "0 3 3: ? @ @- @2 @5 @L A: A@ D E I I# I2 IR N O O2 O: O@ OI S T U U@ V VR Z _ _: a a# aI aI2 aI3 aI@ aU aa b d dZ "
    "e@ eI f g h i i: i@ i@3 j k l m n n- o@ oU p r r- s t t# t2 tS t[ u: v w w# x z"
)
KOREAN = "* @ E L N _ _: a b d d- dZ; e g h i j k k- kh m n o p p- ph q q- s s- t t- th tS tS; tS;- tSh u u- w"
"""What espeak-ng 1.51 reports for a few thousand words in English of six accents, and in Korean, without its marks."""


@pytest.mark.parametrize(("language", "names"), [("en", ENGLISH), ("ko", KOREAN), ("ko", " ".join(PHONES))])
def test_every_phoneme_has_a_mouth_shape(language: str, names: str, caplog: pytest.LogCaptureFixture) -> None:
    visemes_of.cache_clear()
    for name in names.split():
        for viseme in visemes_of(name, language):
            assert 0 <= viseme.opening <= 1
            assert -1 <= viseme.width <= 1
            assert viseme.strength > 0
    assert not caplog.records


def test_an_unknown_phoneme_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    visemes_of.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert len(visemes_of("Q!", "en")) == len(visemes_of("Q!", "en")) == 1
    assert len(caplog.records) == 1
    assert "Q!" in caplog.text


def speak(*names: str, each: float = 0.12, start: float = 0.2) -> list[Phoneme]:
    return [(name, start + number * each, start + (number + 1) * each) for number, name in enumerate(names)]


def at(values: np.ndarray, phonemes: list[Phoneme], number: int) -> float:
    return float(values[frame_at((phonemes[number][1] + phonemes[number][2]) / 2)])


def test_lips_close_for_lip_consonants_and_open_for_vowels() -> None:
    for language, names in (("en", ["m", "A:", "b", "A:", "p", "V", "m"]), ("ko", ["m", "a", "b", "a", "ph", "a", "p-"])):
        phonemes = speak(*names)
        opening, _ = mouth_track(phonemes, 40, language)

        assert all(at(opening, phonemes, number) < 0.06 for number in (0, 2, 4, 6))
        assert all(at(opening, phonemes, number) > 0.25 for number in (1, 3, 5))
        assert np.abs(np.diff(opening)).max() < 0.3  # lips take 100 ms from wide open to shut


def test_lips_are_round_for_u_and_spread_for_i_and_the_mouth_is_closed_in_silence() -> None:
    for language, names in (("en", ["u:", "t", "i:"]), ("ko", ["u", "t", "i"])):
        phonemes = speak(*names)
        _, width = mouth_track(phonemes, 30, language)

        assert at(width, phonemes, 0) < -0.7
        assert at(width, phonemes, 2) > 0.6
    opening, width = mouth_track([("A:", 1.0, 1.2)], 60, "en")

    assert opening.shape == width.shape == (60,)
    assert opening.dtype == width.dtype == np.float32
    assert np.abs(opening[:19]).max() < 0.02
    assert np.abs(opening[37:]).max() < 0.02
    assert opening[frame_at(1.1)] > 0.8
    assert not mouth_track([], 5, "ko")[0].any()
    assert len(mouth_track([("a", 0.0, 1.0)], 0, "ko")[0]) == 0


def test_movement_has_no_jumps() -> None:
    rng = np.random.default_rng(0)
    names = rng.choice([name for name in VISEMES["en"] if not name.startswith("_")], 60)
    phonemes = speak(*names, each=0.09)
    opening, width = mouth_track(phonemes, frame_at(phonemes[-1][2]), "en")

    assert float(frames_to_seconds(len(opening))) > 5
    assert np.abs(np.diff(opening)).max() < 0.75
    assert np.abs(np.diff(width)).max() < 1.2
    assert opening.max() > 0.7
