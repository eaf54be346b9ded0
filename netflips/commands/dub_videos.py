"""`netflips dub`: one video, several one after another, or many side by side."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from avcore.command import LOG
from avcore.compute.inference import suit_threads
from avcore.errors import EXIT_FAILED, InputError, NetflipsError, NotUnderstoodError, OutputError, UsageError
from avcore.files import SOUND_SUFFIXES, VIDEO_SUFFIXES, check_files, keep_apart, require_own_names
from avcore.flags import declared_in
from avcore.journal import Seldom
from avcore.media import MediaSource, probe
from avcore.media.copying import write_with_tracks
from avcore.media.sound_writer import SOUND_ENDINGS, AlternateTrack, is_sound_name, require_several_tracks
from avcore.media.writer import is_synthetic
from avcore.notes import require_utf8, several
from avcore.progress import bars
from avcore.timeline import exact
from avcore.words import error_line
from netflips.commands.dub_options import DubCommand
from netflips.commands.run_progress import run_bar
from netflips.dubbing.dub import dub
from netflips.dubbing.part import part_of
from netflips.dubbing.preflight import check_words, checked_lips
from netflips.dubbing.roads import road_of
from netflips.model_paths import ModelPaths, RunOptions, given_or_bundle
from netflips.models import Models, choose_languages, load_models, require_targets
from netflips.quality_estimation import QualityEstimate, report_quality
from netflips.report.files import ReportFiles, summary_of
from netflips.script.files import script_from
from netflips.script.terms import term_lines
from netflips.script.types import Script

_YES = ("y", "yes", "예", "네")
"""Answers that let a dub go on."""
_SAME_LENGTH_S = 0.1
"""Difference of dubs that are one file's sound tracks, at most (s)."""
InputOutput = tuple[Path, Path]
"""A video and the file for its dub."""


@dataclass(frozen=True)
class _Run:
    """What is dubbed into one language."""

    options: DubCommand
    paths: ModelPaths
    languages: tuple[str, str]
    """source and target"""
    pairs: list[InputOutput]
    report: ReportFiles
    failed: list[Path] = field(default_factory=list)
    """inputs of which there is no dub"""
    works: dict[Path, Path] = field(default_factory=dict)
    """folder of finished work by output, where the options do not say it"""

    @property
    def outs(self) -> list[Path]:
        """The outputs."""
        return [out for _, out in self.pairs]

    def options_of(self, output: Path) -> DubCommand:
        """Return the options of one dub."""
        return replace(self.options, work_dir=self.works[output]) if output in self.works else self.options


def dub_videos(asked: Sequence[DubCommand]) -> int | None:
    """Dub the videos of the options, which differ in their language alone, and return the exit code.

    All files and languages are checked before any model is loaded. What the first language found in a video, the others find in
    its work folder.
    """
    paths = [given_or_bundle(command) for command in asked]
    languages = [choose_languages(command.source, command.to, its_paths) for command, its_paths in zip(asked, paths, strict=True)]
    targets = [target for _, target in languages]
    runs = [_checked(*one, targets) for one in zip(asked, paths, languages, strict=True)]
    first, others = runs[0], runs[1:]
    if others:
        require_targets(targets, first.paths, not first.options.keep_sound)
        for run in runs if first.options.work_dir is None else ():
            run.works.update((out, Path(f"{other}.work")) for (_, out), (_, other) in zip(run.pairs, first.pairs, strict=True))

    if first.options.one_file:
        sources, joint = [source for source, _ in first.pairs], [_joint_name(outs) for outs in _together(runs)]
        for out in joint:
            require_several_tracks(out)
            _require_ours(out)
        keep_apart({"the file of all languages": joint}, {"an input video": sources})
        require_own_names([*(pair for run in runs for pair in run.pairs), *zip(sources, joint, strict=True)])

    if first.options.ray:
        codes = [_dub_side_by_side(one) for one in runs]
    else:
        suit_threads(first.paths.all)
        # Of several videos, the next one needs the same models again.
        how = replace(_run_options(first.options), unloads=len(first.pairs) == 1)
        models = load_models(first.paths, *first.languages, how)
        speaking = [models, *(models.into(one.languages[1], how.vocoder_unit_offset) for one in others)]
        for run, voice in zip(runs, speaking, strict=True):
            if others:
                check_words(voice, road_of(run.options), run.options)
            # Otherwise each video would fail by itself.
            if len(run.pairs) > 1 and not all(map(is_sound_name, run.outs)):
                checked_lips(voice, run.options)
        codes = [_dub_run(*one) for one in zip(runs, speaking, strict=True)]

    failed = {source for run in runs for source in run.failed}
    for (source, _), outs in zip(first.pairs, _together(runs), strict=True) if first.options.one_file else ():
        if source in failed:
            LOG.error("%s: there is no file of all languages, as a dub failed", source)
        else:
            codes.insert(0, _join(outs, targets))
    return next(filter(None, codes), None)


