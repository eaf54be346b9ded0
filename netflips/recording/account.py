"""The report of a recording: what became of each utterance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from av2unit.trust import reason_words
from avcore.media import VideoWriter
from avcore.notes import sentence, told_in_order
from avcore.timeline import exact, units_to_seconds
from avcore.understanding import Understanding
from netflips import __version__
from netflips.cascade.engines import engines_of
from netflips.cascade.options import TEXT, UNITS
from netflips.dub.judgement import whole_of
from netflips.recording.cast import Cast
from netflips.recording.find import Found
from netflips.recording.job import Job
from netflips.recording.over_text import SaidInWords
from netflips.recording.plan import OutputClock
from netflips.recording.say import Cue, LeftAlone, Spoken, Understood
from netflips.render.pieces import Encoded
from netflips.report import DubReport, RecordingReport, StageTime, UtteranceReport, least_of, spoken_pitch_hz
from netflips.script.notes import why_left
from netflips.subtitles.dubbed import Texts
from text2unit.stage import SPELLER
from unit2av.rendering import Reason


def told_of_recording(
    job: Job, found: Found, cues: Sequence[Cue], clock: OutputClock, pieces: Sequence[Encoded], writer: VideoWriter, texts: Texts
) -> DubReport:
    """Put together what was done. texts: what was heard and what is said."""
    counts = _count(pieces)
    told = (_utterance(job, cue, clock, counts.get(cue.cast.utterance.number, Counter())) for cue in cues)
    utterances = tuple(replace(one, **texts.facts(one.number)) for one in told)
    options, info = job.options, job.info
    output_s = float(clock.at(found.part.stop))
    spoken = [cue for cue in cues if isinstance(cue, Spoken)]
    judged = [cue.understood.judgement for cue in cues if cue.understood is not None]
    sure = [one.confidence for one in judged if one.confidence is not None]
    scores = [cue.understood.translated.score for cue in spoken if cue.understood.translated.score is not None]
    return DubReport(
        version=__version__,
        input=str(job.source.path),
        output=str(job.out),
        source_language=options.source,
        target_language=options.target,
        modalities=options.modalities or "",
        input_s=float(info.duration_s),
        output_s=output_s,
        width=writer.out_width,
        height=writer.out_height,
        has_grown=writer.grew,
        num_pictures=sum(len(piece.times) for piece in pieces),
        pictures_with_face=sum(one.drawn for one in utterances),
        source_units=sum(one.source_units for one in utterances),
        target_units=sum(one.target_units for one in utterances),
        target_steps=sum(cue.placed.fit.steps for cue in spoken),
        translation_score=float(np.mean(scores)) if scores else None,
        unit_confidence=float(np.mean(sure)) if sure else None,
        is_outside_domain=None if all(one.is_outside is None for one in judged) else any(one.is_outside for one in judged),
        usual_confidence=least_of(job.models.extractor.domain),
        usual_score=least_of(job.models.translator.domain),
        is_truncated=any(one.is_truncated for one in utterances),
        understood=_whole(cues),
        voice="the source's" if options.speaker is None else str(options.speaker),
        fingerprints=job.models.fingerprints | _engines(job),
        stages=tuple(StageTime(name, took, output_s / max(took, 1e-9)) for name, took in job.clock.seconds.items()),
        warnings=tuple(sentence(one) for one in told_in_order(info.notes, job.notes)),
        mouth=job.mouth.name,
        timing="source",
        road=UNITS if options.road is None else TEXT,
        recording=_recording(job, found, utterances),
    )


def _whole(cues: Sequence[Cue]) -> Understanding:
    """How much is understood of all."""
    judged = {cue.cast.utterance.number: cue.understood.judgement for cue in cues if cue.understood is not None}
    return whole_of(judged, [cue.cast.utterance for cue in cues])


def _engines(job: Job) -> dict[str, str]:
    """The fingerprints of what the cascade needs besides."""
    options = job.options
    if options.road is None:
        return {}
    made_of = engines_of(job.models, options.road, options.source, options.target).fingerprints
    if job.settings.speech.is_asked:
        return made_of
    return made_of | {SPELLER.name: job.models.other(SPELLER, options.target).fingerprint}


def _recording(job: Job, found: Found, utterances: tuple[UtteranceReport, ...]) -> RecordingReport:
    info, settings, work = job.info, job.settings, job.work
    stages = sorted({*work.made, *work.kept})
    return RecordingReport(
        utterances=utterances,
        part=(float(found.part.start), float(found.part.stop)),
        frame_rate=float(info.frame_rate),
        is_variable_rate=info.is_variable_rate,
        audio_rate=job.sound_rate,
        audio_channels=job.num_channels,
        background=settings.background,
        background_audio="" if settings.background_audio is None else str(settings.background_audio),
        scene_cuts=tuple(found.scenes.cuts),
        work_dir=str(work.folder),
        work={stage: {"kept": work.kept[stage], "made": work.made[stage]} for stage in stages},
        work_bytes=work.num_bytes(),
    )


def _count(pieces: Sequence[Encoded]) -> dict[int, Counter[int]]:
    """How many pictures of each utterance were left for each reason."""
    counts: dict[int, Counter[int]] = {}
    for piece in pieces:
        for owner, reason in zip(piece.owners, piece.reasons, strict=True):
            counts.setdefault(owner, Counter())[reason] += 1
    return counts


def _utterance(job: Job, cue: Cue, clock: OutputClock, counts: Counter[int]) -> UtteranceReport:
    cast = cue.cast
    one, begin = cast.utterance, clock.at(cast.utterance.start_s)
    plain = UtteranceReport(
        number=one.number,
        speaker=cast.name,
        source_start_s=one.start_s,
        source_end_s=one.end_s,
        output_start_s=float(begin),
        output_end_s=float(begin + exact(one.seconds)),
        pitch_hz=spoken_pitch_hz(job.models.vocoder, cast.voice),
        unseen=cast.note,
        evidence=cast.evidence,
        face=_quality(cast),
        tracks=cast.followed,
        **_understood(cue.understood),
    )
    if isinstance(cue, LeftAlone):
        return replace(plain, left_alone=why_left(cue.why.values))
    return replace(plain, **_speech(cue, clock), **_picture(counts))


def _understood(understood: Understood | None) -> dict[str, Any]:
    if understood is None:
        return {}
    listened, judgement = understood.listened, understood.judgement
    if isinstance(listened, SaidInWords):
        return {"units_from": "", "understood": judgement.understanding}
    return {
        "source_units": len(listened.units),
        "unit_confidence": judgement.confidence,
        "is_outside_domain": judgement.is_outside,
        "notice": "" if judgement.notice is None else sentence(judgement.notice),
        "understood": judgement.understanding,
        "units_from": listened.heard.words,
        "units_why": reason_words(listened.heard.values),
    }


def _speech(cue: Spoken, clock: OutputClock) -> dict[str, Any]:
    placed, translated = cue.placed, cue.understood.translated
    fit = placed.fit
    seconds = {
        "natural_s": fit.natural_steps,
        "spoken_s": fit.steps,
        "slack_s": fit.slack,
        "in_pause_s": fit.in_pause,
        "overrun_s": fit.overrun,
        "cut_s": fit.cut,
    }
    return {name: float(units_to_seconds(steps)) for name, steps in seconds.items()} | {
        "output_end_s": float(clock.at(placed.start) + placed.spoken),
        "target_units": len(translated.units),
        "translation_score": translated.score,
        "target_text": translated.text if translated.score is None else "",
        "said_by": translated.said_by,
        "is_truncated": translated.is_truncated,
        "factor": fit.factor,
        "is_hurried": fit.is_hurried,
        "held_s": float(placed.held),
    }


def _picture(counts: Counter[int]) -> dict[str, Any]:
    left = {Reason(reason).text: number for reason, number in sorted(counts.items()) if reason != Reason.DRAWN}
    return {"pictures": counts.total(), "drawn": counts[Reason.DRAWN], "left": left}


def _quality(cast: Cast) -> dict[str, float]:
    """Of the face that was followed, at 25 fps: in how many pictures, how large, how sharp, how far turned away."""
    face = cast.face
    if not len(face):
        return {}
    quality = {
        "share_of_pictures": len(face) / len(cast.watch),
        "height_px": float(np.median(face.boxes[:, 3] - face.boxes[:, 1])),
        "sharpness": float(np.median(face.sharpness)),
        "max_yaw": float(np.abs(face.yaw).max()),
        "max_pitch": float(np.abs(face.pitch).max()),
    }
    return {name: value for name, value in quality.items() if np.isfinite(value)}
