"""Make the demo bundle from nothing: what `make train-demo` runs. Stopped, it goes on where it was.

Needs espeak-ng (`make env` has it; pip install espeakng-loader), flite (apt-get install flite) and fairseq (make fairseq).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avcore.command import Parser, add_quiet_options, run
from recipes.demo.recipe.recipe import RENDERER_OF_BOTH, about, recipe_steps, write_recipe_about
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import require_synthesisers
from text2unit.stage import SPELLER
from unit2av.voice.bandwidth import FILE as BAND_FILE
from unit2av.voice.named import FILE as VOICES_FILE
from unit2text.stage import TEXT_READER
from unit2unit.training.machine import require_fairseq


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="train_demo", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/demo"), help="all that is made on the way (default: runs/demo)")
    parser.add_argument("--bundle-dir", type=Path, default=None, help="where the bundle goes (default: where it is shipped)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-sentences", type=int, default=0, help="of the phrasebook: 60 or more (default: all)")
    parser.add_argument("--at-once", type=int, default=2, help="trainings side by side, a thread each (default: 2)")
    parser.add_argument("--set", action="append", default=[], metavar="CONFIG:KEY=VALUE", help="a setting of one training")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    folder: Path = options.run_dir
    is_made = {step: (folder / "steps" / f"{step}.json").is_file() for step in ("data", "voices")}
    require_synthesisers(with_flite=not is_made["data"], with_natural=not all(is_made.values()))
    require_fairseq()
    steps = recipe_steps(folder, options.seed, options.max_sentences, options.set)
    runner = StepRunner(folder)
    runner.run(steps, options.at_once)
    write_recipe_about(folder / "about.json", about(runner, steps, options.seed, folder, options.set))
    where = [] if options.bundle_dir is None else ["--bundle-dir", str(options.bundle_dir)]
    bundle = (sys.executable, "-m", "netflips.bundles.command")
    pack = (
        *bundle, "pack", "--unit-encoder", str(folder / "unit_encoder.safetensors"),
        "--translator", str(folder / "unit2unit" / "checkpoints" / "checkpoint_best.pt"),
        "--renderer", str(folder / f"{RENDERER_OF_BOTH}.safetensors"), "--references", str(folder / "data" / "references.jsonl"),
        "--text-reader", str(folder / TEXT_READER.file), "--speller", f"ko={folder / SPELLER.file_for('ko')}",
        "--mouth-table", str(folder / "mouth.npz"), "--band-extension", str(folder / BAND_FILE),
        "--voices", str(folder / VOICES_FILE),
        "--about", str(folder / "about.json"), "--precision", "int8", *where,
    )  # fmt: skip
    runner.run([Step("bundle", (pack, (*bundle, "calibrate", *where)))], 1)


if __name__ == "__main__":
    sys.exit(main())
