"""A file's clock covers its pictures and its sound, whichever begins earlier and ends later; where one has nothing, it is held."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.media import PictureSource, iter_sound_blocks, pictures_at, probe, read_pictures, read_speech
from avcore.media.stored import read_stored
from avcore.timeline import SAMPLE_RATE, frames_to_seconds
from tests.avcore.media_samples import Film, clicks, shown_number

PICTURES, RATE = 50, 48_000
CONTAINERS = ("mp4", "mkv", "mov", "ts")
OFFSETS = (-5.0, -3.0, -0.5, 0.0, 0.5, 3.0, 5.0)
"""When the pictures begin, after the sound (s)."""
LENGTHS = (1.0, 1.5, 2.0, 2.5, 5.0, 7.0)
"""Of the sound (s); the pictures last 2."""
ROUNDING_S = 0.045
"""A picture, and the rounding of containers and coders."""


def film(path: Path, pictures_at_s: float, sound_at_s: float, sound_s: float, **named: object) -> Path:
    """Two seconds of numbered pictures, and sound with a click 0.1 s after its beginning and 0.1 s before its end."""
    begins = Fraction(pictures_at_s).limit_denominator(1000)
    times = [begins + frames_to_seconds(number) for number in range(PICTURES)]
    sound = clicks(RATE, sound_s, [0.1, sound_s - 0.1])
    return Film(times=times, sound=sound, audio_rate=RATE, audio_start_s=Fraction(sound_at_s), **named).write(path)  # type: ignore[arg-type]


def expect(path: Path, pictures_at_s: float, sound_at_s: float, sound_s: float) -> None:
    """Check everything that is read of such a film, on its clock."""
    end = max(pictures_at_s + 2, sound_at_s + sound_s)
    info = probe(path)
    assert float(info.duration_s) == pytest.approx(end, abs=ROUNDING_S)
    assert [float(time) for time in info.picture_s] == pytest.approx([pictures_at_s, pictures_at_s + 2], abs=ROUNDING_S)
    assert [float(time) for time in info.sound_s] == pytest.approx([sound_at_s, sound_at_s + sound_s], abs=2 * ROUNDING_S)

    speech = read_speech(path)
    loud = np.flatnonzero(np.abs(speech) > 0.2) / SAMPLE_RATE
    heard = [loud[0], loud[-1]]
    assert heard == pytest.approx([sound_at_s + 0.1, sound_at_s + sound_s - 0.1], abs=ROUNDING_S)
    assert len(speech) / SAMPLE_RATE == pytest.approx(sum(map(len, iter_sound_blocks(path))) / RATE, abs=0.001)

    def number_at(time: float) -> int:
        return min(max(round((time - pictures_at_s) * 25 - 0.5), 0), PICTURES - 1)

    steady = list(PictureSource(path))
    assert len(steady) == pytest.approx(end * 25, abs=1)
    middles = [float(picture.time) + 0.02 for picture in steady]
    assert all(abs(shown_number(one.rgb) - number_at(time)) <= 2 for one, time in zip(steady, middles, strict=True))
    stored = list(read_stored(path))
    assert stored[0].time == 0
    assert float(stored[-1].time + 1 / info.frame_rate) == pytest.approx(end, abs=ROUNDING_S), "as long as the file"
    assert max(after.time - before.time for before, after in pairwise(stored)) < 0.09, "held pictures come again"
    assert all(abs(shown_number(one.rgb) - number_at(float(one.time) + 0.02)) <= 2 for one in stored)
    for start in (0.31, end / 2, end - 0.3):
        entered = list(read_stored(path, start))
        assert [one.time for one in entered] == [one.time for one in stored[-len(entered) :]], "the same wherever it is entered"
        assert entered[0].time <= Fraction(start) < entered[1].time
        (picture,) = pictures_at(path, [start])
        assert abs(shown_number(picture.rgb) - number_at(start + 0.02)) <= 2


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("offset", OFFSETS)
def test_streams_that_begin_at_other_times(tmp_path: Path, container: str, offset: float) -> None:
    pictures_at_s, sound_at_s = max(offset, 0.0), max(-offset, 0.0)
    expect(film(tmp_path / f"a.{container}", pictures_at_s, sound_at_s, 2.0), pictures_at_s, sound_at_s, 2.0)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("length", LENGTHS)
def test_streams_that_end_at_other_times(tmp_path: Path, container: str, length: float) -> None:
    expect(film(tmp_path / f"a.{container}", 0.0, 0.0, length), 0.0, 0.0, length)


@pytest.mark.parametrize("container", ["mkv", "mov"])
def test_moment_0_is_where_the_file_begins_however_its_container_counts(tmp_path: Path, container: str) -> None:
    path = film(tmp_path / f"a.{container}", 100.5, 100.0, 2.0, muxer_options={"avoid_negative_ts": "disabled"})
    if container == "mkv":
        assert probe(path).clock.start == pytest.approx(100, abs=0.1)
    expect(path, 0.5, 0.0, 2.0)


def test_padding_of_sound_makes_no_file_longer(tmp_path: Path) -> None:
    info = probe(Film(sound=clicks(48_000, 2.03, [1.0]), audio_rate=48_000, audio_codec="pcm_s16le").write(tmp_path / "a.mkv"))
    assert (info.duration_s, info.picture_s) == (2, (0, 2))
    assert not info.is_held
    late = [Fraction(3, 100) + frames_to_seconds(number) for number in range(PICTURES)]
    sound = clicks(48_000, 2, [1.0])
    info = probe(Film(times=late, sound=sound, audio_rate=48_000, audio_codec="pcm_s16le").write(tmp_path / "b.mkv"))
    assert info.picture_s == (0, 2)
    assert info.sound_s[0] == 0


def test_a_gap_in_the_pictures_is_held(tmp_path: Path) -> None:
    times = [frames_to_seconds(number if number < 25 else number + 75) for number in range(PICTURES)]
    path = Film(times=times, sound=clicks(SAMPLE_RATE, 5, [2.5])).write(tmp_path / "a.mp4")
    assert len(list(read_pictures(path))) == PICTURES
    stored = list(read_stored(path))
    assert max(after.time - before.time for before, after in pairwise(stored)) < 0.12
    assert {shown_number(one.rgb) for one in stored if 1 < one.time < 4} == {24}
    assert stored[-1].time == times[-1]
    info = probe(path)
    assert info.is_held
    assert (info.steady_rate, info.duration_s) == (25, 5)
