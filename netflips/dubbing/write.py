"""Writes the output: segments joined with the sound, and subtitles; and records it in the script and the manifest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from avcore.checkpoints.bundle import bundle_of
from avcore.compute.memory import peak_memory_bytes
from avcore.faces.geometry import MOUTH_HIDDEN
from avcore.journal import file_digest
from avcore.media import SoundWriter
from avcore.media.copying import CopiedFrames, VideoCopier
from avcore.timeline import Interval
from netflips.dubbing.job import Job
from netflips.dubbing.otio import write_timeline
from netflips.dubbing.part import OutputClock
from netflips.dubbing.preflight import Provenance
from netflips.dubbing.publish import publish
from netflips.dubbing.segments import Encoded, join_segments, num_hidden
from netflips.dubbing.store import Store
from netflips.dubbing.subtitles import tracks_of, write_subtitles
from netflips.dubbing.video_format import VideoFormat
from netflips.provenance.manifest import COMPOSITE, Actions
from netflips.provenance.options import LIPS, SPEECH_AND_LIPS, VIDEO, Generated
from netflips.published.terms import Terms, may_be_sold
from netflips.script.targets import Target, TranslatedUnits
from netflips.script.types import DrawnFrame, Made, ModelUsed, Script, Timing, WorkKept
from netflips.script.utterance import DrawnFrames, Utterance
from netflips.version import __version__
from unit2av.rendering import Reason, SoundFeed

_READING = frozenset({"read", "faces", "voice", "av2unit"})
"""Steps of the clock that read the video."""


def write(script: Script, job: Job, frames: Sequence[Encoded] | CopiedFrames, sound: SoundFeed) -> Script:
    """Write the output, which appears when it is whole; fill in the drawn frames of each utterance, and `made`.

    frames: encoded, or to be copied; none: the output is a sound file.
    """
    pieces = () if isinstance(frames, CopiedFrames) else frames
    clock = OutputClock(script, job.part, job.own_rate)
    schedule, provenance = job.schedule, job.provenance
    subtitling, generated = job.options.subtitling, schedule.generated(script) or job.options.generated
    models = list(_models(job.fingerprints, provenance.terms, job.models.domains if script.source else {}))

    with job.clock.stage("write"):
        comment = schedule.comment(script, job.models.fingerprints.values(), job.lips.name)
        if job.options.operator:
            comment += f"; {generated.notice} {job.options.operator}"

        sign = None
        if provenance.signing is not None:
            facts = _facts(job.info.path, models, provenance)
            if job.options.operator:
                facts |= {"operator": job.options.operator, "notice": generated.notice}
            actions, languages = _actions(script, generated)
            sign = provenance.signing.sign(actions, facts | languages, job.out)

        about: dict[str, Any] = {"comment": comment, "language": script.target, "sign": sign}
        about |= {"sound_title": "Dubbed" if sound.alternates else "", "alternates": sound.alternates}
        about |= {"subtitles": tracks_of(script, clock, subtitling), "carried": schedule.carried(script, job.info.source, clock)}
        writer: SoundWriter
        if isinstance(frames, CopiedFrames):
            writer = VideoCopier(job.out, frames, sound.rate, sound.channels, **about)
        elif not pieces:
            writer = SoundWriter(job.out, sound.rate, sound.channels, **about)
        else:
            writer = VideoFormat.of(job.info, job.frame_rate).joiner(job.out, sound, pieces[0].path, **about)
        join_segments(writer, pieces, sound)

    if job.keeps_work:
        # Only once the output is whole, since this deletes what its earlier version was made from.
        job.store.record_output(job.out)
    if subtitling is not None:
        write_subtitles(script, clock, subtitling, job.out, job.store)
    if job.options.publish is not None:
        publish(script, job, clock, comment)

    drawn, utterances = _drawn(pieces), script.utterances
    if job.lips.draws:
        utterances = tuple(
            utterance if utterance.fit is None else replace(utterance, drawn=drawn.get(utterance.number, DrawnFrames()))
            for utterance in utterances
        )
    if hidden := num_hidden(pieces):
        total = sum(utterance.drawn.frames for utterance in utterances if utterance.drawn is not None)
        job.notes.add(MOUTH_HIDDEN(count=hidden, total=total))

    made = Made(
        version=__version__,
        output=str(job.out),
        duration_s=schedule.end_s(script, clock),
        width=writer.out_width,
        height=writer.out_height,
        has_grown=writer.grew,
        frames=frames.count if isinstance(frames, CopiedFrames) else sum(len(piece.times) for piece in pieces),
        worst=worst_frames(pieces) if isinstance(pieces, list) else (),
        lips=job.lips.name,
        models=tuple(models),
        may_be_sold=may_be_sold(provenance.terms),
        signed="" if provenance.signing is None else provenance.signing.by,
        bundle=_bundle_of(job.models.paths.all),
        part=Interval(float(clock.part.start), float(clock.part.stop)) if script.is_source_timed else None,
        work=work_folder_summary(job.store) if job.keeps_work else None,
        settings=job.settings,
        timings=tuple(Timing(name, seconds, name in _READING) for name, seconds in job.clock.seconds.items()),
        peak_memory_bytes=peak_memory_bytes(),
    )
    script = with_notes(replace(script, utterances=utterances, made=made), job, is_encoded=bool(pieces))
    if job.options.timeline is not None:
        write_timeline(job.options.timeline, script, job, clock)
    return script


def with_notes(script: Script, job: Job, *, is_encoded: bool = True) -> Script:
    """Fill in the notes of the dub, the source text of each translation, and consents. is_encoded: whether its frames are."""
    utterances = tuple(
        replace(utterance, notes=tuple(job.notes.of.get(utterance.number, ()))) for utterance in with_sources(script).utterances
    )
    notes = (*(job.info.notes if is_encoded else job.info.source.notes), *job.notes.of_all)
    return replace(script, utterances=utterances, notes=notes, consent=job.provenance.consent)


def with_sources(script: Script) -> Script:
    """Fill in the source text in target units and their alternatives: if a person corrects that text, they are translated anew."""

    def of(target: Target, text: str) -> Target:
        return replace(target, of=text) if isinstance(target, TranslatedUnits) else target

    utterances = list[Utterance]()
    for utterance in script.utterances:
        text = "" if utterance.text is None else utterance.text.text
        target = None if utterance.target is None else of(utterance.target, text)
        utterances.append(replace(utterance, target=target, alternatives=tuple(of(take, text) for take in utterance.alternatives)))
    return replace(script, utterances=tuple(utterances))


def work_folder_summary(work: Store) -> WorkKept:
    """Return the size of a work folder, and the numbers of pieces."""
    return WorkKept(str(work.folder), work.num_bytes(), dict(work.found), dict(work.made))


def _drawn(pieces: Sequence[Encoded]) -> dict[int, DrawnFrames]:
    """Return the numbers of each utterance's frames, by its number."""
    counts, found = dict[int, Counter[int]](), dict[int, DrawnFrames]()
    for piece in pieces:
        for owner, reason in zip(piece.owners, piece.reasons, strict=True):
            counts.setdefault(owner, Counter())[reason] += 1

    for owner, count in counts.items():
        left = {Reason(reason).name.lower(): number for reason, number in sorted(count.items()) if reason != Reason.DRAWN}
        found[owner] = DrawnFrames(count.total(), count[int(Reason.DRAWN)], left)
    return found


