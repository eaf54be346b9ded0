"""What is done to speech before a head says it."""

import numpy as np
import pytest

from avdata.prepare.espeak import TimedSpeech
from recipes.demo.heads.clip import between_pauses


def test_pauses_shift_the_phonemes_with_the_sound() -> None:
    speech = TimedSpeech(np.ones(800, np.float32), 8000, (("a", 0.0, 0.04), ("_:", 0.04, 0.1)))
    paused = between_pauses(speech, 0.05)
    assert len(paused.samples) == 400 + 800 + 400
    np.testing.assert_array_equal(np.flatnonzero(paused.samples), np.arange(400, 1200))
    assert [name for name, _, _ in paused.phonemes] == ["a", "_:"]
    assert np.ravel([times for _, *times in paused.phonemes]) == pytest.approx([0.05, 0.09, 0.09, 0.15])
