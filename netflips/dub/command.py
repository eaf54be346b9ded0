"""`netflips dub` and `inference_av2av.py`: what begins before libraries and models are loaded."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from avcore.command import LOG
from avcore.faces.head_start import HeadStart
from avcore.flags import parser_for, run_with
from avcore.loading import loading, postponed
from avcore.usage import Parser
from netflips.cascade.options import TEXT
from netflips.dub.options import DubCommand
from netflips.options import RecordingOptions

_OF_TRACING = ("torch._meta_registrations",)
"""What torch imports by itself for tracing and compiling, a fifth of its import: kernels, in Python, of tensors without content."""
_OF_TORCHAUDIO = tuple(f"torchaudio.{name}" for name in ("compliance", "datasets", "models", "pipelines"))
"""What it imports by itself, of which nothing is used."""
_PROG = "netflips dub"


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    return parser_for(DubCommand, prog)


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code: 1 when some of several inputs failed."""
    return run_with(DubCommand, _work, argv, prog)


def _work(given: DubCommand) -> int | None:
    options = given.with_fetched()
    if options.speak_with != given.speak_with:
        LOG.info("espeak-ng says the texts, in the speaker's voice; --speak-with names another program")
    recording = options.recording()
    with _faces_early(options, recording) as head_start:
        with loading(), postponed(*_OF_TRACING, *_OF_TORCHAUDIO):
            _require_video(options)
            from netflips.dub.work import dub_videos

        return dub_videos(options, recording, head_start)


def _require_video(options: DubCommand) -> None:
    """Open the only input, so that a wrong one is told of before libraries and models are loaded; of several, each has its turn."""
    videos = options.videos
    if len(videos) == 1 and not videos[0].is_dir():
        from avcore.media import require_media  # when faces are being followed already

        require_media(videos[0], "the input video")


def _faces_early(options: DubCommand, recording: RecordingOptions) -> AbstractContextManager[HeadStart | None]:
    """Begin to follow the faces of what is likely to be one short clip, while libraries and models are loaded."""
    videos = options.videos
    is_long = options.timing == "source" or options.road == TEXT or not recording.is_default
    if len(videos) != 1 or is_long or options.ray or options.in_bbox_path is not None:
        return nullcontext()
    return HeadStart(videos[0], recording.length.most_s)
