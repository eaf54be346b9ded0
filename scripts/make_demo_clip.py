"""Make the clip that `make demo` dubs, of a sentence, a voice and a head that are not in the training.

Needs the natural voices (`make voices`).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import write_text
from avcore.flags import Command, QuietOptions, flag
from netflips.cascade.kokoro import NaturalVoice, natural_speech
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import Head, between_pauses, write_talking_head
from recipes.demo.voices.cast import cast, held_out_english
from recipes.demo.voices.phrasebook import SentencePair, phrasebook

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class ClipOptions(QuietOptions):
    """Make the clip that `make demo` dubs, of a sentence, a voice and a head that training never meets."""

    out_path: Path = flag(default=REPOSITORY / "docs" / "clip" / "clip.mp4")
    """x.mp4; x.json is written beside it"""
    text: str = flag(default="Excuse me, where is the airport?")
    """one of the sentences that are held out"""
    voice: int = flag(default=0)
    """which of the natural voices that are held out (default: 0)"""
    speed: float = flag(default=1.0)
    """how fast it speaks, 1 = as it is"""
    pause: float = flag(default=0.2)
    """seconds of silence before and after (default: 0.2)"""
    head: int = flag(default=1)
    """which of the heads that are held out"""
    size: tuple[int, int] = flag(default=(720, 960), metavar=("HEIGHT", "WIDTH"))
    """of the frame, in pixels"""
    shift: tuple[float, float] = flag(default=(0.1, 0.05), metavar=("RIGHT", "DOWN"))
    """shares of the height"""
    articulation: float = flag(default=1.3)
    """how clearly the mouth moves, 1 = as in the training material (default: 1.3)"""


def _work(options: ClipOptions) -> None:
    voices = cast().unheard_styles
    if not 0 <= options.voice < len(voices):
        raise UsageError("there is no such natural voice that is held out", found=options.voice, expected=f"0..{len(voices) - 1}")

    pair, voice = _held_out_pair(options.text), NaturalVoice(voices[options.voice], options.speed)
    seed = cast().unheard_head(options.head)
    around = Pose(yaw=-0.12, shift=options.shift, scale=0.44)
    speech = between_pauses(natural_speech(pair.english, voice), options.pause)
    write_talking_head(options.out_path, speech, Head(seed), "en", options.size, seed, around, options.articulation)

    name = " and ".join(style for style, _ in voice.styles)
    facts = {
        "sentence": pair.english,
        "korean": pair.korean,
        "voice": f"Kokoro-82M, {name}",
        "styles": dict(voice.styles),
        "speed": voice.speed,
        "head_seed": seed,
        "shift": list(options.shift),
        "articulation": options.articulation,
    }
    write_text(options.out_path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    LOG.info("%s: %s says %r", options.out_path, facts["voice"], pair.english)


def _held_out_pair(text: str) -> SentencePair:
    for pair in phrasebook().all_pairs():
        if pair.english == text and text in held_out_english():
            return pair
    raise UsageError("this sentence is trained on, or in no phrasebook", found=text, expected="a line of held_out.txt")


_COMMAND = Command(ClipOptions, "make_demo_clip", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
