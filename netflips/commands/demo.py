"""`netflips demo` (`make demo`): dub the clip that comes with NetfLips, let a portrait speak the dub, and report the result."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.flags import CommonOptions
from avcore.media import read_speech
from avcore.notes import print_text, shown
from avcore.progress import bars
from netflips.bundles.references import Match, nearest_reference, read_references
from netflips.commands.options import DemoOptions, PortraitCommand
from netflips.commands.portrait import animate
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import RunOptions, bundle_paths, require_bundle
from netflips.models import load_models
from netflips.report.files import ReportFiles, speed_of
from netflips.script.types import Script
from unit2av.stage import RENDERER
from unit2text.stage import UNIT2TEXT

_WIDTH = 18


def run_demo(options: DemoOptions) -> None:
    """Dub a clip, let a portrait speak the dub, and print the result."""
    video, out_dir = options.video, options.out_dir
    started = time.perf_counter()
    bundle = require_bundle()
    bundle.report_use()
    source, target = str(bundle.about["source"]), str(bundle.about["target"])
    models = load_models(bundle_paths(bundle), source, target, RunOptions(options.device, options.precision))
    loaded_s = time.perf_counter() - started

    out = out_dir / f"{options.stem}_{target}.mp4"
    has_reader = models.paths.other(UNIT2TEXT) is not None
    page, settings = out_dir / "report.html", DubOptions(subtitles="source,target" if has_reader else None)
    reports = ReportFiles([page, out_dir / "report.json"], [(video, out)])

    with bars(options.quiet) as progress:
        report = dub(video, out, models, settings, progress=progress, decide=lambda _: None)
    reports.add(report)
    reports.write()

    talking = out_dir / f"portrait_{target}.mp4"
    animated_s = _let_talk(options.portrait, options, bundle, out, talking)
    dubbed = replace(models.extractor.extract(read_speech(out)), language=target)
    match = nearest_reference(dubbed, read_references(bundle.references))

    times = [*_times(report, loaded_s), ("talking portrait", f"{animated_s:.2f} s")] if options.verbose else []
    files = _files(video, out, talking, page, settings, (source, target))
    lines = [*_expected(video), *_texts(report), *_heard(match), *times, *files]
    print_text("\n".join(shown(f"{name:<{_WIDTH}}{text}") for name, text in lines))


def _expected(clip: Path) -> Iterator[tuple[str, str]]:
    """Yield what is known of the clip, from the JSON file beside it; only the shipped clip has one."""
    path = clip.with_suffix(".json")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not facts:
        return
    yield "source sentence", facts["sentence"]
    yield "expected Korean", facts["korean"]
    yield (
        "never trained on",
        f"this sentence; this English voice ({facts['voice']}); this face (seed {facts['head_seed']}, off centre)",
    )


def _texts(report: Script) -> Iterator[tuple[str, str]]:
    """Yield the texts of the source and of the dub, as the unit-to-text model recognizes them."""
    if not report.source_text and not report.target_text:
        yield "as text", "nothing was read: these models have no unit-to-text model for it"
    for utterance in report.processed:
        for name, language, text in (("heard", report.source, utterance.text), ("said", report.target, utterance.spoken)):
            if text is not None and text.text:
                yield f"{name}, as text", f"{text.text}  ({language})"


def _heard(match: Match) -> Iterator[tuple[str, str]]:
    """Yield the known sentence whose units are nearest to those of the dub, and the distance."""
    yield "heard in the dub", f"{match.reference.text}  ({match.reference.translation})"
    units = len(match.reference.units)
    yield "its distance", f"{match.distance} of {units} units differ from the reference voice saying it ({match.error_rate:.0%})"


def _times(report: Script, loaded_s: float) -> Iterator[tuple[str, str]]:
    yield "load models", f"{loaded_s:.2f} s"
    for step in report.result.timings:
        yield f"  {step.name}", f"{step.seconds:.2f} s ({speed_of(report, step):.1f} x real time)"
    drawn = f"{report.num_drawn} of {report.result.frames}"
    yield "length", f"{report.input_s:.2f} s in, {report.output_s:.2f} s out; lips in {drawn} frames"


def _let_talk(portrait: Path, options: CommonOptions, bundle: Bundle, dub: Path, out: Path) -> float:
    """Let the portrait speak the dub's speech; returns how long that took (s)."""
    started = time.perf_counter()
    encoder, renderer = (bundle.checkpoint(stage) for stage in (UNIT_ENCODER, RENDERER))
    animate(
        PortraitCommand(
            portrait,
            out,
            speech=dub,
            label="synthetic",
            av2unit_path=encoder,
            unit2av_path=renderer,
            device=options.device,
            precision=options.precision,
            quiet=options.quiet,
        )
    )
    return time.perf_counter() - started


def _files(
    clip: Path, out: Path, talking: Path, page: Path, settings: DubOptions, languages: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    yield "source", str(clip)
    yield "DUBBED VIDEO", str(out)
    if settings.subtitling is not None:
        for path in settings.subtitling.files(out, *languages).values():
            yield "subtitles", str(path)
    yield "TALKING PORTRAIT", str(talking)
    yield "page about it", str(page)
