"""Whole dubs of files whose video and sound do not begin and end together: every sentence is dubbed, as long as the file is."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.media import FrameSource, probe, read_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_to_seconds
from netflips.cli import main
from netflips.script.files import script_from
from unit2text.text import character_errors

CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.mp4"
SENTENCES = (0.16, 3.16)
"""When the demo's sentence is said (s); it lasts 2.1 s."""
SAID_S = 2.1
END_S = 6.0
SIZE = (360, 480)


@pytest.fixture(scope="module")
def talk() -> tuple[list[np.ndarray], np.ndarray]:
    """Video and sound of two sentences, each as in the demo's clip."""
    sentence = read_speech(CLIP)
    sound = np.zeros(round(END_S * SAMPLE_RATE), np.float32)
    for begins in SENTENCES:
        first = round((begins - 0.16) * SAMPLE_RATE)
        sound[first : first + len(sentence)] = sentence
    shown = [one.rgb for one in FrameSource(CLIP)]
    resting = shown[-1:] * (3 * FRAME_RATE - len(shown))
    return [*shown, *resting] * 2, sound


def write(path: Path, frames: Sequence[np.ndarray], first_s: Fraction, sound: np.ndarray) -> Path:
    """Images that begin at a time, beside sound that begins at 0, each as long as it is."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        video.width, video.height, video.pix_fmt = SIZE[1], SIZE[0], "yuv420p"  # type: ignore[attr-defined]
        video.codec_context.time_base = Fraction(1, 90_000)
        frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        frame.sample_rate = SAMPLE_RATE
        for number, image in enumerate(frames):
            shown = av.VideoFrame.from_ndarray(image)
            shown.pts, shown.time_base = int((first_s + frames_to_seconds(number)) * 90_000), Fraction(1, 90_000)
            container.mux(video.encode(shown))  # type: ignore[attr-defined]
        container.mux([*video.encode(None), *audio.encode(frame), *audio.encode(None)])  # type: ignore[attr-defined]
    return path


def likeness(one: np.ndarray, other: np.ndarray, begins: float) -> float:
    here = slice(round(begins * SAMPLE_RATE), round((begins + SAID_S) * SAMPLE_RATE))
    return float(np.corrcoef(one[here], other[here])[0, 1])


@pytest.mark.parametrize(
    ("name", "first", "stop"), [("ends_early.mp4", 0, 63), ("begins_late.mkv", 76, 150)], ids=["ends early", "begins late"]
)
def test_sentences_without_a_frame_of_their_time(
    tmp_path: Path, talk: tuple[list[np.ndarray], np.ndarray], name: str, first: int, stop: int
) -> None:
    frames, sound = talk
    video, out, told = tmp_path / name, tmp_path / f"dub_{name}", tmp_path / "report.json"
    write(video, frames[first:stop], frames_to_seconds(first), sound)
    asked = ["--out-vid-path", str(out), "--report", str(told), "--subtitles", "target"]
    assert main(["dub", str(video), *asked, "--quiet"]) == 0
    late = float(probe(video).clock.video or 0) - float(frames_to_seconds(first))  # AAC's first block, where nothing hides it
    source, dubbed = read_speech(video), read_speech(out)
    assert len(dubbed) / SAMPLE_RATE == pytest.approx(END_S, abs=0.11)
    report = script_from(json.loads(told.read_text()))
    assert [report.input_s, report.output_s] == pytest.approx([END_S, END_S], abs=0.11)
    info = probe(out)
    assert float(info.duration_s) == pytest.approx(report.input_s, abs=0.041)
    assert [float(time) for time in (*info.video_s, *info.sound_s)] == pytest.approx([0, END_S] * 2, abs=0.11), "in both streams"
    utterances = report.processed
    assert [one.place.start_s - late for one in utterances] == pytest.approx(SENTENCES, abs=0.1)
    cues = [float(row.split(" --> ")[0][6:].replace(",", ".")) for row in _times(out)]
    assert [cue - late for cue in cues] == pytest.approx(SENTENCES, abs=0.2), "units of Korean begin with a short silence"
    for one, begins in zip(utterances, SENTENCES, strict=True):
        assert likeness(source, dubbed, begins + late) < 0.3, "nothing of the English is left"
        assert one.drawn.drawn > 40
        assert one.source_units.modalities == (
            "audio" if not first / 25 <= begins <= stop / 25 - SAID_S else one.source_units.modalities
        )
    still = [frame.rgb for frame in FrameSource(out).frames(20, 30)] if first else _last(out)
    assert max(int(np.abs(still[0].astype(int) - one).max()) for one in still) > 40, "lips move in the held frame"


def test_one_sentence_with_a_second_of_frame_is_heard_whole(tmp_path: Path, talk: tuple[list[np.ndarray], np.ndarray]) -> None:
    frames, sound = talk
    video, out, told = tmp_path / "short.mp4", tmp_path / "dub.mp4", tmp_path / "report.json"
    write(video, frames[:25], Fraction(0), sound[: round(2.6 * SAMPLE_RATE)])
    assert main(["dub", str(video), "--out-vid-path", str(out), "--report", str(told), "--quiet"]) == 0
    report = script_from(json.loads(told.read_text()))
    errors = character_errors("Excuse me, where is the airport?", report.source_text)
    assert errors.errors <= 0.2 * errors.length, "a sentence that is not heard to its end lacks a third"
    assert (report.input_s, report.schedule) == (pytest.approx(2.6, abs=0.08), "ping_pong")
    own = FrameSource(video).own
    assert (own.start, own.stop) == (0, 25), "the footage is played to and fro as it is"


def _times(out: Path) -> list[str]:
    return [line for line in out.with_suffix(".ko.srt").read_text().splitlines() if "-->" in line]


def _last(out: Path) -> list[np.ndarray]:
    return [frame.rgb for frame in FrameSource(out).frames(90, 100)]
