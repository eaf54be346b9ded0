"""Windows of five faces and their sound, as Wav2Lip's sync expert and its generator are fed with."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pictures
from avcore.errors import InputError
from avcore.timeline import exact, frames_covering, frames_to_seconds
from unit2av.face.model import FACE_SIZE
from unit2av.lip_crops import ClipFaces
from unit2av.lip_task import LipWindows, windows_seen
from unit2av.lipsync.wav2lip.model import CHUNK, MEL_RATE, Mel, chunks_at
from unit2av.lipsync.wav2lip.training.corpus import SHORTEST, MelCache, SoundClip
from unit2av.lipsync.wav2lip.training.critics import WINDOW

Example = TypeVar("Example", "GeneratorExample", "ExpertExample")


class GeneratorExample(NamedTuple):
    """What the generator learns from one window.

    target, reference: uint8 [5, 96, 96, 3] RGB. sounds: float32 [5, 1, 80, 16], the chunk that each picture is drawn from, which
    begins a picture before it. sound: float32 [1, 80, 16], the chunk that the expert compares the window with.
    """

    target: Pictures
    reference: Pictures
    sounds: Mel
    sound: Mel


class ExpertExample(NamedTuple):
    """What the expert learns from one window.

    mouths: uint8 [5, 48, 96, 3] RGB, lower halves. sound: float32 [1, 80, 16]. label: float32 [], 1 = they belong together.
    """

    mouths: Pictures
    sound: Mel
    label: NDArray[np.float32]


class _SoundWindows(LipWindows[SoundClip, Example]):
    """One random window of each clip in an epoch, as published.

    lead: pictures before a window that must be heard too. behind: pictures of the window whose own chunk must be whole.
    num_items: as many windows, the clips in turn; 0 = one of each clip.
    """

    lead: int
    behind: int

    def __init__(self, clips: Sequence[SoundClip], cache: str | Path, seed: int, num_items: int = 0) -> None:
        super().__init__(clips, cache, seed, np.resize(np.arange(len(clips)), num_items or len(clips)))
        self._mels = MelCache(cache)

    def _choose(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> tuple[Mel, int, int]:
        """Return the clip's mel, the first picture of a window with sound, and that of another window of the clip."""
        mel = self._mels.mel(clip)
        if len(faces.pictures) < SHORTEST:
            raise InputError(
                "the clip is too short", path=clip.footage.video, expected=f"{SHORTEST} pictures", found=len(faces.pictures)
            )
        seen = windows_seen(faces, WINDOW)
        first, last = self.lead + clip.offset, clip.offset + _num_heard(mel) - self.behind
        heard = seen[(seen >= first) & (seen <= last)]
        if not len(heard) or len(seen) < 2:
            raise InputError(
                f"no {WINDOW} pictures on end have a face and sound, and others a face",
                path=clip.footage.video,
                expected="face boxes for them, and sound as long as the pictures",
            )
        start = int(generator.choice(heard))
        return mel, start, int(generator.choice(seen[seen != start]))


class GeneratorWindows(_SoundWindows[GeneratorExample]):
    """Windows for the generator, their references from anywhere else in the clip."""

    lead, behind = 1, WINDOW - 1

    def example(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> GeneratorExample:
        """Return a window with its sound, and another one for reference."""
        mel, start, other = self._choose(clip, faces, generator)
        target, reference = (faces.pictures[first : first + WINDOW] for first in (start, other))
        times = [frames_to_seconds(start - clip.offset + picture) for picture in range(WINDOW)]
        return GeneratorExample(target, reference, chunks_at(mel, times), _window_sound(mel, start - clip.offset))


class ExpertWindows(_SoundWindows[ExpertExample]):
    """Windows for the expert: with their own sound, or, as often, with that of another window, near or far."""

    lead, behind = 0, 1

    def example(self, clip: SoundClip, faces: ClipFaces, generator: np.random.Generator) -> ExpertExample:
        """Return the faces of one of two windows, and the sound of the first."""
        mel, start, other = self._choose(clip, faces, generator)
        label = generator.integers(2)
        shown = start if label else other
        mouths = faces.pictures[shown : shown + WINDOW, FACE_SIZE // 2 :]
        return ExpertExample(mouths, _window_sound(mel, start - clip.offset), np.array(label, np.float32))


def _window_sound(mel: Mel, picture: int) -> Mel:
    """Return the chunk that begins with a picture: float32 [1, 80, 16]."""
    window: Mel = chunks_at(mel, [frames_to_seconds(picture)], is_published=True)[0]
    return window


def _num_heard(mel: Mel) -> int:
    """Return how many pictures of 25 a second have a whole chunk, the first at 0 s."""
    return frames_covering(max(exact(0), exact(mel.shape[1] - CHUNK + 1) / MEL_RATE))
