"""Lips that belong to a sound, and lips that do not: which of the two an utterance's units are taken from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from av2unit.modality_selection import (
    AUDIO,
    BOTH,
    VIDEO,
    AgreementThreshold,
    agreement,
    find_threshold,
    is_noisy,
    reason_words,
    select_units,
)
from avcore.contracts import Extraction
from avcore.domain import Domain
from avcore.errors import CheckpointError, InputError
from avcore.units import Ids, Units

SILENCE = 7
BOUND = AgreementThreshold(least=0.4, own=0.85, foreign=0.05, silence=SILENCE, clips=80)
LIPS = np.zeros((1, 96, 96), np.uint8)
SOUND = np.repeat([0.5, 0.0, 0.5], 3200).astype(np.float32)
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 9600).astype(np.float32)


def said(*ids: int) -> Ids:
    """Units of 100 ms each, with silence around them."""
    return np.repeat([SILENCE, *ids, SILENCE], 5)


class Encoder:
    """What each input alone says, and how sure it is."""

    def __init__(self, heard: Ids, seen: Ids, heard_sure: float = -0.05, seen_sure: float = -0.05, least: float = -0.3) -> None:
        self.domain = Domain("speech", least, 0.01, 100)
        self._says = {AUDIO: (heard, heard_sure), VIDEO: (seen, seen_sure), BOTH: (heard, -0.01)}

    def look(self, lips: Any) -> Any:
        return lips

    def extract_scored(self, speech: Any, lips: Any, *_: Any) -> Extraction:
        frames, sure = self._says[VIDEO if speech is None else AUDIO if lips is None else BOTH]
        return Extraction(Units.from_frames(frames), sure)


def chosen(encoder: Encoder, speech: Any = NOISE) -> str:
    return select_units(encoder, speech, LIPS, BOUND).modalities  # type: ignore[arg-type]


def test_noise_is_what_leaves_nothing_quiet() -> None:
    assert not is_noisy(SOUND)
    assert is_noisy(NOISE)
    assert is_noisy(SOUND + 0.3 * NOISE)
    assert not is_noisy(SOUND + 0.01 * NOISE)
    assert not is_noisy(SOUND[:10])


def test_silence_is_no_agreement_and_lips_may_be_early_or_late() -> None:
    heard = said(1, 2, 3)
    assert agreement(heard, heard, SILENCE) == 1.0
    assert agreement(heard, np.full(len(heard), SILENCE), SILENCE) == 0.0
    assert agreement(np.full(9, SILENCE), np.full(9, SILENCE), SILENCE) == 1.0
    assert agreement(heard, said(1, 2, 4), SILENCE) == pytest.approx(10 / 15)
    heard = said(1, 2, 3, 4)
    for shift in (-2, -1, 1, 2):
        assert agreement(heard, np.roll(heard, shift), SILENCE) > 0.85
    assert agreement(heard, np.roll(heard, 10), SILENCE) < 0.2
    assert agreement(heard, heard[:20], SILENCE) == 1.0


def test_lips_that_belong_are_taken_with_the_sound() -> None:
    heard = select_units(Encoder(said(1, 2, 3, 4), said(1, 2, 3, 9)), SOUND, LIPS, BOUND)  # type: ignore[arg-type]
    assert (heard.modalities, heard.words) == (BOTH, "sound and lips")
    assert reason_words(heard.values) == "lips and sound belong together (75% of their steps agree, 85% is usual)"
    assert not heard.is_video_left_out


@pytest.mark.parametrize("seen", [said(5, 6, 8, 9), np.full(30, SILENCE), said(2, 3, 4, 1)])
def test_of_lips_that_do_not_belong_a_sure_sound_is_taken(seen: Ids) -> None:
    encoder = Encoder(said(1, 2, 3, 4), seen, heard_sure=-0.2, seen_sure=-0.01)
    heard = select_units(encoder, SOUND, LIPS, BOUND)  # type: ignore[arg-type]
    assert heard.modalities == AUDIO
    assert heard.is_video_left_out
    assert "lips in the frame do not" in reason_words(heard.values)


def test_lips_of_a_face_that_the_encoder_does_not_know_are_not_blamed() -> None:
    moving = np.stack([np.zeros((96, 96), np.uint8), np.full((96, 96), 40, np.uint8)])
    strange = Encoder(said(1, 2, 3, 4), said(5, 6, 8, 9), seen_sure=-1.3)
    heard = select_units(strange, SOUND, moving, BOUND)  # type: ignore[arg-type]
    assert (heard.modalities, heard.is_video_left_out) == (AUDIO, True)
    reason = "the lips in the frame could not be judged: the encoder does not know such faces"
    assert reason_words(heard.values) == f"{reason} (it is sure of them to 27%, of lips that it knows to 55% or more)"
    assert select_units(strange, SOUND, LIPS, BOUND).reason == "other_lips"  # type: ignore[arg-type]  # a frame that is held
    known = Encoder(said(1, 2, 3, 4), said(5, 6, 8, 9), seen_sure=-0.57)
    assert select_units(known, SOUND, moving, BOUND).reason == "other_lips"  # type: ignore[arg-type]
    belonging = Encoder(said(1, 2, 3, 4), said(1, 2, 3, 4), seen_sure=-1.3)
    assert select_units(belonging, SOUND, moving, BOUND).modalities == BOTH  # type: ignore[arg-type]
    mumbled = Encoder(np.full(30, SILENCE), said(5, 6, 8, 9), seen_sure=-1.3)
    assert select_units(mumbled, NOISE, moving, BOUND).modalities == VIDEO  # type: ignore[arg-type]


def test_of_lips_that_do_not_belong_an_unsure_sound_in_noise_is_left() -> None:
    assert chosen(Encoder(said(1, 2, 3, 4), said(5, 6, 8, 9), heard_sure=-0.9, seen_sure=-0.1), SOUND) == AUDIO
    assert chosen(Encoder(said(1, 2, 3, 4), said(5, 6, 8, 9), heard_sure=-0.9, seen_sure=-0.1)) == VIDEO
    assert chosen(Encoder(said(1, 2, 3, 4), said(5, 6, 8, 9), heard_sure=-0.9, seen_sure=-1.0)) == AUDIO
    assert chosen(Encoder(np.full(30, SILENCE), said(5, 6, 8, 9))) == VIDEO


def test_nothing_is_decided_without_a_bound_or_with_one_of_them() -> None:
    encoder = Encoder(said(1, 2), said(5, 6))
    assert select_units(encoder, SOUND, LIPS, None).modalities == BOTH  # type: ignore[arg-type]
    assert select_units(encoder, SOUND, None, BOUND).modalities == AUDIO  # type: ignore[arg-type]
    assert select_units(encoder, None, LIPS, BOUND).words == "lips"  # type: ignore[arg-type]


def test_a_bound_parts_own_lips_from_foreign_and_may_be_damaged() -> None:
    rng = np.random.default_rng(0)
    clips = [(heard, heard) for heard in (said(*rng.integers(8, 40, 12)) for _ in range(20))]
    bound = find_threshold(clips, SILENCE)
    assert bound.own == 1.0
    assert bound.foreign < 0.3 < bound.least < 1.0
    assert AgreementThreshold.from_config({"agreement": bound.to_config()}, Path("x")) == bound
    with pytest.raises(InputError, match="foreign lips agree"):
        find_threshold([(clips[place][0], clips[place - 1][1]) for place in range(20)], SILENCE)
    with pytest.raises(InputError, match="too few clips"):
        find_threshold(clips[:3], SILENCE)
    with pytest.raises(CheckpointError, match="its agreement cannot be read"):
        AgreementThreshold.from_config({"agreement": {"least": "high"}}, Path("x"))
    assert AgreementThreshold.from_config({}, Path("x")) is None
