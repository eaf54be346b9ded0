"""Dubs that are known to be worse: what a system of a bench made, damaged on purpose.

python -m tests.netflips.evaluate.planted BENCH/systems/NAME     # writes BENCH/systems/NAME_squeezed and so on
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import cv2
import numpy as np

from avcore.faces.detect import FaceDetector
from avcore.media import PictureSource, VideoWriter, read_speech
from avcore.speech.audio import resample
from avcore.speech.voice_activity import find_speech
from avcore.timeline import FRAME_RATE, SAMPLE_RATE

Sound = np.ndarray
SQUEEZE, LEFT, HIGHER, LAG_S, BLUR = 1.7, 0.6, 1.35, 0.2, 0.04


def at_pace(samples: Sound, factor: float) -> Sound:
    """Speech float32 [S], faster by a factor at the same pitch, by FFmpeg's atempo."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono")
    tempo, sink = graph.add("atempo", f"{factor}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    source.push(frame)
    source.push(None)
    found = []
    while True:
        try:
            found.append(sink.pull().to_ndarray().ravel())
        except (av.BlockingIOError, av.EOFError):
            return np.concatenate(found).astype(np.float32)


def squeezed(samples: Sound) -> Sound:
    """Each utterance in three fifths of its time."""
    made = samples.copy()
    for one in find_speech(samples):
        start, end = round(one.start_s * SAMPLE_RATE), round(one.end_s * SAMPLE_RATE)
        fast = at_pace(samples[start:end], SQUEEZE)[: end - start]
        made[start:end] = 0
        made[start : start + len(fast)] = fast
    return made


def cut(samples: Sound) -> Sound:
    """The end of each utterance is missing."""
    made = samples.copy()
    for one in find_speech(samples):
        made[round((one.start_s + LEFT * (one.end_s - one.start_s)) * SAMPLE_RATE) : round(one.end_s * SAMPLE_RATE)] = 0
    return made


def other_voice(samples: Sound) -> Sound:
    """Somebody smaller speaks, in the same time."""
    slow = at_pace(samples, 1 / HIGHER)
    return np.resize(resample(slow, round(SAMPLE_RATE * HIGHER), SAMPLE_RATE), len(samples)).astype(np.float32)


def late(samples: Sound) -> Sound:
    """The sound comes 200 ms behind the picture."""
    return np.concatenate([np.zeros(round(LAG_S * SAMPLE_RATE), np.float32), samples])[: len(samples)]


SOUNDS: Mapping[str, Callable[[Sound], Sound]] = {"squeezed": squeezed, "cut": cut, "other_voice": other_voice, "late": late}
BLURRED = "blurred_mouth"
DAMAGES = (*SOUNDS, BLURRED)


def blurred(picture: np.ndarray, detector: FaceDetector) -> np.ndarray:
    """A picture uint8 [h, w, 3] whose faces are soft below the nose."""
    made = picture.copy()
    for x1, y1, x2, y2 in detector.boxes(picture):
        part = (slice(int(y1 + 0.5 * (y2 - y1)), int(y2)), slice(max(int(x1), 0), int(x2)))
        made[part] = cv2.GaussianBlur(made[part], (0, 0), BLUR * (x2 - x1))
    return made


def plant(video: Path, out: Path, damage: str) -> None:
    """Write a dub once more, damaged."""
    source, samples = PictureSource(video), read_speech(video)
    first = next(iter(source)).rgb
    with FaceDetector() as detector, VideoWriter(out, first.shape[1], first.shape[0], FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(SOUNDS[damage](samples) if damage in SOUNDS else samples)
        for picture in PictureSource(video):
            writer.write_picture(blurred(picture.rgb, detector) if damage == BLURRED else picture.rgb)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in DAMAGES:
        made = folder.with_name(f"{folder.name}_{name}")
        made.mkdir(exist_ok=True)
        for one in sorted(folder.glob("*.mp4")):
            if not (made / one.name).is_file():
                plant(one, made / one.name, name)
        words = name.replace("_", " ")
        (made / "system.yaml").write_text(f"name: {folder.name}, {words}\nhow: planted, to see that it ranks below its original\n")
