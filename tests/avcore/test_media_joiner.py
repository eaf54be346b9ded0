"""Joining pieces and resampling streams, measured on what is decoded."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.errors import MediaError, OutputError
from avcore.media import VideoJoiner, VideoWriter, iter_sound_at, probe, write_speech

SIZE = 64


def _picture(number: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), 40 + number % 160, np.uint8)


def _piece(path: Path, first: int, times: list[Fraction], rate: Fraction) -> Path:
    with VideoWriter(path, SIZE, SIZE, rate) as writer:
        for k, time in enumerate(times):
            writer.write_picture(_picture(first + k), time - times[0])
    return path


def _join(path: Path, rate: Fraction, pieces: list[tuple[Path, list[Fraction]]], sound: np.ndarray | None = None) -> Path:
    with VideoJoiner(path, SIZE, SIZE, rate, None if sound is None else 16_000, first_piece=pieces[0][0]) as joiner:
        for piece, times in pieces:
            joiner.write_piece(piece, times)
        if sound is not None:
            joiner.write_sound(sound)
    return path


def _decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        frames = [(frame.to_ndarray(format="rgb24"), frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return np.stack([pixels for pixels, _ in frames]), np.array([float(time) for _, time in frames])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25)])
def test_joined_pieces_show_the_same_pictures_at_their_times(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    times = [k / rate for k in range(60)]
    bounds = [(0, 1), (1, 3), (3, 30), (30, 60)]
    pieces = [(_piece(tmp_path / f"{a}.mp4", a, times[a:b], rate), times[a:b]) for a, b in bounds]
    joined, shown = _decoded(_join(tmp_path / f"joined{suffix}", rate, pieces))
    assert np.array_equal(joined, np.concatenate([_decoded(piece)[0] for piece, _ in pieces]))
    assert shown == pytest.approx([float(time) for time in times], abs=1e-3 if suffix == ".mkv" else 1e-6)
    assert probe(tmp_path / f"joined{suffix}").frame_rate == rate


def test_uneven_times_and_sound_stay_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = [Fraction(int(time), 1000) for time in np.cumsum([0, *rng.choice([15, 40, 200], 49)])]
    rate = Fraction(len(times)) / times[-1]
    pieces = [(_piece(tmp_path / f"{a}.mp4", a, times[a : a + 10], rate), times[a : a + 10]) for a in range(0, 50, 10)]
    sound = 0.1 * np.sin(np.arange(16_000) / 7).astype(np.float32)
    path = _join(tmp_path / "joined.mp4", rate, pieces, sound)
    joined, shown = _decoded(path)
    assert shown == pytest.approx([float(time) for time in times], abs=1e-4)
    assert joined[:, 5, 5, 0] == pytest.approx([_picture(k)[0, 0, 0] for k in range(50)], abs=3)
    assert sum(len(block) for block in iter_sound_at(path, 16_000)) == 16_000


def test_a_piece_that_lacks_pictures_is_refused(tmp_path: Path) -> None:
    times = [Fraction(k, 25) for k in range(10)]
    piece = _piece(tmp_path / "piece.mp4", 0, times[:9], Fraction(25))
    with pytest.raises(OutputError, match="10 pictures"):
        _join(tmp_path / "joined.mp4", Fraction(25), [(piece, times)])
    assert not (tmp_path / "joined.mp4").exists()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 8_000])
def test_a_stream_is_resampled_without_losing_its_place(tmp_path: Path, rate: int) -> None:
    tone = np.sin(np.arange(48_000) * 2 * np.pi * 440 / 16_000).astype(np.float32) / 2
    write_speech(tmp_path / "tone.wav", tone)
    found = np.concatenate(list(iter_sound_at(tmp_path / "tone.wav", rate)))
    assert found.shape[1] == 1
    assert abs(len(found) - 3 * rate) <= 64
    wanted = np.sin(np.arange(len(found)) * 2 * np.pi * 440 / rate) / 2
    assert np.abs(found[200:-200, 0] - wanted[200:-200]).max() < 0.02


def test_a_video_without_sound_has_none_to_resample(tmp_path: Path) -> None:
    mute = _piece(tmp_path / "mute.mp4", 0, [Fraction(0), Fraction(1, 25)], Fraction(25))
    with pytest.raises(MediaError, match="no sound track"):
        list(iter_sound_at(mute, 16_000))
