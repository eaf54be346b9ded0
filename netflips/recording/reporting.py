"""The script of a recording: what became of each utterance."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from avcore.media import VideoWriter
from avcore.timeline import exact, units_to_seconds
from netflips.cascade.engines import engines_of
from netflips.dub.job import DubJob
from netflips.dub.speaker_map import SpeakerMap, read_speaker_map
from netflips.recording.cascade import SaidInWords
from netflips.recording.faces import FaceTable
from netflips.recording.plan import OutputClock, Watch
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.texts import targets_of
from netflips.recording.translation import Cue, LeftAlone, Spoken, Understood
from netflips.render.pieces import Encoded
from netflips.script.build import (
    finite_or_none,
    made_of,
    media_of,
    pitch_hz,
    text_of,
    tracks_told,
    units_heard,
    voice_told,
    work_told,
)
from netflips.script.imports import AskedTarget
from netflips.script.notes import KEPT
from netflips.script.types import (
    DrawnPictures,
    FaceQuality,
    KeptOriginal,
    Script,
    SeenFaces,
    Slot,
    SpeakerOf,
    SpokenSound,
    Target,
    TimeFit,
    TimeSpan,
    TranslatedFrom,
    TranslatedUnits,
    UnitList,
    Utterance,
    WrittenBy,
    WrittenText,
)
from netflips.subtitles.dubbed import Texts
from netflips.subtitles.given import is_subtitles
from netflips.understanding import whole_of
from text2unit.stage import SPELLER
from unit2av.rendering import Reason


def script_of_recording(
    job: DubJob,
    found: FoundUtterances,
    cues: Sequence[Cue],
    clock: OutputClock,
    pieces: Sequence[Encoded],
    writer: VideoWriter | None,
    texts: Texts,
) -> Script:
    """Put together what was done. texts: what was heard and what is said.

    writer: None = a draft, of which nothing was written.
    """
    counts, part = _count(pieces), found.part
    asked = targets_of(job.options)
    numbered = {cue.cast.utterance.number: cue for cue in cues}
    told = {number: _utterance(job, cue, clock, counts, texts, asked.get(number)) for number, cue in numbered.items()}
    plain = (Utterance(one.number, TimeSpan(one.start_s, one.end_s)) for one in found.utterances)
    length_s, num_pictures = float(clock.at(part.stop)), sum(len(piece.times) for piece in pieces)
    span = TimeSpan(float(part.start), float(part.stop))
    return Script(
        source=job.options.source,
        target=job.options.target,
        schedule="own",
        media=media_of(job.info, job.digest),
        cuts=tuple(found.scenes.cuts),
        speakers=_speakers(job, cues),
        utterances=tuple(told.get(one.number, one) for one in plain),
        notes=(*job.info.notes, *job.notes.of_all),
        understood=whole_of(
            {cue.cast.utterance.number: cue.understood.judgement for cue in cues if cue.understood is not None},
            [cue.cast.utterance for cue in cues],
        ),
        made=made_of(job, writer, length_s, num_pictures, _engines(job), part=span, work=work_told(job.work)),
    )


def _engines(job: DubJob) -> dict[str, str]:
    """Return the fingerprints of what the cascade needs besides."""
    options = job.options
    if options.road is None:
        return {}
    made_of = engines_of(job.models, options.road, options.source, options.target).fingerprints
    if job.settings.speech.is_asked:
        return made_of
    return made_of | {SPELLER.name: job.models.other(SPELLER, options.target).fingerprint}


def _speakers(job: DubJob, cues: Sequence[Cue]) -> tuple[SpeakerOf, ...]:
    """Return who speaks, in the order of appearance."""
    path = job.settings.speaker_map
    wishes = SpeakerMap() if path is None else read_speaker_map(path)
    casts = {cue.cast.name: cue.cast for cue in reversed(cues)}
    return tuple(
        SpeakerOf(
            name,
            voice_told(wishes.settings(name).voice or job.options.speaker),
            wishes.settings(name).face or job.options.face,
            pitch_hz(job.models.vocoder, casts[name].voice),
        )
        for name in dict.fromkeys(cue.cast.name for cue in cues)
    )


def _count(pieces: Sequence[Encoded]) -> dict[int, Counter[int]]:
    """Return how many pictures of each utterance were left for each reason."""
    counts: dict[int, Counter[int]] = {}
    for piece in pieces:
        for owner, reason in zip(piece.owners, piece.reasons, strict=True):
            counts.setdefault(owner, Counter())[reason] += 1
    return counts


def _utterance(
    job: DubJob, cue: Cue, clock: OutputClock, counts: dict[int, Counter[int]], texts: Texts, asked: AskedTarget | None
) -> Utterance:
    cast, understood = cue.cast, cue.understood
    one, begin_s = cast.utterance, float(clock.at(cast.utterance.start_s))
    listened = None if understood is None else understood.listened
    written: WrittenBy = (
        "subtitles" if job.settings.segments_in is not None and is_subtitles(job.settings.segments_in) else "person"
    )
    recogniser: WrittenBy = "reader" if job.options.road is None else "recogniser"
    return Utterance(
        number=one.number,
        place=TimeSpan(one.start_s, one.end_s),
        speaker=cast.name,
        heard=None if listened is None or isinstance(listened, SaidInWords) else units_heard(listened.heard, listened.rest),
        text=text_of(texts.source, one.number, begin_s, recogniser, written),
        seen=SeenFaces(tracks_told(cast.followed), finite_or_none(cast.evidence), quality_of(cast.face, cast.watch), cast.absent),
        target=_kept(cue) if understood is None else _target(understood, texts, one.number, begin_s, written, asked),
        fit=_fit(cue, clock) if isinstance(cue, Spoken) else None,
        drawn=drawn_told(counts.get(one.number, Counter())) if isinstance(cue, Spoken) else None,
        notes=tuple(job.notes.of.get(one.number, ())),
        understood=None if understood is None else understood.judgement.understanding,
    )


def _kept(cue: Cue) -> KeptOriginal | None:
    return KeptOriginal() if isinstance(cue, LeftAlone) and cue.why.values["reason"] == KEPT.code else None


def _target(
    understood: Understood, texts: Texts, number: int, begin_s: float, written: WrittenBy, asked: AskedTarget | None
) -> Target:
    """Return what is said instead: what a script asked for, a text, speech, or translated units."""
    translated, listened = understood.translated, understood.listened
    if isinstance(listened, SaidInWords) and (translated.score is not None or translated.translator):
        told_from = TranslatedFrom(listened.heard.text, finite_or_none(translated.score), listened.terms)
        return WrittenText(translated.text, "cascade", told_from, translated.said_by)
    if translated.text:
        return WrittenText(translated.text, written, said_by=translated.said_by)
    if asked is not None and translated.why is None:
        return asked
    if translated.said_by:
        start_s, end_s = translated.span or (0.0, None)
        return SpokenSound(translated.said_by, from_s=start_s, to_s=end_s, keep_sound=bool(translated.sound))
    reading = text_of(texts.target, number, begin_s, "reader", written)
    units = UnitList.of(translated.units)
    return TranslatedUnits(units, finite_or_none(translated.score), translated.is_truncated, translated.weakest, reading)


def _fit(cue: Spoken, clock: OutputClock) -> TimeFit:
    placed, fit = cue.placed, cue.placed.fit
    begin = clock.at(placed.start)

    def seconds(steps: int) -> float:
        return float(units_to_seconds(steps))

    return TimeFit(
        output=TimeSpan(float(begin), float(begin + placed.spoken)),
        units=len(cue.understood.translated.units),
        natural_s=seconds(fit.natural_steps),
        spoken_s=seconds(fit.steps),
        overrun_s=seconds(fit.overrun),
        held_s=float(placed.held),
        cut_s=seconds(fit.cut),
        slot=Slot(seconds(fit.slot_steps), float(exact(cue.cast.room))),
    )


def drawn_told(counts: Counter[int]) -> DrawnPictures:
    """Return what became of pictures. counts: how many were left for each reason."""
    left = {Reason(reason).name.lower(): number for reason, number in sorted(counts.items()) if reason != Reason.DRAWN}
    return DrawnPictures(counts.total(), counts[Reason.DRAWN], left)


def quality_of(face: FaceTable, watch: Watch) -> FaceQuality | None:
    """Of a face that was followed, at 25 fps: in how many pictures, how large, how sharp, how far turned away."""
    if not len(face):
        return None
    return FaceQuality(
        share_of_pictures=len(face) / len(watch),
        height_px=finite_or_none(float(np.median(face.boxes[:, 3] - face.boxes[:, 1]))),
        sharpness=finite_or_none(float(np.median(face.sharpness))),
        max_yaw=finite_or_none(float(np.abs(face.yaw).max())),
        max_pitch=finite_or_none(float(np.abs(face.pitch).max())),
    )
