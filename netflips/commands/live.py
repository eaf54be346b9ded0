"""`netflips live`: the command line, before libraries and models are loaded."""

import time

from avcore.command import LOG
from avcore.flags import Command
from avcore.loading import loading
from netflips.live.options import LiveCommand


def _work(asked: LiveCommand) -> None:
    _ = asked.of_dub.cascade_models  # wrong files are reported before libraries are loaded
    with loading():
        from netflips.commands.say import speaker_voice
        from netflips.live.work import session_of
        from netflips.live.writer import form_of
        from netflips.model_paths import RunOptions, given_or_bundle
        from netflips.models import choose_languages, load_models

    form_of(asked.out)
    paths = given_or_bundle(asked)
    models = load_models(paths, *choose_languages(asked.source, asked.to, paths), RunOptions(asked.device, asked.precision))
    with session_of(models, asked.given, asked.out, asked.settings, speaker_voice(models, asked.voice)) as session:
        begun = time.process_time()
        for segment in session.run():
            spoken = segment.utterance.spoken
            LOG.debug("%.1f s: %s", segment.utterance.place.start_s, "" if spoken is None else spoken.text)
        now = session.clock.now()
        LOG.info("%s", session.summary(now))
        LOG.info("%.2f CPU seconds a second", (time.process_time() - begun) / max(now, 1e-9))


_COMMAND = Command(LiveCommand, "netflips live", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
