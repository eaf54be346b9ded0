"""The report of a dub as one HTML page, to read on any screen without a network and to watch the videos that lie beside it.

`templates/page.html` has the layout. This module prepares the values, and ensures that none of them is read as markup.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import degrees
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from avcore.domain import OUTSIDE
from avcore.files import write_text
from avcore.notes import GroupedNote, Note, sentence, several
from avcore.words import KOREAN, LANGUAGES, user_language
from netflips.dubbing.diarization import SPEAKS_KNOWN
from netflips.dubbing.face_path import MIN_SHARPNESS
from netflips.dubbing.track_faces import SPEAKS
from netflips.report import words
from netflips.report.material import FinishedDub, ImagePair
from netflips.report.story import OnPage, addresses_of, below_usual, dubbed_part, on_page, speakers_of, stretches_of
from netflips.report.words import (
    DASH,
    TIMES,
    UtteranceGrade,
    clock,
    number_or_dash,
    per_cent,
    percent,
    seconds,
    sure,
    taken_from,
    unusual,
    verdicts,
)
from netflips.script.drawn import lips_drawn
from netflips.script.notes import LEFT_ALONE, left_words, why_left
from netflips.script.types import Media, Script

# The facts on each utterance's card, and remarks on the dub

NUM_COLOURS = 6
"""Speakers beyond these share colours."""
_MARK = "\ue000"
"""Placeholder for the utterances in a sentence."""


class Fact(NamedTuple):
    """A line of a card."""

    name: str
    text: str
    is_bad: bool = False


@dataclass(frozen=True)
class Card:
    """One utterance on the page."""

    utterance: OnPage
    colour: str
    """CSS class of its speaker"""
    verdicts: Sequence[UtteranceGrade]
    pairs: Sequence[ImagePair]
    until_s: float
    """when both videos have shown it, in the output (s)"""
    facts: Sequence[Fact]


class SentencePart(NamedTuple):
    """A piece of a sentence."""

    text: str
    leads_to: int | None = None
    """number of the utterance whose card it links to"""


class Remark(NamedTuple):
    """Something that needs attention."""

    pieces: Sequence[SentencePart]
    is_warning: bool = False
    reasons: Sequence[Sequence[SentencePart]] = ()
    """the reason for each utterance that it sums up"""
    korean: str = ""
    """a note's sentence in Korean"""


def cards_of(finished: FinishedDub) -> list[Card]:
    """Make the cards of all utterances."""
    script, utterances = finished.script, on_page(finished.script)
    speakers, below = speakers_of(utterances), below_usual(script)
    return [
        Card(
            utterance=utterance,
            colour=f"s{speakers.index(utterance.speaker) % NUM_COLOURS}",
            verdicts=verdicts(utterance),
            pairs=finished.pairs.get(utterance.number, []),
            until_s=max(
                utterance.output.end_s, utterance.output.start_s + (utterance.source.seconds if script.is_source_timed else 0.0)
            ),
            facts=[
                *_lengths(utterance),
                *_units(script, utterance, below),
                *_check(utterance),
                *_video(utterance),
                *_face(utterance),
            ],
        )
        for utterance in utterances
    ]


def _lengths(one: OnPage) -> list[Fact]:
    facts, fit = [] if one.utterance.place is None else [Fact("original", seconds(one.source.seconds))], one.fit
    if one.alone is not None:
        return facts
    if fit.duration_scale is None:
        return [*facts, Fact("dub", seconds(fit.spoken_s))]

    facts += [
        Fact("dub", f"{seconds(fit.spoken_s)}, by itself {seconds(fit.natural_s)}"),
        Fact("pace", f"{percent(fit.duration_scale)} of its length by itself"),
    ]
    for name, value in (
        ("silent in its place", fit.slack_s),
        ("in the pause after", fit.in_pause_s),
        ("fitted nowhere", fit.overrun_s),
        ("freeze frame", fit.freeze_s),
        ("cut off", fit.cut_s),
    ):
        if value:
            facts.append(Fact(name, seconds(value)))

    if abs(one.output.start_s - one.source.start_s) > 1e-3:
        facts.append(Fact("begins in the output", clock(one.output.start_s)))
    return facts


def _units(script: Script, one: OnPage, below: frozenset[int]) -> list[Fact]:
    facts, source, num_spoken = [], one.utterance.source_units, one.fit.units
    num_source_units = 0 if source is None else len(source.units.ids)

    if one.alone is None and script.is_over_text:
        facts.append(Fact("units", f"{several(num_spoken, 'unit')}, of the text"))
    elif one.alone is None and source is None:
        facts += [Fact("units", several(num_spoken, "unit"))] if num_spoken else []
    elif one.alone is None:
        facts.append(Fact("units", f"{num_source_units} in the original, {num_spoken} in the translation"))
    elif num_source_units:
        facts.append(Fact("units", several(num_source_units, "unit")))

    sources = [text for text in ("" if source is None else taken_from(source.modalities), one.utterance.units_why) if text]
    if sources:
        facts.append(Fact("units from", "; ".join(sources)))

    for name, score, usual in _scores(script, one):
        if score is not None:
            facts.append(Fact(f"sure of the {name}", sure(score, usual), is_bad=unusual(score, usual)))

    quality = one.utterance.quality if one.number in below else None
    if quality is not None and len(script.utterances) > 1:  # else the page's own verdict has it
        facts.insert(0, Fact("verdict", quality.text(), is_bad=quality.lost > 0))
    pitch = script.speaker(one.speaker).pitch_hz
    if pitch is not None and one.alone is None:
        facts.append(Fact("voice pitch", f"{pitch:.0f} Hz"))
    return facts


