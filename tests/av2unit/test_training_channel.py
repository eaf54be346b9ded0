"""Rooms, microphones and codecs, and lips that do not belong to the sound."""

from collections.abc import Sequence

import numpy as np
import pytest

from av2unit.training.augment import WrongLips
from av2unit.training.config import MicrophoneConfig, MismatchConfig
from av2unit.training.noise import BANDS, Degradation, check_microphone, draw_channel, pass_through
from avcore.arrays import Doubles, Pictures
from avcore.errors import UsageError
from avcore.media.recode import CODECS, recoded

RATE = 16_000


def _words(seconds: float = 1.0) -> Doubles:
    """Two tones with a pause between, int16 scale."""
    times = np.arange(int(seconds * RATE)) / RATE
    loud = (times % 0.5 < 0.3) * np.sin(2 * np.pi * (300 + 600 * times) * times)
    return np.round(8000 * loud)


def _power(samples: Doubles, low: float, high: float) -> float:
    spectrum, bins = np.abs(np.fft.rfft(samples)) ** 2, np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(spectrum[(bins >= low) & (bins < high)].sum())


def test_a_room_fills_pauses_and_keeps_loudness_and_time() -> None:
    samples = _words()
    heard = pass_through(samples, Degradation(reverb_s=0.6, direct_db=3.0), np.random.default_rng(0))
    pause = slice(int(0.32 * RATE), int(0.38 * RATE))
    assert np.abs(samples[pause]).max() == 0
    assert np.sqrt(np.mean(heard[pause] ** 2)) > 0.05 * np.sqrt(np.mean(heard**2))
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.01)
    late = _words()
    late[: RATE // 2] = 0
    assert (
        np.abs(pass_through(late, Degradation(reverb_s=0.6), np.random.default_rng(0))[: RATE // 2 - 1]).max() <= 1
    )  # nothing comes before


def test_a_telephone_takes_the_low_and_the_high() -> None:
    rng = np.random.default_rng(1)
    noise = np.round(3000 * rng.standard_normal(RATE))
    heard = pass_through(noise, Degradation(band=(300.0, 3400.0)), rng)
    assert _power(heard, 500, 3000) == pytest.approx(_power(noise, 500, 3000), rel=0.15)
    assert _power(heard, 20, 120) < 0.02 * _power(noise, 20, 120)
    assert _power(heard, 6000, 7900) < 0.02 * _power(noise, 6000, 7900)


def test_clipping_stops_at_a_share_of_the_peak() -> None:
    samples = _words()
    heard = pass_through(samples, Degradation(ceiling=0.25), np.random.default_rng(0))
    assert np.abs(heard).max() == pytest.approx(0.25 * np.abs(samples).max(), abs=1)


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_a_codec_changes_a_sound_a_little_and_not_its_time(codec: str) -> None:
    samples = (_words(1.5) / 32768).astype(np.float32)
    heard = recoded(samples, codec, 32_000)
    assert heard.shape == samples.shape
    assert not np.array_equal(heard, samples)
    lags = range(-40, 41)
    likeness = [float(np.dot(samples[100:-100], np.roll(heard, lag)[100:-100])) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 2
    assert np.corrcoef(samples, heard)[0, 1] > 0.8


def test_channels_are_drawn_as_often_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    config = MicrophoneConfig(room_prob=0.5, band_prob=1.0, codec_prob=0.0)
    drawn = [draw_channel(config, rng) for _ in range(400)]
    assert 0.4 < np.mean([channel.reverb_s > 0 for channel in drawn]) < 0.6
    assert {channel.band for channel in drawn} == set(BANDS.values())
    assert {channel.codec for channel in drawn} == {""}


@pytest.mark.parametrize(
    "config",
    [
        MicrophoneConfig(room_prob=2),
        MicrophoneConfig(reverb_s=(0.5, 0.1)),
        MicrophoneConfig(codecs=("g729",)),
        MicrophoneConfig(bands=()),
    ],
)
def test_what_cannot_be_drawn_is_refused(config: MicrophoneConfig) -> None:
    with pytest.raises(UsageError, match="microphone"):
        check_microphone(config)


class _Reader:
    def lips(self, path: str) -> Pictures:
        return np.full((7, 4, 4), int(path), np.uint8)


def _wrong(kinds: Sequence[str], prob: float = 1.0) -> WrongLips:
    return WrongLips(MismatchConfig(prob, tuple(kinds), (2, 2)), ["200", "201"], _Reader())  # type: ignore[arg-type]


def test_lips_that_do_not_belong() -> None:
    own = np.repeat(np.arange(10, dtype=np.uint8)[:, None, None], 4, axis=1).repeat(4, axis=2)
    rng = np.random.default_rng(0)
    assert len(np.unique(_wrong(["still"])(own, "still", rng))) == 1
    assert set(np.unique(_wrong(["grey"])(own, "grey", rng))) == {128}
    swapped = _wrong(["swapped"])(own, "swapped", rng)
    assert swapped.shape == own.shape
    assert set(np.unique(swapped)) <= {200, 201}
    late = _wrong(["late"])(own, "late", rng)[:, 0, 0]
    assert late.tolist() in ([0, 0, *range(8)], [*range(2, 10), 9, 9])
    assert _wrong(["still"], 0.0).draw(rng) == ""
    with pytest.raises(UsageError, match="kinds"):
        _wrong(["blue"])
