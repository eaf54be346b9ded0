"""Speech made faster keeps its pitch."""

import numpy as np
import pytest

from avcore.speech.audio import faster


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3, 2.5])
def test_a_tone_gets_shorter_and_keeps_its_pitch(factor: float) -> None:
    rate = 22_050
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * rate) / rate).astype(np.float32)
    found = faster(tone, rate, factor)
    assert len(found) / rate == pytest.approx(2 / factor, abs=0.06)
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert np.argmax(spectrum) * rate / len(found) == pytest.approx(220, abs=3)