def _scores(script: Script, one: OnPage) -> tuple[tuple[str, float | None, float | None], ...]:
    """Return the scores of an utterance: what each is of, the score, and what is usual."""
    made, source = script.result, one.utterance.source_units
    return (
        ("original", None if source is None else source.confidence, made.usual("av2unit")),
        ("translation", one.utterance.score if one.utterance.fit else None, made.usual("unit2unit")),
    )


def _check(one: OnPage) -> list[Fact]:
    """Return what was recognized and measured of it as it is spoken."""
    checked = one.utterance.checked
    if checked is None:
        return []
    shares = (("right", checked.right), ("b, m and p closed", checked.closed), ("original under it", checked.leak))
    figures = [f"{name} {per_cent(share, 1.0)}" for name, share in shares if share is not None]
    figures += [] if checked.own_voice is None else [f"own voice {number_or_dash(checked.own_voice, 2)}"]
    figures += [] if checked.other_voice is None else [f"others' {number_or_dash(checked.other_voice, 2)}"]
    figures += [several(checked.clicks, "click")] if checked.clicks else []

    heard = "" if checked.transcript is None else f"heard “{checked.transcript}”; "
    faults = "".join(f"; {sentence(Note(f'fault_{name}'))}" for name in checked.reported)
    return [Fact("checked", heard + ", ".join(figures) + faults, is_bad=bool(checked.reported))]


def _video(one: OnPage) -> list[Fact]:
    drawn = one.drawn
    if not drawn.frames:
        return []
    facts = [Fact("new lips", f"in {drawn.drawn} of {several(drawn.frames, 'frame')}")]
    if drawn.left:
        reasons = ", ".join(f"{count} ({left_words(reason)})" for reason, count in drawn.left.items())
        facts.append(Fact("left as they were", reasons))
    return facts


def _face(one: OnPage) -> list[Fact]:
    """Return the quality of the face; angles are estimated from the landmarks."""
    seen = one.utterance.seen
    quality, evidence = (None, None) if seen is None else (seen.quality, seen.evidence)
    if seen is not None and seen.absent == "not_wanted":
        return []
    if quality is None:
        return [] if one.fit.duration_scale is None else [Fact("face", "none was found")]

    tall = "" if quality.height_px is None else f", {quality.height_px:.0f} pixels tall"
    facts = [Fact("face", f"in {per_cent(quality.share_of_frames, 1.0)} of the frames{tall}")]
    if evidence is not None:
        usual = f"({number_or_dash(evidence, 1)}; a talker has about 1.6, a listener 0)"
        how = "clearly" if evidence >= SPEAKS else "somewhat" if evidence >= SPEAKS_KNOWN else "hardly"
        facts.append(Fact("mouth and sound", f"{how} together {usual}"))

    if quality.sharpness is not None:
        is_focused = "no" if quality.sharpness < MIN_SHARPNESS else "yes"
        facts.append(Fact("in focus", f"{is_focused} ({quality.sharpness:.0f}; under {MIN_SHARPNESS:g} is blurred)"))
    ways = ((quality.max_yaw, "aside"), (quality.max_pitch, "up or down"))
    turned = [f"{degrees(angle):.0f}° {way}" for angle, way in ways if angle is not None]
    return [*facts, Fact("turned", "at most " + " and ".join(turned))] if turned else facts


def remarks_on(script: Script, missing: Sequence[str]) -> list[Remark]:
    """Return what was left alone and why, and all notes. missing: what could not be read from the files."""
    utterances, made = on_page(script), script.result
    found = []
    left = Counter[str]()
    for utterance in utterances:
        if utterance.alone is not None:
            why = f" ({clock(utterance.source.start_s)}) was left as it was: {why_left(utterance.alone.values)}."
            found.append(Remark([SentencePart(f"Utterance {utterance.number}", utterance.number), SentencePart(why)]))
        left.update(utterance.drawn.left)

    if left:
        reasons = ", ".join(f"{count} ({left_words(reason)})" for reason, count in left.most_common())
        text = f"{several(left.total(), 'frame')} within utterances kept the original mouth: {reasons}."
        found.append(Remark([SentencePart(text)]))
    if made.has_grown:
        text = f"The video grew to {made.width}{TIMES}{made.height}: H.264 cannot hold an odd side."
        found.append(Remark([SentencePart(text)]))

    return [
        *found,
        *(_warning(note, script, utterances) for note in script.grouped_notes if note.note.code != LEFT_ALONE.code),
        *(Remark([SentencePart(text)], is_warning=True) for text in missing),
    ]


