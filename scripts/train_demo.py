"""Make the demo bundle from nothing: what `make train-demo` runs. Stopped, it goes on where it was.

Needs espeak-ng (`make env` has it; pip install espeakng-loader), flite (apt-get install flite) and fairseq (make fairseq).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.flags import Command, QuietOptions, flag
from recipes.demo.recipe.recipe import RENDERER_OF_BOTH, about, recipe_steps, write_recipe_about
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import require_synthesisers
from text2unit.stage import SPELLER
from unit2av.voice.bandwidth import FILE as BAND_FILE
from unit2av.voice.named import FILE as VOICES_FILE
from unit2text.stage import TEXT_READER
from unit2unit.training.machine import require_fairseq


@dataclass(frozen=True, kw_only=True)
class TrainDemoOptions(QuietOptions):
    """Make the demo bundle from nothing: what `make train-demo` runs. Stopped, it goes on where it was."""

    run_dir: Path = flag(default=Path("runs/demo"), metavar="DIR")
    """all that is made on the way (default: runs/demo)"""
    bundle_dir: Path | None = flag(default=None, metavar="DIR")
    """where the bundle goes (default: where it is shipped)"""
    seed: int = flag(default=0)
    """of the material (default: 0)"""
    max_sentences: int = flag(default=0)
    """of the phrasebook: 60 or more (default: all)"""
    at_once: int = flag(default=2)
    """trainings side by side, a thread each (default: 2)"""
    settings: tuple[str, ...] = flag("--set", default=(), action="append", nargs=None, metavar="CONFIG:KEY=VALUE")
    """a setting of one training; can be given again"""


def _work(options: TrainDemoOptions) -> None:
    folder = options.run_dir
    is_made = {step: (folder / "steps" / f"{step}.json").is_file() for step in ("data", "voices")}
    require_synthesisers(with_flite=not is_made["data"], with_natural=not all(is_made.values()))
    require_fairseq()
    steps = recipe_steps(folder, options.seed, options.max_sentences, options.settings)
    runner = StepRunner(folder)
    runner.run(steps, options.at_once)
    write_recipe_about(folder / "about.json", about(runner, steps, options.seed, folder, options.settings))
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


_COMMAND = Command(TrainDemoOptions, "train_demo", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
