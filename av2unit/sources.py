"""Speech and lips from the files of a command."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Frames, load_array
from avcore.errors import InputError, MediaError, NoSpeechError, UsageError
from avcore.faces.find import find_faces
from avcore.faces.select import FaceChoice
from avcore.media import AnySource, FrameSource, probe, read_gray_video, read_speech
from avcore.notes import NoteKind, report_note
from avcore.progress import Progress, silent
from avcore.timeline import FRAME_RATE, frames_to_seconds, samples_to_seconds

AUDIO, VIDEO = "audio", "video"
LIP_ARRAY = ".npy"
"""Suffix of lips that are stored as arrays, which need no decoding."""
_MAX_LIP_SIDE = 256
"""Pixels; a larger video is a whole frame and not a lip crop."""
_NOTABLE_DIFFERENCE_S = 0.2
_NOTABLE_DIFFERENCE_HZ = 0.05

_LIP_RATE = NoteKind("lip_rate", "lips at {rate:.3f} frames a second are taken for {usual}, so speech and lips may drift apart")
_LENGTHS = NoteKind(
    "lengths",
    lambda one, say: say(
        "{speech_s:.2f} s of sound and {lips_s:.2f} s of lips: the sound is cut to fit"
        if one["speech_s"] > one["lips_s"]
        else "{speech_s:.2f} s of sound and {lips_s:.2f} s of lips: the sound is filled with silence to fit"
    ),
)


def parse_modalities(text: str) -> frozenset[str]:
    """Read `audio,video`, `audio` or `video`; raises UsageError for anything else."""
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= {AUDIO, VIDEO} or len(set(names)) != len(names):
        raise UsageError("--modalities cannot be used", expected=f"{AUDIO},{VIDEO} or {AUDIO} or {VIDEO}", found=text)
    return frozenset(names)


def read_utterance(
    given: AnySource,
    modalities: frozenset[str],
    lip_path: str | Path | None = None,
    face: FaceChoice = "auto",
    progress: Progress = silent,
) -> tuple[Floats | None, Frames | None]:
    """Read the unit encoder's input from a video or sound file.

    lip_path: an existing lip video; None = lips are cut out of the video if `modalities` have video. face: which
    of several faces. Returns speech float32 [samples] at 16 kHz and lips uint8 [time, height, width] at 25 fps; one that
    `modalities` lack is None. Raises InputError, MediaError, NoSpeechError or NoFaceError.
    """
    info = probe(given)
    path, source = info.path, info.source
    if AUDIO in modalities and not info.has_audio:
        hint = f"use --modalities {VIDEO} to read the lips alone"
        raise MediaError("it has no sound track", path=info.path, expected="sound", found="video only", hint=hint)
    if VIDEO in modalities and lip_path is None and not info.has_video:
        hint = f"use --modalities {AUDIO}, or give a lip video with --in-lip-path"
        raise MediaError("it has no video track", path=info.path, expected="a video", found="sound only", hint=hint)

    # The search for the speaker's face needs the sound, too.
    is_looking = VIDEO in modalities and lip_path is None
    speech = read_speech(source) if info.has_audio and (AUDIO in modalities or is_looking) else None
    lips = None
    if VIDEO in modalities:
        lips = lips_of_video(source, face, speech, progress) if lip_path is None else read_lip_video(lip_path)

    if AUDIO not in modalities:
        return None, lips
    if speech is None or not speech.size:
        raise NoSpeechError("its sound track is empty", path=path, hint="use --modalities video to read the lips alone")

    if lips is not None:
        compare_lengths(path, speech, lips)
    return speech, lips


def lips_of_video(
    source: AnySource, face: FaceChoice = "auto", speech: Floats | None = None, progress: Progress = silent
) -> Frames:
    """Find the speaker's face in a video and cut out the lips, uint8 [time, 96, 96] at 25 fps.

    speech: float32 [samples] at 16 kHz, to find who speaks. Raises MediaError for a file without video, NoFaceError for a video
    without a face.
    """
    frames = FrameSource(source)
    return find_faces(frames, face, speech, progress, len(frames), frames.path, frames.info.pixel_aspect).lips


def read_lip_video(path: str | Path) -> Frames:
    """Read existing lips, gray uint8 [time, height, width]: a video, or a `.npy` array, which is mapped.

    Raises InputError if they are no lip crops.
    """
    if Path(path).suffix == LIP_ARRAY:
        return map_lips(path)
    info = probe(path)
    if max(info.width, info.height) > _MAX_LIP_SIDE:
        raise InputError(
            "this is a whole frame and no lip video",
            path=path,
            expected="a mouth crop of 96 x 96 pixels",
            found=f"{info.width} x {info.height}",
            hint="leave --in-lip-path out, and the lips are found in the video",
        )

    if info.has_video and abs(info.frame_rate - FRAME_RATE) > _NOTABLE_DIFFERENCE_HZ:
        report_note(_LIP_RATE(rate=float(info.frame_rate), usual=FRAME_RATE), path)
    return read_gray_video(path)


def read_lips(path: str | Path) -> Frames:
    """Read the lips of a corpus, gray uint8 [time, height, width]: a video, or a `.npy` array, which is mapped.

    Raises MediaError or InputError.
    """
    return map_lips(path) if Path(path).suffix == LIP_ARRAY else read_gray_video(path)


def compare_lengths(path: str | Path, speech: Floats, lips: Frames) -> None:
    """Report a note if much of the sound is cut, or much silence is appended, to fit the lips (as published)."""
    speech_s, lips_s = samples_to_seconds(len(speech)), frames_to_seconds(len(lips))
    if abs(speech_s - lips_s) > _NOTABLE_DIFFERENCE_S:
        report_note(_LENGTHS(speech_s=float(speech_s), lips_s=float(lips_s)), path)


def map_lips(path: str | Path) -> NDArray[np.uint8]:
    """Map lips from a `.npy` file of uint8 [time, height, width]. Raises InputError if it holds anything else."""
    lips = load_array(path, "the lips", is_mapped=True)
    if lips.dtype != np.uint8 or lips.ndim != 3 or not len(lips):
        raise InputError(
            "these are no lips", path=path, expected="uint8 [time, height, width]", found=f"{lips.dtype} {list(lips.shape)}"
        )
    return lips
