"""`netflips render units.txt --video talk.mp4 -o out.mp4`: units of a file, said and shown by `unit2av`, with a report of it."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.flags import Command, report_flag
from avcore.loading import loading
from unit2av.inference_options import RenderOptions

if TYPE_CHECKING:
    from netflips.script.types import Script

_SETTINGS = ("to", "durations", "speed", "face", "fill_boxes", "hard_paste", "lips", "device", "precision")
"""That a report tells."""


@dataclass(frozen=True, kw_only=True)
class RenderCommand(RenderOptions):
    """Turn units into a video: a speaker's face and voice saying them."""

    report: tuple[Path, ...] = report_flag(group="report")
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""


def render_units(options: RenderCommand) -> "Script":
    """Say and show the units of a file; returns what was done. Raises NetflipsError for files that cannot be used."""
    with loading():
        from netflips.report.files import reported

    return reported(options.report, options.video, options.out, options.quiet, lambda: _rendered(options))


def _rendered(options: RenderCommand) -> "Script":
    from avcore.timeline import units_to_seconds
    from netflips.dub.clock import StageClock
    from netflips.dub.job import digest_of
    from netflips.script import build, types
    from unit2av.speaking import speak_and_draw
    from unit2av.stage import RENDERER

    clock = StageClock()
    with clock.stage("pictures"):
        done = speak_and_draw(options)
    seconds, mouths = float(units_to_seconds(done.units.num_steps)), done.mouths
    utterance = types.Utterance(
        number=1,
        place=types.TimeSpan(0.0, float(done.info.duration_s)),
        speaker=types.SPEAKER,
        seen=types.SeenFaces(build.tracks_told(map(asdict, done.tracks))),
        target=types.UnitsGiven(types.UnitList.of(done.units)),
        fit=types.TimeFit(types.TimeSpan(0.0, seconds), len(done.units), seconds, seconds),
        drawn=build.drawn_told(
            [mouths.boxes[index] is not None for index in done.shown], mouths.is_cut[[*done.shown]], done.num_hidden
        ),
    )
    settings, models = build.settings_told(options, *_SETTINGS), {RENDERER.name: done.checkpoint}
    return types.Script(
        target=options.to,
        schedule="to_and_fro",
        media=build.media_of(done.info, digest_of(done.info)),
        speakers=(types.SpeakerOf(types.SPEAKER, build.voice_told(options.voice), options.face),),
        utterances=(utterance,),
        made=build.written(options.out, done.writer, seconds, len(done.shown), done.lips, settings, clock, models=models),
    )


def _work(options: RenderCommand) -> None:
    render_units(options)


_COMMAND = Command(RenderCommand, "netflips render", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
