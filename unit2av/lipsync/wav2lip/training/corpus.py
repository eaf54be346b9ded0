"""The clips that Wav2Lip's training learns from: videos with face boxes and sound, checked before the first step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.errors import InputError
from avcore.files import atomic_output, require_file
from avcore.media import read_speech
from unit2av.lip_crops import cached_stem
from unit2av.lip_task import ClipReading, FilmedClip
from unit2av.lipsync.wav2lip.model import Mel, mel_of
from unit2av.lipsync.wav2lip.training.config import SoundDataConfig

SHORTEST = 16
"""Pictures that a clip must have, as published."""
_OFFSET = "sync_offset"


@dataclass(frozen=True, eq=False)
class SoundClip(FilmedClip):
    """One clip. sound: the file that its sound is in. offset: pictures of 40 ms by which the sound comes too early."""

    sound: Path
    offset: int = 0


@dataclass(frozen=True)
class SoundClips:
    """What a run trains and validates on."""

    train: tuple[SoundClip, ...]
    valid: tuple[SoundClip, ...]


def read_sound_clips(config: SoundDataConfig, seed: int) -> SoundClips:
    """Read and check all that a run learns from.

    Raises InputError naming clips without video, boxes or sound file and clips that are too short (a warning instead, where the
    config allows).
    """
    train = _read(config.train, config)
    if config.valid:
        return SoundClips(tuple(train), tuple(_read(config.valid, config)))
    kept, held_out = config.held_out(train, seed, lambda clip: clip.id, "clips")
    return SoundClips(tuple(kept), tuple(held_out))


def _read(manifest_path: str, config: SoundDataConfig) -> list[SoundClip]:
    reading, clips = ClipReading(manifest_path, config), list[SoundClip]()
    for entry, footage in reading.footages():
        sound = reading.manifest.path(entry, "audio") or footage.video
        if not sound.is_file():
            reading.lacks(entry, "without a sound file", "set data.root", sound)
        elif 0 < entry.frames < SHORTEST:
            reading.lacks(entry, f"too short, below {SHORTEST} pictures", "cut longer clips", entry.frames)
        else:
            clips.append(SoundClip(footage, sound, _offset_of(entry.extra.get(_OFFSET, 0), Path(manifest_path), entry.id)))
    return reading.require(clips)


def _offset_of(value: object, path: Path, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{_OFFSET} of {name} is no number of pictures", path=path, expected="a whole number", found=repr(value))
    return value


class MelCache:
    """A folder of mels, one file a clip; made anew when the sound changes. Computing them for every window would take longest."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def mel(self, clip: SoundClip) -> Mel:
        """Return the mel of a clip's whole sound, float32 [80, L]. Raises InputError or MediaError for sound that cannot be
        used."""
        sound = require_file(clip.sound, "the sound")
        path = self._folder / f"{cached_stem(clip.id, (sound,))}.mel.npy"
        if not path.exists():
            mel = mel_of(read_speech(sound))
            with atomic_output(path) as temporary:
                np.save(temporary, mel)
        return np.asarray(np.load(path, mmap_mode="r"))
