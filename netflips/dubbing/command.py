"""`netflips dub` and `inference_av2av.py`: what begins before libraries and models are loaded."""

from avcore.command import LOG
from avcore.flags import Command
from avcore.loading import loading
from netflips.cascade.speakers import ESPEAK
from netflips.dubbing.options import DubCommand


def _work(given: DubCommand) -> int | None:
    options = given.with_fetched()
    if options.speak_with != given.speak_with:
        speaker = "espeak-ng" if options.speak_with == ESPEAK else "Kokoro-82M"
        LOG.info("%s speaks the texts, its units are said in the speaker's voice; --speak-with names another program", speaker)
    _ = options.cascade_models, options.script  # what is missing or wrong is told before libraries are loaded
    with loading():
        _require_video(options)
        from netflips.dubbing.work import dub_videos

    return dub_videos(options)


def _require_video(options: DubCommand) -> None:
    """Open the only input, so that a wrong one is told of before libraries and models are loaded; of several, each has its turn."""
    videos = options.videos
    if len(videos) == 1 and not videos[0].is_dir():
        from avcore.media import require_media

        require_media(videos[0], "the input video")


_COMMAND = Command(DubCommand, "netflips dub", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
