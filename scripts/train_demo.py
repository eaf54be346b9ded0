"""Make a bundle from nothing: `make train-demo` runs this, and `--cast shipped` trains the shipped models, which takes days.

If it is stopped, the same command goes on where it was; `--minutes` stops it after a time.

Needs espeak-ng (`make env` has it; pip install espeakng-loader), flite (apt-get install flite) and fairseq (make fairseq).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.command import LOG
from avcore.flags import Command, QuietOptions, flag
from avcore.journal import folder_lock
from recipes.demo.recipe.recipe import RENDERER_OF_BOTH, about, recipe_steps, write_recipe_about
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import DEMO, SHIPPED, require_synthesisers
from text2unit.stage import TEXT2UNIT
from unit2av.voice.named import FILE as VOICES_FILE
from unit2text.stage import UNIT2TEXT
from unit2unit.training.machine import require_fairseq


@dataclass(frozen=True, kw_only=True)
class TrainDemoOptions(QuietOptions):
    """Make a bundle from nothing: what `make train-demo` runs. Stopped, it goes on where it was."""

    run_dir: Path = flag(default=Path("runs/demo"), metavar="DIR")
    """all that is made on the way (default: runs/demo)"""
    bundle_dir: Path | None = flag(default=None, metavar="DIR")
    """where the bundle goes (default: where it is shipped; with --cast shipped, bundle in the run's folder)"""
    seed: int = flag(default=0)
    """of the material (default: 0)"""
    max_sentences: int = flag(default=0)
    """of the phrasebook: 60 or more (default: all)"""
    at_once: int = flag(default=2)
    """trainings side by side, a thread each (default: 2)"""
    cast: str = flag(default=DEMO, choices=(DEMO, SHIPPED))
    """the demo's afternoon, or the material and sizes of the shipped models: days (default: demo)"""
    minutes: float = flag(default=0.0)
    """stop after so long; the same command goes on (default: at the end)"""
    status: bool = flag(default=False)
    """say which steps are done, and do nothing"""
    settings: tuple[str, ...] = flag("--set", default=(), action="append", nargs=None, metavar="CONFIG:KEY=VALUE")
    """a setting of one training; can be given again"""


def _work(options: TrainDemoOptions) -> None:
    folder = options.run_dir.absolute()
    steps = recipe_steps(folder, options.seed, options.max_sentences, options.settings, options.cast)
    runner = StepRunner(folder)

    if options.status:
        for step in steps:
            done = runner.record(step.name)
            LOG.info("%-18s %s", step.name, f"done, {done['seconds'] / 3600:.1f} h" if done else "to do")
        return

    is_made = {step: runner.record(step) is not None for step in ("data", "voices")}
    require_synthesisers(with_flite=not is_made["data"], with_natural=not all(is_made.values()))
    require_fairseq()
    with folder_lock(folder):
        is_whole = runner.run(steps, options.at_once, options.minutes)
    if not is_whole:
        LOG.info("%g minutes are over; the same command goes on", options.minutes)
        return

    write_recipe_about(folder / "about.json", about(runner, steps, options.seed, folder, options.settings, options.cast))
    bundle_dir = options.bundle_dir or (None if options.cast == DEMO else folder / "bundle")
    where = [] if bundle_dir is None else ["--bundle-dir", str(bundle_dir)]
    bundle = (sys.executable, "-m", "netflips.commands.bundle")
    pack = (
        *bundle, "pack", "--unit-encoder", str(folder / "unit_encoder.safetensors"),
        "--translator", str(folder / "unit2unit" / "checkpoints" / "checkpoint_best.pt"),
        "--renderer", str(folder / f"{RENDERER_OF_BOTH}.safetensors"), "--references", str(folder / "data" / "references.jsonl"),
        "--unit-to-text", str(folder / UNIT2TEXT.file), "--text-to-unit", f"ko={folder / TEXT2UNIT.file_for('ko')}",
        "--mouth-table", str(folder / "mouth.npz"), "--voices", str(folder / VOICES_FILE),
        "--about", str(folder / "about.json"), "--precision", "int8", *where,
    )  # fmt: skip
    confidence = (sys.executable, "-m", "recipes.demo.recipe.confidence", str(folder / "confidence"), *where)
    runner.run([Step("bundle", (pack, (*bundle, "calibrate", *where), confidence))], 1)


_COMMAND = Command(TrainDemoOptions, "train_demo", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
