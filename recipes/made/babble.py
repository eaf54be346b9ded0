"""A small corpus of made-up Korean without sound: to try a text-to-unit model's training without any recordings.

    python -m recipes.made.babble --out-dir babble --sentences 200

Sentences are random syllables. Their units follow rules that must be learnt from several letters: a final consonant is spoken as
the initial of a following syllable that begins with a vowel (연음), and marks are silence. Each unit has a length of its own.
"""

import logging
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.data.manifest import Entry, write_manifest
from avcore.data.unit_store import UnitRow, write_units
from avcore.flags import Command, QuietOptions, flag
from avcore.notes import several
from avcore.units import Units, fingerprint

LOG = logging.getLogger("netflips.babble")

_INITIALS, _VOWELS, _FINALS = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈ", "ㅏㅓㅗㅜㅡㅣ", ("", "ㄱ", "ㄴ", "ㄹ", "ㅁ")
_SILENT = "ㅇ"
_SOUNDS = (*(sound for sound in _INITIALS if sound != _SILENT), *_VOWELS, *(f"{sound}." for sound in _FINALS if sound))
SILENCE = len(_SOUNDS)
NUM_UNITS = len(_SOUNDS) + 1
VOCABULARY = fingerprint(b"babble", bytes([NUM_UNITS]))
_NUMBERS = {sound: number for number, sound in enumerate(_SOUNDS)}
_ALL_INITIALS, _ALL_VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_ALL_FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_WORDS, _SYLLABLES = (2, 5), (1, 4)
"""Words of a sentence and syllables of a word: from, to before."""
_LONGEST_SILENCE = 8


@dataclass(frozen=True)
class BabbleCorpus:
    """The files of a corpus."""

    manifest: Path
    """ids and text"""
    units: Path
    """units by id"""
    both: Path
    """units with their text"""


def babble_corpus(folder: str | Path, sentences: int = 200, seed: int = 0) -> BabbleCorpus:
    """Write a manifest, units, and units with text; the same arguments give the same corpus."""
    folder = Path(folder)
    entries, rows = [], []

    for number in range(sentences):
        rng = np.random.default_rng((seed, number))
        name, text = f"babble_{number:04d}", babble(rng)
        units = babbled_units(text, rng)
        entries.append(Entry(name, language="ko", speaker="nobody", text=text))
        rows.append(UnitRow(name, units, {"text": text}))

    corpus = BabbleCorpus(folder / "manifest.jsonl", folder / "units.jsonl", folder / "both.jsonl")
    write_manifest(corpus.manifest, entries)
    write_units(corpus.units, (UnitRow(row.id, row.units, {}) for row in rows))
    write_units(corpus.both, rows)
    return corpus


def babble(rng: np.random.Generator) -> str:
    """Return a sentence of made-up words."""
    words = ["".join(_syllable(rng) for _ in range(rng.integers(*_SYLLABLES))) for _ in range(rng.integers(*_WORDS))]
    return " ".join(words) + "."


def babbled_units(text: str, rng: np.random.Generator) -> Units:
    """Return the units of a sentence, with silence of random length at both ends."""
    apart = [_parts(sign) for sign in unicodedata.normalize("NFC", text) if sign != "."]
    frames = [SILENCE] * int(rng.integers(1, _LONGEST_SILENCE))
    linked = ""

    for place, parts in enumerate(apart):
        if parts is None:
            continue

        initial, vowel, final = parts
        sounds = [linked if initial == _SILENT else initial, vowel]
        behind = apart[place + 1] if place + 1 < len(apart) else None
        linked = final if behind is not None and behind[0] == _SILENT else ""
        sounds.append("" if linked or not final else f"{final}.")
        for sound in filter(None, sounds):
            unit = _NUMBERS[sound]
            frames += [unit] * (3 + unit % 3)

    frames += [SILENCE] * int(rng.integers(1, _LONGEST_SILENCE))
    return Units.from_frames(frames, "ko", VOCABULARY)


def _syllable(rng: np.random.Generator) -> str:
    initial, vowel, final = (str(rng.choice(list(parts))) for parts in (_INITIALS, _VOWELS, _FINALS))
    number = (_ALL_INITIALS.index(initial) * len(_ALL_VOWELS) + _ALL_VOWELS.index(vowel)) * len(_ALL_FINALS)
    return chr(ord("가") + number + _ALL_FINALS.index(final))


def _parts(sign: str) -> tuple[str, str, str] | None:
    """Initial, vowel and final of a syllable; None for a blank."""
    if not "가" <= sign <= "힣":
        return None
    number, final = divmod(ord(sign) - ord("가"), len(_ALL_FINALS))
    initial, vowel = divmod(number, len(_ALL_VOWELS))
    return _ALL_INITIALS[initial], _ALL_VOWELS[vowel], _ALL_FINALS[final]


@dataclass(frozen=True, kw_only=True)
class BabbleOptions(QuietOptions):
    """Make a small corpus to try a text-to-unit model's training with."""

    out_dir: Path = flag()
    """folder for the manifest and the units"""
    sentences: int = flag(default=200)
    """how many (default: 200)"""
    seed: int = flag(default=0)
    """another seed makes other sentences (default: 0)"""


def _make(options: BabbleOptions) -> None:
    corpus = babble_corpus(options.out_dir, options.sentences, options.seed)
    LOG.info("%s: %s, units in %s", corpus.manifest, several(options.sentences, "sentence"), corpus.units)


_COMMAND = Command(BabbleOptions, "recipes.made.babble", _make)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