def _together(runs: Sequence[_Run]) -> list[tuple[Path, ...]]:
    """Return the outputs of each video, by language."""
    return list(zip(*(run.outs for run in runs), strict=True))


def _require_ours(out: Path) -> None:
    if out.exists() and not is_synthetic(out):
        hint = "move it away, or choose another place with --out or --out-dir"
        raise OutputError("it is there already, and NetfLips did not make it", path=out, hint=hint)


def _joint_name(outs: Sequence[Path]) -> Path:
    """Return the name of a file with several dubs: `out_ko_es.mp4` for `out_ko.mp4` and `out_es.mp4`."""
    return outs[0].with_stem("_".join([outs[0].stem, *(path.stem.rpartition("_")[2] for path in outs[1:])]))


def _join(outs: Sequence[Path], languages: Sequence[str]) -> int | None:
    """Write dubs of a video into one file: the frames of the first, and the sound of each. Returns the exit code.

    Raises OutputError where it cannot be written.
    """
    if max(lengths := [probe(path).duration_s for path in outs]) - min(lengths) > _SAME_LENGTH_S:
        found = ", ".join(f"{float(length):.2f} s" for length in lengths)
        error = OutputError("dubs of several lengths do not fit into one file", path=_joint_name(outs), found=found)
        LOG.error("failed: %s", error_line(error))
        return error.exit_code
    dubs = zip(outs, languages, strict=True)
    tracks = [AlternateTrack(language, "Dubbed", MediaSource(path), is_default=path == outs[0]) for path, language in dubs]
    write_with_tracks(_joint_name(outs), outs[0], tracks)
    LOG.info("written: %s", _joint_name(outs))
    return None


def _checked(options: DubCommand, paths: ModelPaths, languages: tuple[str, str], targets: Sequence[str]) -> _Run:
    """Return what is dubbed into one language, after its files were checked. targets: all languages of the run."""
    pairs = _pairs_of(options, languages[1], targets)
    sources, outs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    files = (one for one in declared_in(options) if one[0].what != "the dubbed video")
    check_files(files, {"an input video": sources, "a checkpoint": paths.all}, {"the dubbed video": outs})

    is_named = (options.out is not None and len(targets) == 1) or options.out_dir is not None or options.draft is not None
    for out in () if is_named else outs:
        _require_ours(out)

    # Folders without a recognizer or translator, and files that read no units, are refused before any model is loaded.
    road_of(options).check_files(paths, languages[1])

    return _Run(options, paths, languages, pairs, ReportFiles(options.report, pairs))


def _dub_run(run: _Run, models: Models) -> int | None:
    """Dub the videos into one language; returns the exit code."""
    if len(run.pairs) > 1:
        return _dub_all(run, models)
    script = _dub_one(*run.pairs[0], models, run)
    if run.options.draft is not None:
        _print_draft(run.options, script)
        return None
    run.report.add(script)
    _write(run.report, run.options.quiet)
    return None


