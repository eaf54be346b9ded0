"""`netflips dub` and `inference_av2av.py`: the command line, before libraries and models are loaded."""

from avcore.command import LOG
from avcore.flags import Command
from avcore.loading import loading
from netflips.cascade.speakers import ESPEAK
from netflips.commands.dub_options import DubCommand


def _work(given: DubCommand) -> int | None:
    asked = given.in_each_language()
    for options in asked:
        if options.speak_with != given.speak_with:
            speaker = "espeak-ng" if options.speak_with == ESPEAK else "Kokoro-82M"
            LOG.info("%s speaks the texts, its units are said in the speaker's voice; --speak-with names another program", speaker)
        _ = options.cascade_models, options.script  # wrong files are reported before libraries are loaded
    with loading():
        if len(given.videos) == 1 and not given.videos[0].is_dir():  # of several, each is opened in its turn
            from avcore.media import require_media

            require_media(given.videos[0], "the input video")
        from netflips.commands.dub_videos import dub_videos

    return dub_videos(asked)


_COMMAND = Command(DubCommand, "netflips dub", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
