"""`netflips dub` and `inference_av2av.py`: the options of the main job, for one video, several, or a folder."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from avcore.bundle import checkpoints_or_bundle
from avcore.kinds import Kind
from avcore.command import EXIT_FAILED, LOG, add_common_options, device_name, run
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.faces.select import parse_face_choice
from avcore.progress import bars
from avcore.suffixes import VIDEO_SUFFIXES
from avcore.vocabulary import normalise_language
from netflips.batch.flags import add_spread_options, spread_of
from netflips.models import Models, load_models
from netflips.options import MODALITIES, DubOptions, ModelPaths, RunOptions
from netflips.pipeline import dub
from netflips.recording_flags import add_recording_options, recording_options
from netflips.report import DubReport, report_from
from netflips.report_files import ReportFiles
from unit2av.inference_unit2a import unit_offset

_DEFAULT_LABEL = "synthetic speech and lips"


def build_parser(prog: str = "netflips dub") -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Dub videos of someone speaking: same person, own voice, another language, lips that fit."
    )
    files = parser.add_argument_group("files")
    files.add_argument("--in-vid-path", type=Path, nargs="+", required=True, help="video, several videos, or a folder of them")
    files.add_argument("--out-vid-path", type=Path, help="the dubbed video (.mp4, .m4v, .mov or .mkv), for one input")
    files.add_argument("--out-dir", type=Path, help="folder for the dubbed videos, named <stem>_<language>.mp4, for several inputs")
    files.add_argument(
        "--report", type=Path, action="append", default=[], metavar="FILE",
        help="write what was done: .html is a page to read, any other name is JSON; may be given for each",
    )  # fmt: skip
    _add_language_options(parser)
    _add_model_options(parser)
    _add_picture_options(parser)
    add_recording_options(parser)
    _add_ray_options(parser)
    add_common_options(parser)
    return parser


def _add_language_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("languages and translation")
    group.add_argument("--src-lang", required=True, help="language that is spoken, as en or eng")
    group.add_argument("--tgt-lang", required=True, help="language to dub into, as ko or kor")
    group.add_argument(
        "--modalities", default="audio,video", choices=MODALITIES, metavar="WHICH",
        help="what the units are taken from: audio,video (default), audio, or video",
    )  # fmt: skip
    group.add_argument("--beam", type=int, help="hypotheses of the beam search (default: as the checkpoint says, 20)")
    group.add_argument(
        "--max-target-units", type=int, help="limit of translated units, 0 = none (default: as the checkpoint says, 200)"
    )
    group.add_argument(
        "--translator-unit-offset", type=int, default=None, metavar="N", help="the translator counts units from N (default: 0)"
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models", "three that belong together; none of them = the small ones of the bundle")
    group.add_argument("--av2unit-path", type=Path, help="unit encoder, mavhubert_large_noise.pt")
    group.add_argument("--utut-path", type=Path, help="unit translator, utut_sts_ft.pt or a fine-tuned one")
    group.add_argument("--unit2av-path", type=Path, help="unit AV renderer, unit_av_renderer_withKO.pt")
    group.add_argument("--speaker-encoder-path", type=Path, help="speaker encoder, encoder.pt (default: resemblyzer's weights)")
    group.add_argument("--speaker-path", type=Path, help="voice to use instead of the source's: a recording or an .npy vector")
    group.add_argument(
        "--vocoder-unit-offset", type=unit_offset, default="auto", metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )  # fmt: skip


def _add_picture_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("picture")
    group.add_argument("--face", default="auto", help="auto (largest that speaks), largest, or N-th from the left (default: auto)")
    group.add_argument("--in-lip-path", type=Path, help="existing 96x96 lip video at 25 fps, in place of finding the lips")
    group.add_argument("--in-bbox-path", type=Path, help="existing face boxes (.bbox.pkl), in place of finding the face")
    group.add_argument("--hard-paste", action="store_true", help="paste the whole face with hard edges, as published")
    group.add_argument(
        "--burn-label", nargs="?", const=_DEFAULT_LABEL, default="", metavar="TEXT", help="burn a visible label into the picture"
    )


def _add_ray_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many videos")
    group.add_argument(
        "--ray", action="store_true", help="dub the videos of --out-dir side by side; the same command goes on after a stop"
    )
    add_spread_options(group)


def main(argv: Sequence[str] | None = None, prog: str = "netflips dub") -> int:
    """Run the command and return its exit code: 1 when some of several inputs failed."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> int | None:
    jobs = _jobs(options)
    settings = _dub_options(options)
    parse_face_choice(options.face)
    told = ReportFiles(options.report, jobs, settings)
    if options.ray:
        return _dub_side_by_side(jobs, settings, told, options)
    paths, source, target, running = _model_arguments(options)
    models = load_models(paths, source, target, replace(running, puts_away=len(jobs) == 1))
    if len(jobs) == 1:
        told.add(_dub_one(*jobs[0], models, settings, options.quiet))
        _write(told, options.quiet)
        return None
    return _dub_all(jobs, models, settings, told, options.quiet)