def _dub_side_by_side(run: _Run) -> int | None:
    from netflips.bulk.dubbing import DubModels, DubRecord, VideoToDub, dub_side_by_side
    from netflips.bulk.spread import Spread

    options, pairs, report = run.options, run.pairs, run.report
    if options.out_dir is None:
        raise UsageError("ray dubs into --out-dir")
    if options.ask:
        raise UsageError("ask has nobody to ask with ray", hint="what is not understood is left out; --yes dubs it")
    require_utf8([path for pair in pairs for path in pair], "a video")

    batch, data = [VideoToDub(*pair, run.works.get(pair[1])) for pair in pairs], report.data_paths
    code = dub_side_by_side(
        batch,
        DubModels(run.paths, _run_options(options), run.languages),
        options,
        Spread.of(options),
        options.retry_failed,
        data[0] if data else None,
        options.quiet,
    )

    record = DubRecord(options.out_dir)
    for path in data[1:]:
        record.write_report(path, batch)
    for pair in batch:
        if pair.target.name in record.done:
            report.add(script_from(record.done[pair.target.name]["report"]))
        elif str(pair.source) in record.failed:
            report.fail(pair.source, record.failed[str(pair.source)]["reason"])
        if pair.target.name not in record.done or str(pair.source) in record.failed:
            run.failed.append(pair.source)
    with bars(options.quiet, "report: ") as progress:
        report.write_pages(progress)
    return code


def _dub_all(run: _Run, models: Models) -> int | None:
    written = Seldom(lambda: _write(run.report, run.options.quiet))
    try:
        for source, target in run.pairs:
            try:
                run.report.add(_dub_one(source, target, models, run))
            except NetflipsError as error:
                LOG.error("failed: %s", error_line(error))
                run.failed.append(source)
                run.report.fail(source, str(error))
            written.maybe()  # after each dub, less often with very many: a killed run leaves its report
    finally:
        written.now()
    if not run.failed:
        return None
    LOG.error("%d of %s failed: %s", len(run.failed), several(len(run.pairs), "input"), ", ".join(map(str, run.failed)))
    return EXIT_FAILED


def _dub_one(source: Path, target: Path, models: Models, run: _Run) -> Script:
    options = run.options_of(target)
    with run_bar(options.quiet, f"{source.name}: ") as progress:
        script = dub(source, target, models, options, progress=progress, decide=_decision(source, options))
    if not options.is_draft:
        LOG.info("%s", summary_of(script, with_times=options.verbose))
    return script


def _print_draft(options: DubCommand, script: Script) -> None:
    """Log the source and target texts of the part."""
    part = part_of(script, exact(script.input_s), options.start, options.end, is_preview=options.preview)
    for utterance in part.utterances(script):
        source_text = "" if utterance.text is None else f"{utterance.text.doubted} -> "  # target subtitles need no source text
        target_text = "(not read)" if utterance.spoken is None else utterance.spoken.text
        too_long_s = 0.0 if utterance.fit is None else utterance.fit.too_long_s
        LOG.info(
            "%d: %s%s%s", utterance.number, source_text, target_text, f" (too long by {too_long_s:.1f} s)" if too_long_s else ""
        )
        for text, seconds in utterance.offered if too_long_s else ():
            if seconds is not None:
                LOG.info("   or in %.1f s: %s", seconds, text)

    if any(utterance.text is not None and utterance.text.doubted != utterance.text.text for utterance in part.utterances(script)):
        LOG.info("(?...): heard unsurely; listen to these, and correct the text in %s", options.draft)
    if script.terms:
        LOG.info('names and terms; what stands in "spoken" of one is said for it everywhere:')
        for line in term_lines(script):
            LOG.info("%s", line)

    if left := len(script.utterances) - len(part.numbers):
        LOG.info("%s outside of the part", several(left, "utterance"))
    LOG.info("written: %s", options.draft)


def _decision(source: Path, options: DubCommand) -> Callable[[QualityEstimate], None]:
    """Return a callback that stops or continues a dub by its quality estimate, before anything is spoken or drawn."""

    def decide(quality: QualityEstimate) -> None:
        report_quality(quality, source, options.verdict)
        try:
            options.require_understood(quality, source)
        except NotUnderstoodError:
            can_ask = options.ask or (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty())
            if options.strict or not can_ask or not _says_go_on(source):
                raise

    return decide