_NUM_WORST, _APART_S = 6, 0.4
"""Frames to look at first, and the least time between two of them."""


def worst_frames(pieces: Sequence[Encoded]) -> tuple[DrawnFrame, ...]:
    """Return the drawn frames that depart most steeply from the source, some time apart, in order of time."""
    rows = (row for piece in pieces for row in zip(piece.times, piece.owners, piece.reasons, piece.strains, strict=True))
    drawn = [
        DrawnFrame(round(float(time), 3), owner, strain) for time, owner, reason, strain in rows if owner and reason == Reason.DRAWN
    ]
    found = list[DrawnFrame]()
    for frame in sorted(drawn, key=lambda one: (-one.strain, one.time_s)):
        if all(abs(frame.time_s - other.time_s) >= _APART_S for other in found):
            found.append(frame)
        if len(found) == _NUM_WORST:
            break
    return tuple(sorted(found))


def _models(fingerprints: Mapping[str, str], terms: Iterable[Terms], domains: Mapping[str, Any]) -> Iterator[ModelUsed]:
    """Yield the models of a dub, with their licences and domains. domains: of those whose confidence is judged, by part."""
    terms_of = {term.part: term for term in terms}
    for part in dict.fromkeys((*fingerprints, *terms_of)):
        domain, known = domains.get(part), terms_of.get(part)
        usual, knows = (None, "") if domain is None else (domain.least, domain.what)
        licence = () if known is None else known[1:]
        yield ModelUsed(part, fingerprints.get(part, ""), usual, knows, *licence)


def _facts(video: Path, models: Sequence[ModelUsed], provenance: Provenance) -> dict[str, Any]:
    """Return our own facts for the manifest of a dub: the video, the models, what they allow, and who agreed."""
    rows = [
        {
            "part": model.part,
            "name": model.name,
            "fingerprint": model.fingerprint,
            "licence": model.licence,
            "commercial": model.commercial,
        }
        for model in models
    ]
    return {
        "source": {"sha256": file_digest(video)},
        "models": rows,
        "may_be_sold": may_be_sold(provenance.terms),
        "consent": [{name: text for name, text in asdict(consent).items() if text} for consent in provenance.consent],
    }


def _actions(script: Script, generated: Generated) -> tuple[Actions, dict[str, Any]]:
    """Return C2PA's actions for the manifest of a dub, and the languages that were translated, if any."""
    if generated in (LIPS, VIDEO) or not script.source:  # nothing was translated
        return [{"action": "c2pa.edited", "digitalSourceType": COMPOSITE, "description": generated.done}], {}

    # the actions by which readers of C2PA recognize a dub
    languages = {"sourceLanguage": script.source, "targetLanguage": script.target}
    lips = {
        "region": [{"type": "identified", "item": {"identifier": "lips", "value": "lips"}}],
        "description": "lips of the speech",
    }
    changes = {"changes": [lips]} if generated is SPEECH_AND_LIPS else {}
    actions: list[dict[str, Any]] = [
        {"action": "c2pa.translated", "digitalSourceType": COMPOSITE, "parameters": languages},
        {"action": "c2pa.dubbed", "digitalSourceType": COMPOSITE, "description": generated.done, **changes},
    ]
    return actions, {"languages": {"from": script.source, "to": script.target}}


def _bundle_of(paths: Iterable[Path]) -> str:
    """Return the name of the bundle that all models are from; "" if they are from none, or from several."""
    names = {bundle.about["name"] if (bundle := bundle_of(path)) is not None else "" for path in paths}
    return str(names.pop()) if len(names) == 1 else ""
