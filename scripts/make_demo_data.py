"""Make the demo's training material: speech in two languages, its units, and drawn faces that speak it, from one seed.

Needs espeak-ng (`make env` has it; pip install espeakng-loader) and flite (apt-get install flite). If it is stopped, the same
command goes on where it was.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.flags import Command, CommonOptions, flag
from avcore.progress import bars
from recipes.demo.material.make import Part, make_material
from recipes.demo.voices.cast import DEMO, SHIPPED, cast, require_synthesisers


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
    cast: str = flag(default=DEMO, choices=(DEMO, SHIPPED))
    """who speaks: the demo's few voices, or the many of the shipped models (default: demo)"""
    part: str = flag(default="1/1", metavar="N/ALL")
    """make every ALL-th sentence from the N-th on (default: all)"""
    languages: tuple[str, ...] = flag(default=("en", "ko"), nargs="+", metavar="LANGUAGE")
    """of the takes (default: en ko)"""


def _work(options: MaterialOptions) -> None:
    first, _, of = options.part.partition("/")
    if not (first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)):
        raise UsageError("--part is no part", expected="N/ALL, as 1/8", found=options.part)
    part = Part(int(first) - 1, int(of), options.languages)
    require_synthesisers(with_flite=True, with_natural=True)
    with bars(options.quiet) as progress:
        people = cast(options.cast)
        make_material(options.out_dir, options.seed, options.max_sentences, options.workers, progress, people, part)


_COMMAND = Command(MaterialOptions, "make_demo_data", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
