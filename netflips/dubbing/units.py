"""Say and show units that are given: the stage's own command, with a report of it."""

from dataclasses import asdict

from avcore.notes import ToldNote, noted_by
from avcore.timeline import units_to_seconds
from netflips.dubbing.begin import media_of
from netflips.dubbing.clock import StageClock
from netflips.dubbing.job import digest_of
from netflips.dubbing.options import settings_told
from netflips.dubbing.write import drawn_told, written
from netflips.options import RenderCommand
from netflips.published.terms import file_of_lips
from netflips.report.files import with_reports
from netflips.script import types
from netflips.script.types import Script
from unit2av.rendering import Reason
from unit2av.speaking import Rendered, speak_and_draw
from unit2av.stage import RENDERER

_SETTINGS = ("to", "durations", "speed", "face", "fill_boxes", "hard_paste", "lips", "device", "precision")
"""That a report tells."""


def render_units(options: RenderCommand) -> Script:
    """Say and show the units of a file; returns what was done. Raises NetflipsError for files that cannot be used."""
    return with_reports(options.report, options.video, options.out, options.quiet, lambda: _rendered(options))


def _rendered(options: RenderCommand) -> Script:
    clock, notes = StageClock(), list[ToldNote]()
    with clock.stage("pictures"), noted_by(notes.append):
        done = speak_and_draw(options)
    seconds = float(units_to_seconds(done.units.num_steps))
    utterance = types.Utterance(
        number=1,
        place=types.TimeSpan(0.0, float(done.info.duration_s)),
        speaker=types.SPEAKER,
        seen=types.SeenFaces(tuple(types.FaceTrackTold(**asdict(one)) for one in done.tracks)),
        target=types.UnitsGiven(types.UnitList.of(done.units)),
        fit=types.TimeFit(types.TimeSpan(0.0, seconds), len(done.units), seconds, seconds),
        drawn=drawn_told(_reasons(done)),
    )
    settings = settings_told(options, *_SETTINGS)
    models = {RENDERER.name: done.checkpoint} | file_of_lips(options.lips, done.checkpoint)
    return types.Script(
        target=options.to,
        schedule="to_and_fro",
        media=media_of(done.info, digest_of(done.info)),
        speakers=(
            types.SpeakerOf(types.SPEAKER, "own" if options.voice is None else types.VoiceFile(str(options.voice)), options.face),
        ),
        utterances=(utterance,),
        notes=tuple(told.note for told in notes),
        made=written(options.out, done.writer, seconds, len(done.shown), done.lips, settings, clock, models=models),
    )


def _reasons(done: Rendered) -> dict[int, int]:
    """Count the pictures that were left for each reason."""
    num_cut, num_seen = int(done.mouths.is_cut[[*done.shown]].sum()), sum(done.mouths.boxes[one] is not None for one in done.shown)
    drawn = {Reason.DRAWN: num_seen - done.num_hidden, Reason.HIDDEN: done.num_hidden}
    counts = drawn | {Reason.CUT_OFF: num_cut, Reason.NO_FACE: len(done.shown) - num_seen - num_cut}
    return {int(reason): count for reason, count in counts.items() if count}