def _dub_side_by_side(
    jobs: list[tuple[Path, Path]], settings: DubOptions, told: ReportFiles, options: argparse.Namespace
) -> int | None:
    from netflips.batch.dub_record import DubJob, DubRecord
    from netflips.batch.dubbing import DubModels, dub_side_by_side

    if options.out_dir is None:
        raise UsageError("--ray dubs into --out-dir")
    paths, _, _, running = _model_arguments(options)
    batch, data = [DubJob(*job) for job in jobs], told.data_paths
    code = dub_side_by_side(
        batch, DubModels(paths, running), settings,
        spread_of(options), options.retry_failed, data[0] if data else None, options.quiet,
    )  # fmt: skip
    record = DubRecord.read(options.out_dir)
    for path in data[1:]:
        record.write_report(path, batch)
    for job in batch:
        if job.target.name in record.done:
            told.add(report_from(record.done[job.target.name]["report"]))
        elif str(job.source) in record.failures:
            told.fail(job.source, record.failures[str(job.source)])
    with bars(options.quiet, "report: ") as progress:
        told.write_pages(progress)
    return code


def _dub_all(jobs: list[tuple[Path, Path]], models: Models, settings: DubOptions, told: ReportFiles, is_quiet: bool) -> int | None:
    failed = []
    for source, target in jobs:
        try:
            told.add(_dub_one(source, target, models, settings, is_quiet))
        except NetflipsError as error:
            LOG.error("failed: %s", error)
            failed.append(str(source))
            told.fail(source, str(error))
        _write(told, is_quiet)  # after each, so that finished work is known
    if not failed:
        return None
    LOG.error("%d of %d inputs failed: %s", len(failed), len(jobs), ", ".join(failed))
    return EXIT_FAILED


def _dub_one(source: Path, target: Path, models: Models, settings: DubOptions, is_quiet: bool) -> DubReport:
    with bars(is_quiet, f"{source.name}: ") as progress:
        report = dub(source, target, models, settings, progress)
    LOG.info("%s", report.summary())
    return report


def _write(told: ReportFiles, is_quiet: bool) -> None:
    with bars(is_quiet, "report: ") as progress:
        told.write(progress)


def _dub_options(options: argparse.Namespace) -> DubOptions:
    return DubOptions(
        source=options.src_lang,
        target=options.tgt_lang,
        modalities=options.modalities,
        beam=options.beam,
        max_target_units=options.max_target_units,
        face=options.face,
        speaker=options.speaker_path,
        lips=options.in_lip_path,
        boxes=options.in_bbox_path,
        hard_paste=options.hard_paste,
        label=options.burn_label,
        timing=options.timing,
        recording=recording_options(options),
    )


def _model_arguments(options: argparse.Namespace) -> tuple[ModelPaths, str, str, RunOptions]:
    given = {Kind.UNIT_ENCODER: options.av2unit_path, Kind.TRANSLATOR: options.utut_path, Kind.RENDERER: options.unit2av_path}
    found = checkpoints_or_bundle(given)
    stages = found[Kind.UNIT_ENCODER], found[Kind.TRANSLATOR], found[Kind.RENDERER]
    paths = ModelPaths(*stages, options.speaker_encoder_path)
    running = RunOptions(device_name(options), options.precision, options.vocoder_unit_offset, options.translator_unit_offset)
    return paths, options.src_lang, options.tgt_lang, running


def _jobs(options: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Inputs with their outputs. Raises UsageError for flags that do not go together, InputError for an empty folder."""
    if (options.out_vid_path is None) == (options.out_dir is None):
        raise UsageError("give either --out-vid-path (one input) or --out-dir (several inputs or a folder)")
    inputs: list[Path] = options.in_vid_path
    if options.out_vid_path is not None:
        if len(inputs) > 1 or inputs[0].is_dir():
            raise UsageError("--out-vid-path takes one input video", found=", ".join(map(str, inputs)), hint="use --out-dir")
        return [(inputs[0], options.out_vid_path)]
    if options.in_lip_path is not None or options.in_bbox_path is not None:
        raise UsageError("--in-lip-path and --in-bbox-path belong to one video", hint="use --out-vid-path")
    if any(path is not None for path in (options.segments, options.segments_in, options.speaker_map)):
        raise UsageError("--segments, --segments-in and --speaker-map belong to one video", hint="use --out-vid-path")
    videos = [video for path in inputs for video in (_videos_in(path) if path.is_dir() else [path])]
    jobs = [(video, options.out_dir / f"{video.stem}_{normalise_language(options.tgt_lang)}.mp4") for video in videos]
    doubled = {target.name for _, target in jobs if sum(other == target for _, other in jobs) > 1}
    if doubled:
        raise UsageError("several inputs would be written under one name", found=", ".join(sorted(doubled)), hint="dub them apart")
    return jobs


def _videos_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise InputError("there is no video in this folder", path=folder, expected=", ".join(VIDEO_SUFFIXES))
    return found