def _warning(grouped: GroupedNote, script: Script, utterances: Sequence[OnPage]) -> Remark:
    """Return a note with links to its utterances; where several share it with different figures, with the reason for each."""
    before, mark, after = sentence(grouped, who=_MARK if grouped.numbers else None).partition(_MARK)
    pieces = [SentencePart(before)]
    if mark:
        plural = "s" if len(grouped.numbers) > 1 else ""
        pieces.append(SentencePart(f"utterance{plural} "))
        cards = {utterance.number for utterance in utterances}
        for place, number in enumerate(grouped.numbers):  # those that have a card lead there
            pieces += [SentencePart(", ")] if place else []
            pieces.append(SentencePart(str(number), number if number in cards else None))

    strange = (
        [utterance for utterance in utterances if utterance.number in grouped.numbers] if grouped.note.code == OUTSIDE.code else []
    )
    among = f" ({len(strange)} of {grouped.note.values['among']})" if len(strange) > 1 and "among" in grouped.note.values else ""
    reasons, korean = [_why(one, script) for one in strange], sentence(grouped, KOREAN, hint=False)
    return Remark([*pieces, SentencePart(among + after)], is_warning=True, reasons=reasons, korean=korean)


def _why(one: OnPage, script: Script) -> list[SentencePart]:
    reasons = [f"sure of the {what}: {sure(score, usual)}" for what, score, usual in _scores(script, one) if unusual(score, usual)]
    note = one.utterance.note(OUTSIDE.code)
    why = "; ".join(reasons) or ("" if note is None else sentence(note))
    return [SentencePart(f"Utterance {one.number}", one.number), SentencePart(f" ({clock(one.source.start_s)}): {why}")]


# The page

_POLICY = (
    "default-src 'none'",
    "script-src '{script}'",
    "style-src '{style}'",
    "img-src data:",
    "media-src 'self' file:",
    "base-uri 'none'",
    "form-action 'none'",
)
"""Allows only the script and the style sheet with these digests, frames within the page, and media files."""


def write_report_page(path: Path, dubs: Sequence[FinishedDub], failures: Mapping[str, str]) -> None:
    """Write the page. Raises OutputError when it cannot be written; then nothing is."""
    write_text(path, report_page(dubs, failures, path.parent))


def report_page(dubs: Sequence[FinishedDub], failures: Mapping[str, str], folder: Path = Path()) -> str:
    """Return the page of a run: all dubs, and the inputs that failed with their messages.

    folder: where the page will be; it plays the videos from where they are.
    """
    is_single = len(dubs) == 1 and not failures
    settings = dubs[0].script.result.settings if dubs else {}
    style, script = (words.template_text("netflips.report", name) for name in ("style.css", "player.js"))
    environment = words.environment_of("netflips.report")
    environment.globals |= {"words": words, "dubbed_part": dubbed_part}
    environment.filters["file_name"] = lambda path: Path(path).name

    return environment.get_template("page.html").render(
        name=Path(dubs[0].script.result.output).name if is_single else several(len(dubs) + len(failures), "video"),
        is_single=is_single,
        language=user_language(),
        versions=" and ".join(dict.fromkeys(finished.script.result.version for finished in dubs)),
        dubs=[_dub(finished, "" if is_single else f"d{count}-", folder) for count, finished in enumerate(dubs, 1)],
        failures=failures,
        settings=[(name, _setting(value)) for name, value in settings.items()],
        policy="; ".join(_POLICY).format(script=words.short_digest(script), style=words.short_digest(style)),
        style=Markup(style),  # our own files
        script=Markup(script),
    )


def _dub(finished: FinishedDub, prefix: str, folder: Path) -> dict[str, Any]:
    """Return what the template shows of one dub. prefix: of its ids in the page. folder: where the page is."""
    script = finished.script
    utterances, made = on_page(script), script.result
    dubbed = [utterance for utterance in utterances if utterance.alone is None]
    return {
        "script": script,
        "lips": None if (lips := lips_drawn(script)) is None else {language: sentence(lips, language) for language in LANGUAGES},
        "made": made,
        "media": script.media or Media(),
        "prefix": prefix,
        "clips": addresses_of(script, folder),
        "posters": finished.posters,
        "worst": finished.worst,
        "utterances": utterances,
        "below": below_usual(script),
        "dubbed": len(dubbed),
        "speakers": speakers_of(utterances),
        "scales": [one.fit.duration_scale for one in dubbed if one.fit.duration_scale is not None],
        "took_s": sum(timing.seconds for timing in made.timings),
        "stretches": json.dumps([[round(value, 3) for value in one] for one in stretches_of(script)]),
        "remarks": remarks_on(script, finished.missing),
        "cards": cards_of(finished),
    }


def _setting(value: object) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