def _says_go_on(source: Path) -> bool:
    """Ask somebody at the terminal."""
    sys.stderr.write(f"{source}: go on all the same? [y/N] ")
    sys.stderr.flush()
    return sys.stdin is not None and sys.stdin.readline().strip().lower() in _YES


def _write(report: ReportFiles, is_quiet: bool) -> None:
    with bars(is_quiet, "report: ") as progress:
        report.write(progress)


def _run_options(options: DubCommand) -> RunOptions:
    offsets = options.vocoder_unit_offset, options.translator_unit_offset
    return RunOptions(options.device, options.precision, *offsets, speaks=not options.keep_sound)


def _pairs_of(options: DubCommand, target: str, targets: Sequence[str]) -> list[InputOutput]:
    """Return inputs with their outputs in one of several languages.

    Raises UsageError for flags that exclude each other, InputError for an empty folder.
    """
    inputs = list(options.videos)
    is_one = len(inputs) == 1 and not inputs[0].is_dir()
    if options.out is not None:
        if not is_one:
            raise UsageError("--out takes one input video", found=", ".join(map(str, inputs)), hint="use --out-dir")
        return [(inputs[0], options.out)]
    if not is_one or options.out_dir is not None:
        if options.in_lip_path is not None or options.in_bbox_path is not None:
            raise UsageError("--in-lip-path and --in-bbox-path belong to one video", hint="use --out")
        if any(path is not None for path in (options.script_in, options.verdict, options.draft, options.timeline)):
            raise UsageError("--script-in, --verdict, --draft and timeline belong to one video", hint="use --out")

    pairs = _named(inputs, options.out_dir, target, targets)
    require_own_names([(given, options.own_name(out)) for given, out in pairs])
    return pairs


def out_name(source: Path, folder: Path, language: str) -> Path:
    """Return where the dub of a file goes if nobody names it: `<stem>_<language>`, as .mp4, or as sound of its own kind or .m4a."""
    ending = source.suffix.lower()
    kind = ".mp4" if ending not in SOUND_SUFFIXES else ending if ending in SOUND_ENDINGS else ".m4a"
    return folder / f"{source.stem}_{language}{kind}"


def _named(inputs: list[Path], out_dir: Path | None, target: str, targets: Sequence[str]) -> list[InputOutput]:
    """Return each input with an output of its name. A folder's sound files are taken where it has no videos.

    What earlier runs made of the inputs, in any of the languages, is left out, as `*.mp4` names it, too.
    """

    def output(video: Path, language: str = target) -> Path:
        return out_name(video, out_dir or video.parent, language)

    def without_dubs(videos: Sequence[Path]) -> list[Path]:
        each = [[output(video, one) for one in targets] for video in videos]
        dubs = {one.resolve() for outs in each for one in (*outs, _joint_name(outs))}
        return [video for video in videos if not (video.resolve() in dubs and is_synthetic(video))]

    files = [path for path in inputs if not path.is_dir()]
    own = without_dubs(files)
    if made := [path.name for path in files if path not in own]:
        LOG.info("left out, as they are dubs of the others: %s", ", ".join(made))
    pairs = [(path, output(path)) for path in own]
    for path in inputs:
        if not path.is_dir():
            continue
        kinds = VIDEO_SUFFIXES, SOUND_SUFFIXES
        found = [sorted(one for one in path.iterdir() if one.suffix.lower() in kind) for kind in kinds]
        videos = found[0] or found[1]
        if all(found):
            LOG.info("%s: only its videos are dubbed; name its %s to dub those", path, several(len(found[1]), "sound file"))
        if not videos:
            raise InputError("there is no video in this folder", path=path, expected=", ".join(VIDEO_SUFFIXES + SOUND_SUFFIXES))
        pairs += [(video, output(video)) for video in without_dubs(videos)]
    return pairs
