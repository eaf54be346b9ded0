"""A clip of a drawn head that says something: sound, mouth and head movement belong together."""

from pathlib import Path

import numpy as np

from avcore.media import VideoWriter
from avcore.speech.audio import resample
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_covering, samples_to_seconds
from avdata.prepare.espeak import TimedSpeech
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, MouthShape, draw
from recipes.demo.heads.motion import motion, mouth_track


def between_pauses(speech: TimedSpeech, pause_s: float) -> TimedSpeech:
    """Speech with so many seconds of silence before and after it, as of somebody who begins to talk and ends."""
    silence = np.zeros(round(pause_s * speech.rate), np.float32)
    shift = len(silence) / speech.rate
    phonemes = tuple((name, start + shift, end + shift) for name, start, end in speech.phonemes)
    return TimedSpeech(np.concatenate([silence, speech.samples, silence]), speech.rate, phonemes)


def write_talking_head(
    path: str | Path,
    speech: TimedSpeech,
    head: Head,
    language: str,
    size: tuple[int, int],
    seed: int,
    around: Pose | None = None,
) -> None:
    """Write a video of a head that says `speech`, 25 fps and 16 kHz.

    size: height and width of the picture. language: of the phonemes, for the mouth. seed: of the head's movement around the
    pose `around`, None = in the middle.
    """
    num_frames = frames_covering(samples_to_seconds(len(speech.samples), speech.rate))
    openings, widths = mouth_track(speech.phonemes, num_frames, language)
    with VideoWriter(path, size[1], size[0], FRAME_RATE, SAMPLE_RATE) as writer:
        writer.write_sound(resample(speech.samples, speech.rate, SAMPLE_RATE))
        for pose, opening, width in zip(motion(seed, num_frames, around), openings, widths, strict=True):
            writer.write_picture(draw(head, pose, MouthShape(float(opening), float(width)), size))
