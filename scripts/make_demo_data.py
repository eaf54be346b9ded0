"""Make the demo's training material: speech in two languages, its units, and drawn faces that say it, from one seed.

Needs espeak-ng (`make env` has it; pip install espeakng-loader) and flite (apt-get install flite). Stopped, it goes on where it
was.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.flags import Command, CommonOptions, flag
from avcore.progress import bars
from recipes.demo.material.make import make_material
from recipes.demo.voices.cast import require_synthesisers


@dataclass(frozen=True, kw_only=True)
class MaterialOptions(CommonOptions):
    """Make the demo's training material: speech in two languages, its units, and drawn faces that say it, from one seed."""

    out_dir: Path = flag()
    """folder for all of it"""
    seed: int = flag(default=0)
    """another seed makes other material (default: 0)"""
    max_sentences: int = flag(default=0)
    """of the phrasebook; 0: all that are not held out"""
    workers: int = flag(default=2)
    """processes; 0: none but this one"""


def _work(options: MaterialOptions) -> None:
    require_synthesisers(with_flite=True, with_natural=True)
    with bars(options.quiet) as progress:
        make_material(options.out_dir, options.seed, options.max_sentences, options.workers, progress)


_COMMAND = Command(MaterialOptions, "make_demo_data", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
