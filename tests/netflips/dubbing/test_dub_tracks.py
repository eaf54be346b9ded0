"""Sound tracks beside a dub: the original as it was, cut with its part, and the background; in the dub's own times."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.media import MediaSource, iter_sound_blocks, probe, read_sound, read_speech
from avcore.speech.audio import loudness_lufs
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.script.types import Script
from tests.avcore.made_speech import talk
from tests.avcore.test_alternate_tracks import payloads
from tests.avcore.test_sound_tracks import likeness, write_tracks
from tests.netflips.dubbing.made import PLAN, RATE
from unit2av.lipsync.backend import LipSyncChoice

ALL = "dub,original,background"
Made = Callable[..., tuple[Path, Script]]


@pytest.fixture
def made(recording: Path, models: Models, options: DubOptions, work: Path, tmp_path: Path) -> Made:
    """Dubs the recording, or another one, with some settings changed; its frames are copied unless lips are asked for."""

    def dubbed(name: str = "x.mp4", video: Path = recording, models: Models = models, **changes: Any) -> tuple[Path, Script]:
        asked = {"work_dir": work, "lips": LipSyncChoice("none"), **changes}
        return tmp_path / name, dub(video, tmp_path / name, models, replace(options, **asked))

    return dubbed


def sound_of(path: Path, track: int) -> np.ndarray:
    return read_sound(MediaSource(path, audio_track=track))[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_original_goes_beside_the_dub_as_it_is(made: Made, recording: Path, suffix: str) -> None:
    lips = LipSyncChoice("auto" if suffix == ".mp4" else "none")
    plain, _ = made(f"plain{suffix}", lips=lips)
    out, _ = made(f"x{suffix}", lips=lips, tracks="dub,original")
    assert payloads(out, 1) == payloads(recording, 0)
    kept, there = read_speech(MediaSource(out, audio_track=2)), read_speech(recording)
    assert max(likeness(np.roll(kept, lag), there) for lag in range(-8, 9)) > 0.99  # Matroska counts milliseconds
    assert np.array_equal(sound_of(out, 1), sound_of(plain, 1))

    info = probe(out)
    assert [(one.language, one.title, one.is_default) for one in info.tracks] == [
        ("kor", "Dubbed", True),
        ("eng", "Original", False),
    ]
    assert info.track == 1
    assert (info.audio_rate, info.num_frames) == (RATE, probe(plain).num_frames)


def test_the_background_is_that_of_the_mix_as_loud_as_there(made: Made, tmp_path: Path) -> None:
    out, _ = made("x.mp4", tracks=ALL, stems=tmp_path / "stems")
    stem = np.concatenate(list(iter_sound_blocks(tmp_path / "stems" / "x.background.wav")))
    behind = sound_of(out, 3)
    assert behind.shape == stem.shape
    assert likeness(behind[:, 0], stem[:, 0]) > 0.99
    assert [one.title for one in probe(out).tracks] == ["Dubbed", "Original", "Background"]

    loud, _ = made("loud.mp4", tracks="dub,background", loudness=-30.0)
    gains = [loudness_lufs(sound_of(loud, 1), RATE) - loudness_lufs(sound_of(out, 1), RATE)]
    gains += [loudness_lufs(sound_of(loud, 2), RATE) - loudness_lufs(behind, RATE)]
    assert abs(gains[0]) > 2
    assert gains[1] == pytest.approx(gains[0], abs=0.5)


def test_a_stopped_dub_goes_on_to_the_same_bytes(made: Made, work: Path) -> None:
    out, _ = made(tracks=ALL, lips=LipSyncChoice())
    before = out.read_bytes()
    out.unlink()
    next(iter((work / "frames").glob("*.mp4"))).unlink()
    assert made(tracks=ALL, lips=LipSyncChoice())[0].read_bytes() == before


def test_the_original_of_a_part_is_that_part(made: Made, recording: Path) -> None:
    out, script = made(tracks="dub,original", start=4.9, end=7.5)
    part = script.result.part
    there = sound_of(recording, 1)[round(part.start_s * RATE) : round(part.end_s * RATE)]
    kept = sound_of(out, 2)
    assert len(kept) == pytest.approx(len(sound_of(out, 1)), abs=1)
    assert likeness(kept[:, 0], there[:, 0]) > 0.99


def test_the_original_waits_where_a_frame_is_frozen(made: Made, recording: Path, telltale_models: Callable[[int], Models]) -> None:
    out, script = made(models=telltale_models(12), tracks="dub,original", freeze_frame=True)
    last = script.processed[-1]
    late_s = last.fit.output.start_s - last.place.start_s
    assert late_s > 1
    old, new = (round(at * RATE) for at in (last.place.start_s, last.fit.output.start_s))
    length = round(last.place.seconds * RATE)
    assert likeness(sound_of(out, 2)[new : new + length, 0], sound_of(recording, 1)[old : old + length, 0]) > 0.99


@pytest.mark.parametrize(("suffix", "codec", "is_copied"), [(".mkv", "flac", True), (".mp4", "flac", True), (".mov", "aac", False)])
def test_the_original_is_the_track_that_was_dubbed(
    made: Made, recording: Path, tmp_path: Path, suffix: str, codec: str, is_copied: bool
) -> None:
    sounds = [talk(PLAN, seed=seed) for seed in (1, 2)]
    film = write_tracks(tmp_path / "film.mkv", [(sounds[0], "fra", "Film"), (sounds[1], "eng", "")], video=recording)
    out, _ = made(f"x{suffix}", video=film, audio_track="eng", tracks="dub,original")
    found = probe(out).tracks[1]
    assert (found.language, found.title, found.codec) == ("eng", "Original", codec)
    assert (payloads(out, 1) == payloads(film, 1)) == is_copied
    kept = read_speech(MediaSource(out, audio_track=2))
    assert likeness(kept, sounds[1]) > 0.98 > 0.1 > abs(likeness(kept, sounds[0]))
