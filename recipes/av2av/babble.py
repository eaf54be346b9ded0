"""Add babble to a manifest's sound: the voices of other talks of the same corpus, at a signal-to-noise ratio.

    python -m recipes.av2av.babble data/manifest.jsonl --snr 0 --out-dir data/babble_0

Frames are not changed. The same manifest and ratio give the same sound.
"""

import os
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avcore.arrays import Floats
from avcore.command import LOG
from avcore.data.manifest import Entry, Manifest, read_manifest, write_manifest
from avcore.errors import InputError
from avcore.files import Input
from avcore.flags import Command, QuietOptions, flag, positional
from avcore.media import read_speech, write_speech
from avcore.notes import several
from avcore.progress import bars, track

_VOICES = 30
"""Number of voices at the same time, as in AV-HuBERT's babble (Shi et al. 2022, "Robust self-supervised audio-visual speech
recognition", section 4)."""
_LOUDEST = 0.99


@dataclass(frozen=True, kw_only=True)
class BabbleOptions(QuietOptions):
    """Put the voices of other talks over the sound of a manifest."""

    manifest: Path = positional("MANIFEST", file=Input("the manifest"))
    """of clips with speakers"""
    snr: float = flag(metavar="DB")
    """signal-to-noise ratio over a clip, dB"""
    out_dir: Path = flag(metavar="DIR")
    """folder for wav files and manifest.jsonl"""


def with_babble(speech: Floats, voices: Sequence[Floats], snr_db: float) -> Floats:
    """Add voices of equal loudness, repeated and cut to its length, to speech, float32 [S].

    The sum is scaled down where it would clip. Raises ValueError where speech or voices are silent.
    """
    # 1e-9, because a voice may be silent.
    babble = sum(np.resize(voice / (np.sqrt(np.mean(voice**2)) + 1e-9), len(speech)) for voice in voices)
    noise, power = np.asarray(babble, np.float32), float(np.mean(speech**2))
    if not power or not np.any(noise):
        raise ValueError("silence")
    noise *= np.sqrt(power / float(np.mean(noise**2)) / 10 ** (snr_db / 10))
    mixed = speech + noise
    return (mixed * min(1.0, _LOUDEST / float(np.abs(mixed).max()))).astype(np.float32)


def _work(options: BabbleOptions) -> None:
    manifest = read_manifest(options.manifest)
    if len({entry.speaker for entry in manifest.entries}) < 2:
        raise InputError("babble needs the voices of other talks", path=options.manifest, expected="two speakers or more")

    made = list[Entry]()
    with bars(options.quiet) as progress:
        for entry in track(manifest.entries, "babble", progress, len(manifest)):
            rng = np.random.default_rng(zlib.crc32(entry.id.encode()))  # the same voices at each ratio
            others = [one for one in manifest.entries if one.speaker != entry.speaker]
            chosen = [others[place] for place in rng.choice(len(others), min(_VOICES, len(others)), replace=False)]

            speech, out = _speech(manifest, entry), options.out_dir / "audio" / f"{entry.id}.wav"
            try:
                write_speech(out, with_babble(speech, [_speech(manifest, one) for one in chosen], options.snr))
            except ValueError as error:
                raise InputError("there is nothing to hear", path=entry.id) from error

            lips = os.path.relpath(manifest.root / entry.lips, options.out_dir) if entry.lips else ""
            made.append(replace(entry, audio=f"audio/{entry.id}.wav", lips=lips))
    write_manifest(options.out_dir / "manifest.jsonl", made)
    LOG.info("%s: %s at %g dB", options.out_dir / "manifest.jsonl", several(len(made), "clip"), options.snr)


def _speech(manifest: Manifest, entry: Entry) -> Floats:
    path = manifest.path(entry, "audio")
    if path is None:
        raise InputError("a clip has no sound", path=entry.id)
    return read_speech(path)


_COMMAND = Command(BabbleOptions, "babble", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
