"""Write made-up speech in the layout of FLEURS, to try the whole recipe: `python recipes/public/made_fleurs.py --help`.

Sentences of the demo's phrasebook in English and Korean, spoken by espeak-ng in eight voices for each language; no sentence is in
two splits.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.flags import Command, QuietOptions, flag
from avcore.media import write_speech
from avcore.progress import bars, track
from avdata.prepare.espeak import EspeakVoice, espeak_speech
from recipes.demo.voices.phrasebook import phrasebook

_VARIANTS = ("m1", "m3", "m5", "m7", "f1", "f2", "f3", "f4")
_SHARES = {"dev": 0.1, "test": 0.1}
_FOLDERS = {"en_us": "en-us", "ko_kr": "ko"}


@dataclass(frozen=True, kw_only=True)
class FleursOptions(QuietOptions):
    """Write made-up speech in the layout of FLEURS."""

    out_dir: Path = flag(metavar="DIR")
    """folder for en_us and ko_kr"""
    sentences: int = flag(default=1000)
    """a tenth of each is to validate and to test on (default: 1000)"""
    seed: int = flag(default=0)
    """of sentences and voices (default: 0)"""


def write_fleurs(options: FleursOptions) -> None:
    """Do the work of the command; files that were spoken before are kept."""
    random, sentences = np.random.default_rng(options.seed), {pair.english: pair for pair in phrasebook().sentences()}
    chosen = [list(sentences.values())[number] for number in random.permutation(len(sentences))[: options.sentences]]
    held_out = [split for split, share in _SHARES.items() for _ in range(round(share * len(chosen)))]
    splits = [*held_out, *["train"] * (len(chosen) - len(held_out))]
    tables: dict[tuple[str, str], list[str]] = {}
    with bars(options.quiet) as progress:
        for number, (pair, split) in enumerate(track(list(zip(chosen, splits, strict=True)), "speaking", progress, len(chosen))):
            for folder, text in (("en_us", pair.english), ("ko_kr", pair.korean)):
                variant, name = _VARIANTS[int(random.integers(len(_VARIANTS)))], f"{number:05}.wav"
                voice = EspeakVoice(f"{_FOLDERS[folder]}+{variant}", int(random.integers(140, 190)), int(random.integers(35, 65)))
                path = options.out_dir / folder / "audio" / split / name
                if not path.exists():
                    spoken = espeak_speech(text, voice)
                    write_speech(path, spoken.samples, spoken.rate)
                gender = "MALE" if variant[0] == "m" else "FEMALE"
                tables.setdefault((folder, split), []).append(f"{number}\t{name}\t{text}\t{text}\t{' '.join(text)}\t0\t{gender}\n")
    for (folder, split), rows in tables.items():
        (options.out_dir / folder / f"{split}.tsv").write_text("".join(rows), encoding="utf-8")


_COMMAND = Command(FleursOptions, "made_fleurs.py", write_fleurs)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
