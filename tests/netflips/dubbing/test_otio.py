"""The timeline for video editors, opened by OpenTimelineIO's own reader."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import opentimelineio as otio
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from opentimelineio.opentime import RationalTime, from_timecode

from avcore.errors import NetflipsError, UsageError
from avcore.media import iter_sound_blocks, probe, write_speech
from avcore.timeline import timecode_frames
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.otio import write_timeline
from netflips.dubbing.part import OutputClock, Part
from netflips.models import Models
from netflips.script.notes import FOUND_FAULTS
from netflips.script.types import Made, Script
from netflips.script.utterance import Checked
from tests.netflips.dubbing.made import plain_frames, speech, steady_times, write_recording

NTSC = Fraction(30000, 1001)
PLAN = [0.8, 2.2, 1.2, 2.3, 0.9]
"""Seconds of pause and speech in turn."""
TIMECODE = "00:59:58;04"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A recording at 29.97 Hz, with drop-frame timecode; a hum over all of it tells where its sound lies."""
    times = steady_times(NTSC, sum(PLAN))
    sound = speech(PLAN, 44_100, 1)
    noise = np.random.default_rng(1).normal(0, 0.003, len(sound)).astype(np.float32)
    folder = tmp_path / "in #1 과정"
    folder.mkdir()
    with av.open(str(folder / "a talk.mov"), "w") as made:
        video, audio = made.add_stream("libx264", rate=NTSC), made.add_stream("pcm_s16le", rate=44_100, layout="mono")
        video.width, video.height, video.pix_fmt, video.metadata["timecode"] = 160, 120, "yuv420p", TIMECODE
        samples = np.round(np.clip(sound[:, 0] + noise, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = 44_100
        made.mux([*audio.encode(frame), *audio.encode(None)])
        for picture in plain_frames(times):
            made.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        made.mux(video.encode(None))
    return folder / "a talk.mov"


def _heard(clip: otio.schema.Clip, beside: Path) -> np.ndarray:
    """The sound of a clip, as an editor finds it: float32 [S] at the file's rate."""
    path = beside / otio.url_utils.filepath_from_url(clip.media_reference.target_url)
    sound = np.concatenate(list(iter_sound_blocks(path)))[:, 0]
    used, all_of_it = clip.source_range, clip.available_range()
    assert all_of_it.start_time <= used.start_time < used.end_time_exclusive() <= all_of_it.end_time_exclusive()
    first = (used.start_time - all_of_it.start_time).to_seconds()
    rate = probe(path).audio_rate
    return np.asarray(sound[round(first * rate) : round((first + used.duration.to_seconds()) * rate)])


def _clips(track: otio.schema.Track) -> dict[float, otio.schema.Clip]:
    """The clips of a track by their beginnings in seconds."""
    return {one.range_in_parent().start_time.to_seconds(): one for one in track if isinstance(one, otio.schema.Clip)}


def test_an_editor_finds_dub_original_stems_and_faults_at_their_times(
    source: Path, telltale_models: Callable[[int], Models], options: DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found_fault(script: Script, job: Any, sound: Any) -> Script:
        job.notes.add(FOUND_FAULTS(faults=["misheard", "clicks"]), 1)
        first, *rest = script.utterances
        return replace(script, utterances=(replace(first, checked=Checked(faults=("misheard", "clicks"))), *rest))

    monkeypatch.setattr("netflips.dubbing.dub.check", found_fault)
    out, path = source.parent / "dub.mp4", source.parent / "dub.otio"
    asked = replace(options, stems=tmp_path / "stems", timeline=path, freeze_frame=True, work_dir=tmp_path / "work", start=0.5)
    script = dub(source, out, telltale_models(9), asked)
    timeline = otio.adapters.read_from_file(str(path))
    rate = 30000 / 1001
    tracks = {(one.kind, one.name): one for one in timeline.tracks}
    assert list(tracks) == [
        *(("Video", name) for name in ("original", "dub")),
        *(("Audio", name) for name in ("speech", "background", "mix", "dub", "original")),
    ]
    assert [one.name for one in timeline.tracks if one.enabled] == ["dub", "speech", "background"]
    assert timeline.duration() == tracks["Video", "dub"].duration() == RationalTime(round(script.output_s * rate), rate)
    assert timeline.global_start_time == from_timecode(TIMECODE, rate) + RationalTime(15, rate)

    # each utterance, and nothing of the speech beside them
    spoken = [(one, one.fit) for one in script.utterances if one.fit is not None]
    assert len(spoken) == 2
    assert any(fit.freeze_s for _, fit in spoken)
    lines = _clips(tracks["Audio", "speech"])
    for (one, fit), (start, clip) in zip(spoken, lines.items(), strict=True):
        assert clip.name.startswith(f"{one.number} speaker 1")
        assert start == pytest.approx(fit.output.start_s, abs=1 / rate)
        assert clip.duration().to_seconds() == pytest.approx(fit.spoken_s, abs=2 / rate)
    whole = np.concatenate(list(iter_sound_blocks(tmp_path / "stems" / "dub.speech.wav")))
    assert sum(float((_heard(clip, source.parent) ** 2).sum()) for clip in lines.values()) == pytest.approx(
        float((whole**2).sum()), rel=1e-6
    )

    # between utterances the dub sounds as the original beside it does, on either side of a frozen frame
    mix = np.concatenate(list(iter_sound_blocks(tmp_path / "stems" / "dub.mix.wav")))[:, 0]
    beside = _clips(tracks["Audio", "original"])
    assert len(beside) == 1 + sum(fit.freeze_s > 0 for _, fit in spoken)
    long = {start: clip for start, clip in beside.items() if clip.duration().to_seconds() > 0.3}
    assert len(long) > 1
    for start, clip in long.items():
        old = _heard(clip, source.parent)[: round(0.3 * 44_100)]
        new = mix[round(start * 44_100) :][: len(old)]
        found = sliding_window_view(old, len(old) - 8000)  # of the original, from 91 ms before to 91 ms behind
        likeness = found @ new[4000:-4000] / np.linalg.norm(found, axis=1)
        assert abs(int(likeness.argmax()) - 4000) / 44_100 < 0.6 / rate, start  # to the nearest frame
    assert _clips(tracks["Video", "original"]).keys() == beside.keys()

    # faults in red, other notes in yellow
    first, second = timeline.tracks.markers
    assert (first.name, first.color) == ("1: misheard, clicks", "RED")
    assert first.marked_range.start_time == tracks["Audio", "speech"][1].range_in_parent().start_time
    assert first.comment.startswith("check of the spoken audio: half of its text or more is misheard, it clicks\n")
    assert second.color == "YELLOW"
    assert second.comment == second.metadata["Resolve_OTIO"]["Note"] != ""
    assert otio.adapters.write_to_string(timeline, "otio_json")  # the library writes it again


def test_without_stems_the_dubs_own_sound_is_cut_at_utterances(
    source: Path, models: Models, options: DubOptions, tmp_path: Path
) -> None:
    path = tmp_path / "dub.otio"
    out = tmp_path / "dub.mp4"
    dub(source, out, models, replace(options, timeline=path, work_dir=tmp_path / "work"))
    timeline = otio.adapters.read_from_file(str(path))
    (sound,) = (one for one in timeline.audio_tracks() if one.name == "dub")
    assert sound.enabled
    assert [one.name.split()[0] for one in sound] == ["dub.mp4", "1", "dub.mp4", "2", "dub.mp4"]
    assert all(isinstance(one, otio.schema.Clip) and one.range_in_parent() == one.trimmed_range() for one in sound)
    assert sound.duration() == timeline.duration()

    # one clip whose frames go to and fro: the original lies beside it from its beginning
    dub(source, out, models, replace(options, timeline=path, timing="free", work_dir=None))
    timeline = otio.adapters.read_from_file(str(path))
    assert timeline.duration().rate == 25
    (original,) = (one for one in timeline.video_tracks() if one.name == "original")
    assert [one.range_in_parent().start_time.value for one in original] == [0]
    assert original.duration().to_seconds() == pytest.approx(sum(PLAN), abs=0.05)


def test_a_dub_of_sound_alone_has_sound_tracks_alone(models: Models, options: DubOptions, tmp_path: Path) -> None:
    write_speech(tmp_path / "talk.wav", speech(PLAN, 16_000, 1)[:, 0])
    asked = replace(options, timeline=tmp_path / "dub.otio", work_dir=tmp_path / "work")
    script = dub(tmp_path / "talk.wav", tmp_path / "dub.m4a", models, asked)
    timeline = otio.adapters.read_from_file(str(tmp_path / "dub.otio"))
    assert [(one.kind, one.name) for one in timeline.tracks] == [("Audio", "dub"), ("Audio", "original")]
    assert timeline.duration().to_seconds() == pytest.approx(script.output_s, abs=0.04)


@pytest.mark.parametrize("text", [TIMECODE, "01:00:00:00", "00:01:00;02", "23:59:59;29", "10:10:00;00"])
def test_timecodes_count_as_the_library_counts_them(text: str) -> None:
    rate = 30000 / 1001
    assert timecode_frames(text, NTSC) == from_timecode(text, rate).value
    assert timecode_frames(text.replace(";", ":").replace(":29", ":23"), Fraction(24000, 1001)) == (
        from_timecode(text.replace(";", ":").replace(":29", ":23"), 24000 / 1001).value
    )


def test_what_is_no_timecode_is_none(source: Path) -> None:
    assert probe(source).timecode == TIMECODE
    assert timecode_frames("", NTSC) == timecode_frames("soon", NTSC) == 0


def test_a_timeline_that_cannot_be_written_is_refused_before_the_work(source: Path, models: Models, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"timeline writes OpenTimelineIO; expected a name that ends in \.otio"):
        DubOptions(timeline=tmp_path / "dub.edl")
    with pytest.raises(UsageError, match="timeline shows a dub, and --draft makes none"):
        DubOptions(timeline=tmp_path / "dub.otio", draft=tmp_path / "draft.json")
    (tmp_path / "file").touch()
    with pytest.raises(NetflipsError, match="file"):
        dub(source, tmp_path / "dub.mp4", models, DubOptions(timeline=tmp_path / "file" / "dub.otio"))
    assert not (tmp_path / "dub.mp4").exists()


def test_a_part_below_half_a_frame_of_slides_has_a_timeline(options: DubOptions, tmp_path: Path) -> None:
    times = steady_times(Fraction(1), 5)
    slides = write_recording(tmp_path / "slides.mp4", times, plain_frames(times), speech([5]))
    part, script = Part(Fraction(11, 10), Fraction(14, 10)), Script(made=Made(duration_s=0.3))
    job = SimpleNamespace(out=slides, info=probe(slides), options=options, part=part, frame_rate=Fraction(1))
    write_timeline(tmp_path / "dub.otio", script, cast("Any", job), OutputClock(script, part, Fraction(1)))
    timeline = otio.adapters.read_from_file(str(tmp_path / "dub.otio"))
    assert timeline.global_start_time == timeline.duration() == RationalTime(1, 1)
