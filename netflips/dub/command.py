"""`netflips dub` and `inference_av2av.py`: the options of the main job, for one video, several, or a folder."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from avcore.command import Parser, add_common_options, run
from avcore.faces.head_start import HeadStart
from avcore.faces.select import parse_face_choice
from avcore.loading import loading, postponed
from avcore.usage import add_track_option
from netflips.bulk.spread import add_spread_options
from netflips.dub.recording_flags import add_recording_options, recording_options
from netflips.dub.subtitle_flags import add_subtitle_options
from netflips.options import MODALITIES, RecordingOptions
from netflips.text_road.options import TEXT, add_road_options
from unit2av.inference_unit2a import unit_offset
from unit2av.lipsync.backend import add_mouth_options

_OF_TRACING = ("torch._meta_registrations",)
"""What torch imports by itself for tracing and compiling, a fifth of its import: kernels, in Python, of tensors without content."""
_OF_TORCHAUDIO = tuple(f"torchaudio.{name}" for name in ("compliance", "datasets", "models", "pipelines"))
"""What it imports by itself, of which nothing is used."""
_DEFAULT_LABEL = "synthetic speech and lips"


def build_parser(prog: str = "netflips dub") -> Parser:
    """The command's options."""
    parser = Parser(
        prog=prog, description="Dub videos of someone speaking: same person, own voice, another language, lips that fit."
    )
    files = parser.add_argument_group("files")
    files.add_argument("videos", type=Path, nargs="*", metavar="VIDEO", help="video, several videos, or a folder of them")
    files.add_argument("--in-vid-path", type=Path, nargs="+", default=[], metavar="VIDEO", help="the same as a flag")
    files.add_argument("--out-vid-path", type=Path, help="the dubbed video (.mp4, .m4v, .mov or .mkv), for one input")
    files.add_argument(
        "--out-dir", type=Path, help="folder for the dubbed videos, named <stem>_<language>.mp4 (default: beside each video)"
    )
    files.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write what was done: .html is a page to read, any other name is JSON; may be given for each",
    )
    files.add_argument("--verdict", type=Path, metavar="JSON", help="write how much is understood as soon as that is known")
    add_track_option(files, "a video")
    add_subtitle_options(files)
    _add_verdict_options(parser)
    _add_language_options(parser)
    _add_model_options(parser)
    add_road_options(parser)
    _add_picture_options(parser)
    add_recording_options(parser)
    _add_ray_options(parser)
    add_common_options(parser)
    return parser


def _add_verdict_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where little is understood", "how much is told before anything is spoken or drawn")
    asked = group.add_mutually_exclusive_group()
    asked.add_argument("--ask", action="store_true", help="ask before going on where it is bad (default on a terminal)")
    asked.add_argument("-y", "--yes", action="store_true", help="go on without asking (default where there is no terminal)")
    asked.add_argument("--strict", action="store_true", help="stop there with exit code 3, before anything is spoken or drawn")


def _add_language_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("languages and translation")
    group.add_argument("--src-lang", help="language that is spoken, as en or eng (default: the only one that the models allow)")
    group.add_argument("--tgt-lang", help="language to dub into, as ko or kor (default: the same)")
    group.add_argument(
        "--modalities",
        choices=MODALITIES,
        metavar="WHICH",
        help="what the units are taken from: audio,video, audio, video, or auto, decided for each utterance by whether the lips "
        "belong to the sound (default: auto where the unit encoder can tell, as the bundle's; else audio,video)",
    )
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
        "--vocoder-unit-offset",
        type=unit_offset,
        default="auto",
        metavar="N|auto",
        help="row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)",
    )


def _add_picture_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("picture")
    group.add_argument("--face", default="auto", help="auto (largest that speaks), largest, or N-th from the left (default: auto)")
    group.add_argument("--in-lip-path", type=Path, help="existing 96x96 lip video at 25 fps, in place of finding the lips")
    group.add_argument("--in-bbox-path", type=Path, help="existing face boxes (.bbox.pkl), in place of finding the face")
    add_mouth_options(group)
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
    parse_face_choice(options.face)
    recording = recording_options(options)
    with _faces_early(options, recording) as head_start:
        with loading(), postponed(*_OF_TRACING, *_OF_TORCHAUDIO):
            _require_video(options)
            from netflips.dub.work import dub_videos

        return dub_videos(options, recording, head_start)


def _require_video(options: argparse.Namespace) -> None:
    """Open the only input, so that a wrong one is told of before libraries and models are loaded; of several, each has its turn."""
    videos, is_clear = _videos(options), options.out_vid_path is None or options.out_dir is None
    if len(videos) == 1 and not videos[0].is_dir() and is_clear:
        from avcore.media import require_media  # when faces are being followed already

        require_media(videos[0], "the input video")


def _videos(options: argparse.Namespace) -> list[Path]:
    return [*options.videos, *options.in_vid_path]


def _faces_early(options: argparse.Namespace, recording: RecordingOptions) -> AbstractContextManager[HeadStart | None]:
    """Begin to follow the faces of what is likely to be one short clip, while libraries and models are loaded."""
    videos = _videos(options)
    is_long = options.timing == "source" or options.road == TEXT or not recording.is_default
    if len(videos) != 1 or is_long or options.ray or options.in_bbox_path is not None:
        return nullcontext()
    return HeadStart(videos[0], recording.length.most_s)
