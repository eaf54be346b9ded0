"""Whose voice silent lips are given: the one asked for, that of the video's own sound, or nobody's."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from avcore.answers import SpeakerVoice
from avcore.arrays import Samples
from avcore.contracts import Speaker
from avcore.errors import NoSpeechError
from avcore.media import iter_speech_blocks, probe
from avcore.speech.regions import find_speech
from avcore.timeline import samples_to_seconds, seconds_to_samples
from unit2av.speakers.voice_of import neutral_voice, read_voice, voice_of

_WINDOW = seconds_to_samples(30)
"""Samples that are searched for speech at once."""
_ENOUGH, _LEAST = seconds_to_samples(20), seconds_to_samples(1)
"""Samples of speech that a voice is taken from, and that it needs."""
_STORED = (".npy", ".npz")


def choose_voice(given: Path | None, video: Path, speaker_dim: int, encoder: Callable[[], Speaker]) -> tuple[SpeakerVoice, str]:
    """The voice to speak in, and in words where it is from.

    given: a recording, a video or a stored voice; None = that of the video's own sound, or nobody's where it has none. Raises what
    `read_voice` raises, and NoSpeechError for a recording shorter than 1 s.
    """
    if given is not None:
        if (
            given.suffix.lower() not in _STORED
            and given.is_file()
            and (length := probe(given).duration_s) < samples_to_seconds(_LEAST)
        ):
            raise NoSpeechError(
                "the voice is too short", path=given, expected="1 s of speech or more", found=f"{float(length):.2f} s"
            )
        return read_voice(given, encoder), f"that of {given}"
    if not probe(video).has_audio:
        return neutral_voice(speaker_dim), "nobody's, as the video has no sound and no --speaker-path is given"
    spoken = _speech_in(video)
    if len(spoken) >= _LEAST:
        return voice_of(spoken, encoder()), f"that of the video's own sound, {float(samples_to_seconds(len(spoken))):.1f} s of it"
    return neutral_voice(speaker_dim), "nobody's, as the video's sound has too little speech and no --speaker-path is given"


def _speech_in(video: Path) -> Samples:
    """Speech of a video's sound, float32 [S] at 16 kHz: the first 20 s, or what there is."""
    found = [np.zeros(0, np.float32)]
    for window in _windows(iter_speech_blocks(video)):
        found += [window[seconds_to_samples(start) : seconds_to_samples(end)] for start, end in find_speech(window)]
        if sum(map(len, found)) >= _ENOUGH:
            break
    return np.concatenate(found)


def _windows(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks put together to pieces of about 30 s."""
    held = list[Samples]()
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _WINDOW:
            yield np.concatenate(held)
            held.clear()
    if held:
        yield np.concatenate(held)
