"""What is said in each utterance, and when: units, translation, timing and the new speech."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avcore.errors import UnitError
from avcore.plain_text import ranges
from netflips.dub.judgement import Judgement, common_notice, judge
from netflips.recording.casting import Cast
from netflips.recording.finding import Found
from netflips.recording.hearing import SpeechFile
from netflips.recording.job import Job
from netflips.recording.plan import Placed, place
from netflips.recording.speaking import Spoken, speak
from netflips.recording.translating import Listened, Translated, extract_units, translate_all


@dataclass(frozen=True)
class Cue:
    """One utterance with all that was decided about it.

    judgement: whether it is what the models were made for. placed: when and what is said; None = it is left alone, why says
    for which reason. is_silent: bool [T], whether each 40 ms of the new speech is silent.
    """

    cast: Cast
    listened: Listened | None
    translated: Translated | None
    judgement: Judgement | None
    placed: Placed | None
    why: str = ""
    is_silent: NDArray[np.bool_] | None = None


def say(job: Job, found: Found, casts: Sequence[Cast]) -> list[Cue]:
    """Translate, place and speak each utterance. Raises UnitError when nothing is left to say."""
    listened = _listen(job, found.speech, casts)
    with job.clock.stage("unit2unit"):
        translated = translate_all(listened, job.models, job.options, job.work, job.progress)
        job.models.done_with(job.models.translator)
    with job.clock.stage("speech"):
        cues = [_cue(job, *one) for one in zip(casts, listened, translated, strict=True)]
        notice = common_notice({cue.cast.utterance.number: cue.judgement for cue in cues if cue.judgement is not None})
        if notice is not None:
            job.warn(notice)
        if not any(cue.placed for cue in cues):
            hint = "is there speech in it, in the language of --src-lang?"
            raise UnitError("the translation is empty", path=job.source.path, hint=hint)
        spoken = []
        for done, cue in enumerate(cues, 1):
            sound = spoken_in(job, found.speech, cue)
            spoken.append(cue if sound is None else replace(cue, is_silent=sound.is_silent))
            job.progress("speech", done, len(cues))
    return spoken


def spoken_in(job: Job, speech: SpeechFile | None, cue: Cue) -> Spoken | None:
    """The new speech of an utterance, made or found in the work folder; None for one that is left alone."""
    if cue.placed is None:
        return None
    return speak(cue.placed, cue.cast.role.voice, speech, job.sound_rate, job.models, job.work)


def _listen(job: Job, speech: SpeechFile | None, casts: Sequence[Cast]) -> list[Listened | None]:
    listened = []
    with job.clock.stage("av2unit"):
        for done, one in enumerate(casts, 1):
            listened.append(extract_units(one.utterance, one.lips, speech, job.models, job.options, job.work))
            job.progress("units", done, len(casts))
    job.models.done_with(job.models.extractor)
    _warn_of_pictures(job, casts, listened)
    return listened


def _warn_of_pictures(job: Job, casts: Sequence[Cast], listened: Sequence[Listened | None]) -> None:
    """Say whose lips were not believed, once for each reason."""
    reasons = dict[str, list[int]]()
    for one, said in zip(casts, listened, strict=True):
        if said is not None and said.heard.is_picture_left_out:
            reasons.setdefault(said.heard.reason, []).append(one.utterance.number)
    for reason, numbers in reasons.items():
        job.warn(f"utterance{'s' if len(numbers) > 1 else ''} {ranges(numbers)}: units are taken from the sound alone: {reason}")


def _cue(job: Job, cast: Cast, listened: Listened | None, translated: Translated | None) -> Cue:
    name = f"utterance {cast.utterance.number}"
    judgement = None
    if listened is not None and translated is not None:
        judgement = judge(job.models, listened.heard, translated)
    if translated is None or not len(translated.units):
        why = "nothing of it can be heard or seen" if translated is None else "its translation is empty"
        job.warn(f"{name} is left alone: {why}")
        return Cue(cast, listened, translated, judgement, None, why)
    natural = job.models.vocoder.predict_durations(translated.units)
    placed = place(cast.utterance, natural, cast.room, job.info.frame_rate, job.settings.pace)
    fit = placed.fit
    if translated.is_truncated:
        job.warn(f"{name}: translation stopped at {len(translated.units)} units; --max-target-units 0 lifts the limit")
    if fit.cut:
        job.warn(f"{name}: its last {fit.cut} units found no room and were left out; --hold-picture makes room")
    elif fit.is_hurried:
        job.warn(f"{name} is spoken at {fit.factor:.2f} of its natural length; --hold-picture gives it time")
    return Cue(cast, listened, translated, judgement, placed)
