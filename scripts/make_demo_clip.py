"""Make the clip that `make demo` dubs, of a sentence, a voice and a head that training never meets. Needs libespeak-ng1."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import LOG, Parser, run
from avcore.errors import UsageError
from avcore.files import write_text
from netflips.demo.camera import Pose
from netflips.demo.cast import cast, held_out_pairs
from netflips.demo.clip import write_talking_head
from netflips.demo.espeak import EspeakVoice, say
from netflips.demo.head import Head
from netflips.demo.phrasebook import Pair

REPOSITORY = Path(__file__).resolve().parent.parent


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="make_demo_clip", description=__doc__)
    parser.add_argument(
        "--out-path", type=Path, default=REPOSITORY / "demo" / "clip.mp4", help="x.mp4; x.json is written beside it"
    )
    parser.add_argument("--text", default="Excuse me, where is the airport?", help="one of the sentences that are held out")
    parser.add_argument("--voice", default="en-us+f5", help="an espeak-ng voice with a variant that is held out")
    parser.add_argument("--head", type=int, default=3, help="which of the heads that are held out")
    parser.add_argument("--size", type=int, nargs=2, default=(360, 480), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--shift", type=float, nargs=2, default=(0.2, 0.06), metavar=("RIGHT", "DOWN"), help="shares of the height")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    pair, voice = _held_out_pair(options.text), _held_out_voice(options.voice)
    seed = cast().unheard_head(options.head)
    around = Pose(yaw=-0.12, shift=tuple(options.shift), scale=0.36)
    write_talking_head(options.out_path, say(pair.english, voice), Head(seed), "en", tuple(options.size), seed, around)
    facts = {
        "sentence": pair.english, "korean": pair.korean, "voice": voice.name, "words_per_minute": voice.words_per_minute,
        "head_seed": seed, "shift": list(options.shift),
    }  # fmt: skip
    write_text(options.out_path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    LOG.info("%s: %s says %r", options.out_path, voice.name, pair.english)


def _held_out_pair(text: str) -> Pair:
    for pair in held_out_pairs():
        if pair.english == text:
            return pair
    raise UsageError("this sentence is trained on, or in no phrasebook", found=text, expected="a line of held_out.txt")


def _held_out_voice(name: str) -> EspeakVoice:
    variants = cast().settings["held_out"]["variants"]
    if name.partition("+")[2] not in variants:
        raise UsageError("this voice may be trained on", found=name, expected=f"a variant of {', '.join(variants)}")
    return EspeakVoice(name)


if __name__ == "__main__":
    sys.exit(main())
