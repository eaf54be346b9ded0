"""Make the clip that `make demo` dubs: a drawn head, an espeak-ng voice. Needs libespeak-ng1 (apt-get install)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import run
from netflips.demo.clip import write_talking_head
from netflips.demo.espeak import EspeakVoice, say
from netflips.demo.head import Head

REPOSITORY = Path(__file__).resolve().parent.parent


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="make_demo_clip", description=__doc__)
    parser.add_argument("--out-path", type=Path, default=REPOSITORY / "demo" / "clip.mp4")
    parser.add_argument("--text", default="Excuse me, where is the nearest train station?")
    parser.add_argument("--voice", default="en-us+m3")
    parser.add_argument("--head-seed", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=(360, 480), metavar=("HEIGHT", "WIDTH"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    speech = say(options.text, EspeakVoice(options.voice))
    write_talking_head(options.out_path, speech, Head(options.head_seed), "en", tuple(options.size), options.head_seed)


if __name__ == "__main__":
    sys.exit(main())
