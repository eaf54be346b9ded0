"""Which videos are dubbed into which files."""

from collections import Counter
from pathlib import Path

from avcore.errors import InputError, MediaError, OutputError, UsageError
from avcore.files import VIDEO_SUFFIXES
from avcore.media import probe
from avcore.provenance import SYNTHETIC
from netflips.dub.options import DubCommand

Job = tuple[Path, Path]
"""A video and the file for its dub."""


def jobs_of(options: DubCommand, target: str) -> list[Job]:
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
    doubled = {str(out) for out, times in Counter(out for _, out in jobs).items() if times > 1}
    if doubled:
        raise UsageError("several inputs would be written under one name", found=", ".join(sorted(doubled)), hint="dub them apart")
    return jobs


def require_ours(jobs: list[Job]) -> None:
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
    """Each video with an output of its name. What an earlier run put into a folder that is dubbed is none of its videos."""

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
    """Whether a file says that NetfLips made it."""
    try:
        return probe(video).comment.startswith(SYNTHETIC)
    except (MediaError, InputError):
        return False
