"""Make the demo's training material: speech in two languages, its units, and drawn faces that say it, from one seed.

Needs espeak-ng (`make env` has it; pip install espeakng-loader) and flite (apt-get install flite). Stopped, it goes on where it
was.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.progress import bars
from recipes.demo.material.make import make_material
from recipes.demo.voices.cast import require_synthesisers


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="make_demo_data", description=__doc__)
    parser.add_argument("--out-dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-sentences", type=int, default=0, help="of the phrasebook; 0: all that are not held out")
    parser.add_argument("--workers", type=int, default=2, help="processes; 0: none but this one")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    require_synthesisers(with_flite=True, with_natural=True)
    with bars(options.quiet) as progress:
        make_material(options.out_dir, options.seed, options.max_sentences, options.workers, progress)


if __name__ == "__main__":
    sys.exit(main())
