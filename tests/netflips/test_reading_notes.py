"""How a file was read is part of what is kept: the same notes stand after a draft, on going on, in a second transcript."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.media.tracks import select_audio_track
from netflips.commands.recognition import Transcriber
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.store import Store
from netflips.loaded import Loaded
from netflips.models import Models
from netflips.script.types import Script
from tests.avcore.media_samples import Film
from tests.avcore.test_media_frames import film
from tests.netflips.dubbing.made import speech as made_speech
from unit2text.unit_reader import UnitReader

SPEECH = made_speech([0.3, 1.4, 0.3], 16_000, channels=1)[:, 0]
OPTIONS = DubOptions(beam=1, max_target_units=20, modalities="audio", timing="source")


def out_of_phase(path: Path) -> Path:
    return Film(sound=np.stack([SPEECH, -SPEECH]), layout="stereo", audio_codec="pcm_s16le").write(path.with_suffix(".mov"))


def far_too_loud(path: Path) -> Path:
    return Film(sound=8 * SPEECH / np.abs(SPEECH).max(), audio_codec="pcm_f32le").write(path.with_suffix(".mov"))


def resized(path: Path) -> Path:
    options = {"preset": "12", "svtav1-params": "resize-mode=1:resize-denom=16:resize-kf-denom=8"}
    made = replace(film(50, (256, 192), codec="libsvtav1", options=options), sound=SPEECH)
    return made.write(path.with_suffix(".mkv"))


def broken(path: Path) -> Path:
    """Some packets in its middle are noise."""
    whole = Film(options={"g": "10"}, sound=SPEECH).write(path.with_suffix(".mp4"))
    content = bytearray(whole.read_bytes())
    middle = content.index(b"mdat") + (content.rindex(b"moov") - content.index(b"mdat")) // 3
    content[middle : middle + 300] = bytes(np.random.default_rng(0).integers(0, 256, 300, dtype=np.uint8))
    whole.write_bytes(content)
    return whole


def codes(script: Script) -> list[str]:
    """The notes of how the file was read, which come before the others."""
    return [note.code for note in script.notes if note.code != "no_face"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (out_of_phase, "lone_channel"),
        (far_too_loud, "scaled_sound"),
        (resized, "changing_frame_size"),
        (broken, "bad_sound_packets"),
    ],
)
def test_notes_of_reading_survive(make: Callable[[Path], Path], code: str, models: Models, tmp_path: Path) -> None:
    path, work = make(tmp_path / "talk"), tmp_path / "work"
    first, again = (dub(path, tmp_path / "a.mp4", models, replace(OPTIONS, work_dir=work)) for _ in range(2))
    dub(path, tmp_path / "b.mp4", models, replace(OPTIONS, draft=tmp_path / "draft.json", work_dir=work))
    after_draft = dub(path, tmp_path / "b.mp4", models, replace(OPTIONS, script_in=tmp_path / "draft.json", work_dir=work))
    assert codes(first).count(code) == 1
    assert first.notes == again.notes == after_draft.notes


@pytest.mark.parametrize(("make", "code"), [(out_of_phase, "lone_channel"), (far_too_loud, "scaled_sound")])
def test_a_second_transcript_has_them(
    make: Callable[[Path], Path], code: str, reader: Path, models: Models, tmp_path: Path
) -> None:
    path, asked = make(tmp_path / "talk"), DubOptions(modalities="audio", source="en")
    transcriber = Transcriber.of_units(models, UnitReader.from_checkpoint(reader), asked)
    first, again = (transcriber.transcribe(select_audio_track(path), store=Store(tmp_path / "work")) for _ in range(2))
    assert codes(first) == codes(again) == [code]


def test_a_file_that_is_replaced_has_its_own(models: Models, tmp_path: Path) -> None:
    loaded, path = Loaded(models), out_of_phase(tmp_path / "talk")
    assert codes(loaded.dub(path, tmp_path / "a.mp4", OPTIONS)) == ["lone_channel"]
    Film(sound=SPEECH, audio_codec="pcm_s16le").write(path)
    assert codes(loaded.dub(path, tmp_path / "a.mp4", OPTIONS)) == []
