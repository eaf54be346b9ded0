"""The work of `netflips dub`: one video, several one after another, or many side by side."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from avcore.command import LOG
from avcore.compute.inference import suit_threads
from avcore.errors import EXIT_FAILED, InputError, MediaError, NetflipsError, NotUnderstoodError, OutputError, UsageError
from avcore.files import VIDEO_SUFFIXES, check_files, require_own_names, write_text
from avcore.flags import declared_in
from avcore.journal import Seldom
from avcore.media import probe
from avcore.media.writer import SYNTHETIC
from avcore.notes import require_utf8, several
from avcore.progress import bars, run_bar
from netflips.bundles.paths import given_or_bundle
from netflips.cascade.engines import require_road
from netflips.dub.files_used import voices_of
from netflips.dub.options import DubCommand
from netflips.models import Models, choose_languages, load_models
from netflips.options import DubOptions, ModelPaths, RecordingOptions, RunOptions
from netflips.pipeline import dub
from netflips.report import summary_of
from netflips.report.files import ReportFiles
from netflips.script.files import script_from, write_script
from netflips.script.types import Script
from netflips.subtitles.reader import require_reader
from netflips.understanding import Decide, Understanding, tell_verdict

_YES = ("y", "yes", "예", "네")
"""Answers that let a dub go on."""
Job = tuple[Path, Path]
"""A video and the file for its dub."""


def dub_videos(
    options: DubCommand,
    recording: RecordingOptions,
    reports: list[Script] | None = None,
) -> int | None:
    """Do what the options ask for; returns the exit code. All files are checked before any model is loaded.

    reports: gets what was done, a script for each dub.
    """
    options.cascade_models()  # before models are looked for: they are others
    paths = given_or_bundle(options)
    languages = choose_languages(options.source, options.to, paths)
    settings = _dub_options(options, languages, recording)
    jobs = _jobs_of(options, settings.target)
    sources, targets = [job[0] for job in jobs], [job[1] for job in jobs]
    files = (one for one in declared_in(options) if one[0].what != "the dubbed video")
    check_files(files, {"an input video": sources, "a checkpoint": paths.all, **voices_of(settings)}, {"the dubbed video": targets})
    if options.out is None and options.out_dir is None:
        _require_ours(jobs)
    require_reader(paths, settings)
    if settings.road is not None:
        require_road(settings.road)
    told = ReportFiles(options.report, jobs, reports)
    if options.ray:
        if options.ask:
            raise UsageError("--ask has nobody to ask with --ray", hint="--strict leaves out what is hardly understood")
        return _dub_side_by_side(jobs, settings, paths, told, options)
    suit_threads(paths.all)
    models = load_models(paths, *languages, replace(_run_options(options), puts_away=len(jobs) == 1))
    if options.draft is not None:
        script = _draft(options.draft, *jobs[0], models, settings, options)
        if reports is not None:
            reports.append(script)
        return None
    if len(jobs) == 1:
        told.add(_dub_one(*jobs[0], models, settings, options))
        _write(told, options.quiet)
        return None
    return _dub_all(jobs, models, settings, told, options)


def _dub_side_by_side(
    jobs: list[Job], settings: DubOptions, paths: ModelPaths, told: ReportFiles, options: DubCommand
) -> int | None:
    from netflips.bulk.dubbing import DubModels, DubRecord, VideoToDub, dub_side_by_side

    if options.out_dir is None:
        raise UsageError("--ray dubs into --out-dir")
    require_utf8([path for job in jobs for path in job], "a video")
    batch, data = [VideoToDub(*job) for job in jobs], told.data_paths
    code = dub_side_by_side(
        batch,
        DubModels(paths, _run_options(options)),
        settings,
        options.spread(),
        options.retry_failed,
        data[0] if data else None,
        options.quiet,
    )
    record = DubRecord.read(options.out_dir)
    for path in data[1:]:
        record.write_report(path, batch)
    for job in batch:
        if job.target.name in record.done:
            told.add(script_from(record.done[job.target.name]["report"]))
        elif str(job.source) in record.failures:
            told.fail(job.source, record.failures[str(job.source)])
    with bars(options.quiet, "report: ") as progress:
        told.write_pages(progress)
    return code


def _dub_all(jobs: list[Job], models: Models, settings: DubOptions, told: ReportFiles, options: DubCommand) -> int | None:
    failed = []
    written = Seldom(lambda: _write(told, options.quiet))
    try:
        for source, target in jobs:
            try:
                told.add(_dub_one(source, target, models, settings, options))
            except NetflipsError as error:
                LOG.error("failed: %s", error)
                failed.append(str(source))
                told.fail(source, str(error))
            written.maybe()  # after each but for very many, so that finished work is known
    finally:
        written.now()
    if not failed:
        return None
    LOG.error("%d of %s failed: %s", len(failed), several(len(jobs), "input"), ", ".join(failed))
    return EXIT_FAILED


def _dub_one(
    source: Path,
    target: Path,
    models: Models,
    settings: DubOptions,
    options: DubCommand,
) -> Script:
    with run_bar(options.quiet, f"{source.name}: ") as progress:
        report = dub(source, target, models, settings, progress, _decision(source, options))
    LOG.info("%s", summary_of(report, with_times=options.verbose))
    return report


def _draft(path: Path, source: Path, target: Path, models: Models, settings: DubOptions, options: DubCommand) -> Script:
    """Write what was heard and what will be said, and print it."""
    with run_bar(options.quiet, f"{source.name}: ") as progress:
        script = dub(source, target, models, settings, progress, _decision(source, options), is_draft=True)
    write_script(path, script)
    for one in script.utterances:
        heard, said = (text.text if text is not None else "(not read)" for text in (one.text, one.said))
        LOG.info("%d: %s -> %s", one.number, heard, said)
    LOG.info("written: %s", path)
    return script


def _decision(source: Path, options: DubCommand) -> Decide:
    """Return what is called with the measure of a video, before anything is spoken or drawn."""

    def decide(understanding: Understanding) -> None:
        if options.verdict is not None:
            write_text(options.verdict, json.dumps(understanding.as_json(), ensure_ascii=False, indent=1) + "\n")
        if not tell_verdict(understanding, source, options.strict):
            return
        if options.ask or (not options.yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
            _ask(source)
        else:
            LOG.info(
                "%s: it goes on, %s", source, "as --yes says" if options.yes else "as nobody can be asked; --strict stops here"
            )

    return decide


def _ask(source: Path) -> None:
    """Raise NotUnderstoodError unless the answer is yes."""
    sys.stderr.write(f"{source}: go on all the same? [y/N] ")
    sys.stderr.flush()
    if sys.stdin is None or sys.stdin.readline().strip().lower() not in _YES:
        raise NotUnderstoodError("stopped, as asked", path=source, hint="nothing was spoken or drawn")


def _write(told: ReportFiles, is_quiet: bool) -> None:
    with bars(is_quiet, "report: ") as progress:
        told.write(progress)


def _dub_options(options: DubCommand, languages: tuple[str, str], recording: RecordingOptions) -> DubOptions:
    return DubOptions(
        source=languages[0],
        target=languages[1],
        modalities=options.modalities,
        beam=options.beam,
        max_target_units=options.max_target_units,
        face=options.face,
        speaker=options.voice,
        lips=options.in_lip_path,
        boxes=options.in_bbox_path,
        hard_paste=options.hard_paste,
        mouth=replace(options.lips, is_hard=options.hard_paste),
        label=options.label,
        timing=options.timing,
        recording=recording,
        subtitles=options.subtitling(),
        road=options.cascade_models(),
        audio_track=options.audio_track,
        video_track=options.video_track,
        strict=options.strict,
    )


def _run_options(options: DubCommand) -> RunOptions:
    return RunOptions(options.device, options.precision, options.vocoder_unit_offset, options.translator_unit_offset)


def _jobs_of(options: DubCommand, target: str) -> list[Job]:
    """Inputs with their outputs. Raises UsageError for flags that do not go together, InputError for an empty folder."""
    inputs = list(options.videos)
    is_one = len(inputs) == 1 and not inputs[0].is_dir()
    if options.out is not None:
        if not is_one:
            raise UsageError("--out takes one input video", found=", ".join(map(str, inputs)), hint="use --out-dir")
        return [(inputs[0], options.out)]
    if not is_one or options.out_dir is not None:
        _require_nothing_of_one_video(options)
    jobs = _named(inputs, options.out_dir, target)
    require_own_names(jobs)
    return jobs


def _require_ours(jobs: list[Job]) -> None:
    """Raise OutputError for an output whose name nobody gave and that is there already, unless NetfLips made it."""
    for _, out in jobs:
        if out.exists() and not _is_ours(out):
            raise OutputError("it is there already, and NetfLips did not make it", path=out, hint="name the output: --out")


def _require_nothing_of_one_video(options: DubCommand) -> None:
    if options.in_lip_path is not None or options.in_bbox_path is not None:
        raise UsageError("--in-lip-path and --in-bbox-path belong to one video", hint="use --out")
    if any(
        path is not None
        for path in (options.segments, options.segments_in, options.speaker_map, options.script_in, options.verdict, options.draft)
    ):
        raise UsageError(
            "--segments, --segments-in, --speaker-map, --script-in, --verdict and --draft belong to one video", hint="use --out"
        )


def _named(inputs: list[Path], out_dir: Path | None, target: str) -> list[Job]:
    """Return each video with an output of its name. What an earlier run put into a folder that is dubbed is none of its videos."""

    def output(video: Path) -> Path:
        return (out_dir or video.parent) / f"{video.stem}_{target}.mp4"

    jobs = []
    for path in inputs:
        videos = _videos_in(path) if path.is_dir() else [path]
        dubs = {output(video).resolve() for video in videos} if path.is_dir() else set()
        jobs += [(video, output(video)) for video in videos if not (video.resolve() in dubs and _is_ours(video))]
    return jobs


def _videos_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise InputError("there is no video in this folder", path=folder, expected=", ".join(VIDEO_SUFFIXES))
    return found


def _is_ours(video: Path) -> bool:
    """Return whether a file says that NetfLips made it."""
    try:
        return probe(video).comment.startswith(SYNTHETIC)
    except (MediaError, InputError):
        return False
