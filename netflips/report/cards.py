"""What the page tells of each utterance: the facts of its card, and what of the dub needs a look."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import degrees
from typing import NamedTuple

from markupsafe import Markup

from avcore.plain_text import several
from netflips.cascade.options import TEXT
from netflips.dub.timing import Pace
from netflips.recording.faces import MIN_SHARPNESS, SPEAKS
from netflips.recording.who import SPEAKS_KNOWN
from netflips.report import DubReport, UtteranceReport
from netflips.report.drawing import NUM_COLOURS, gauge, peak, wave_pair
from netflips.report.material import Material, PicturePair
from netflips.report.story import speakers_of, utterances_of
from netflips.report.words import (
    TIMES,
    Verdict,
    clock,
    gathered,
    in_plain_figures,
    number_or_dash,
    per_cent,
    percent,
    seconds,
    sure,
    taken_from,
    unusual,
    verdicts,
)

_MOST_WITH_WAVES = 400
"""Cards of longer recordings show no sounds of their own: the timeline has them, and the page stays small."""
_NAMED = re.compile(r"\butterance (?P<one>\d+)|\butterances (?P<many>\d+(?:-\d+)?(?:, \d+(?:-\d+)?)*)", re.IGNORECASE)


class Fact(NamedTuple):
    """A line of a card. name: its key in `ON_CARDS`. drawing: before the text, or None."""

    name: str
    text: str
    is_bad: bool = False
    drawing: Markup | None = None


@dataclass(frozen=True)
class Card:
    """One utterance on the page. colour: class of its speaker. until_s: when both videos have shown it, in the output (s)."""

    utterance: UtteranceReport
    colour: str
    verdicts: Sequence[Verdict]
    pairs: Sequence[PicturePair]
    waves: Markup | None
    until_s: float
    facts: Sequence[Fact]


class SentencePart(NamedTuple):
    """A piece of a sentence. leads_to: number of the utterance whose card it leads to, or None."""

    text: str
    leads_to: int | None = None


class Remark(NamedTuple):
    """Something that needs a look. reasons: for each utterance that it sums up, why."""

    pieces: Sequence[SentencePart]
    is_warning: bool = False
    reasons: Sequence[Sequence[SentencePart]] = ()


def cards_of(report: DubReport, material: Material, pace: Pace | None) -> list[Card]:
    """Make the cards of all utterances. pace: bounds that were set, or None."""
    utterances = utterances_of(report)
    speakers, loudest = speakers_of(utterances), peak(material.source, material.output)
    has_waves = len(utterances) <= _MOST_WITH_WAVES and bool(len(material.source) or len(material.output))
    return [
        Card(
            utterance=one,
            colour=f"s{speakers.index(one.speaker) % NUM_COLOURS}",
            verdicts=verdicts(one),
            pairs=material.pairs.get(one.number, []),
            waves=wave_pair(one, material.source, material.output, loudest) if has_waves else None,
            until_s=max(one.output_end_s, _slot_end(report, one)),
            facts=[*_texts(one), *_lengths(one, pace), *_units(report, one), *_picture(one), *_face(one)],
        )
        for one in utterances
    ]


def _slot_end(report: DubReport, one: UtteranceReport) -> float:
    """When the original utterance ends, in the output (s); a short clip's original has an end of its own."""
    return one.output_start_s + (one.source_end_s - one.source_start_s if report.recording is not None else 0.0)


def _texts(one: UtteranceReport) -> list[Fact]:
    """What was heard and what is said, as far as it was read off the units or the user wrote it."""
    facts = []
    for name, text, confidence in (
        ("heard", one.heard_text, one.heard_confidence),
        ("said", "" if one.target_text else one.said_text, one.said_confidence),
    ):
        if text:
            facts.append(Fact(name, text + ("" if confidence is None else f" ({percent(confidence)})")))
    return [*facts, Fact("said as written", one.target_text)] if one.target_text else facts


def _lengths(one: UtteranceReport, pace: Pace | None) -> list[Fact]:
    facts = [Fact("original", seconds(one.source_end_s - one.source_start_s))]
    if one.left_alone:
        return facts
    if one.factor is None:
        return [*facts, Fact("dub", seconds(one.spoken_s))]
    facts += [
        Fact("dub", f"{seconds(one.spoken_s)}, by itself {seconds(one.natural_s)}"),
        Fact("pace", f"{percent(one.factor)} of its length by itself", drawing=gauge(one.factor, pace)),
    ]
    for name, value in (
        ("silent in its place", one.slack_s),
        ("in the pause after", one.in_pause_s),
        ("fitted nowhere", one.overrun_s),
        ("picture held", one.held_s),
        ("cut off", one.cut_s),
    ):
        if value:
            facts.append(Fact(name, seconds(value)))
    if abs(one.output_start_s - one.source_start_s) > 1e-3:
        facts.append(Fact("begins in the output", clock(one.output_start_s)))
    return facts


def _units(report: DubReport, one: UtteranceReport) -> list[Fact]:
    facts = []
    if not one.left_alone and report.road == TEXT:
        facts.append(Fact("units", f"{several(one.target_units, 'unit')}, of the text"))
    elif not one.left_alone:
        facts.append(Fact("units", f"{one.source_units} in the original, {one.target_units} in the translation"))
    elif one.source_units:
        facts.append(Fact("units", several(one.source_units, "unit")))
    if one.units_from or one.units_why:
        told = [text for text in (taken_from(one.units_from), one.units_why) if text]
        facts.append(Fact("units from", "; ".join(told)))
    for name, score, usual in (
        ("sure of the original", one.unit_confidence, report.usual_confidence),
        ("sure of the translation", one.translation_score, report.usual_score),
    ):
        if score is not None:
            facts.append(Fact(name, sure(score, usual), is_bad=unusual(score, usual)))
    if one.understood is not None and one.understood.grade != "unknown":
        facts.insert(0, Fact("understood", one.understood.words(), is_bad=one.understood.grade == "bad"))
    if one.pitch_hz is not None and not one.left_alone:
        facts.append(Fact("voice pitch", f"{one.pitch_hz:.0f} Hz"))
    return facts


def _picture(one: UtteranceReport) -> list[Fact]:
    if not one.pictures:
        return []
    facts = [Fact("new lips", f"in {one.drawn} of {several(one.pictures, 'picture')}")]
    if one.left:
        facts.append(Fact("left as they were", ", ".join(f"{count} ({reason})" for reason, count in one.left.items())))
    return facts


def _face(one: UtteranceReport) -> list[Fact]:
    """Quality of the face; angles are rough, from the landmarks."""
    quality = one.face
    if not quality:
        return [] if one.factor is None else [Fact("face", "none was found")]
    words = [f"in {per_cent(quality.get('share_of_pictures', 0.0), 1.0)} of the pictures"]
    if "height_px" in quality:
        words.append(f"{quality['height_px']:.0f} pixels tall")
    facts = [Fact("face", ", ".join(words))]
    if one.evidence is not None:
        usual = f"({number_or_dash(one.evidence, 1)}; a talker has about 1.6, a listener 0)"
        facts.append(Fact("mouth and sound", f"{_together(one.evidence)} {usual}"))
    if "sharpness" in quality:
        is_focused = "no" if quality["sharpness"] < MIN_SHARPNESS else "yes"
        facts.append(Fact("in focus", f"{is_focused} ({quality['sharpness']:.0f}; under {MIN_SHARPNESS:g} is blurred)"))
    ways = (("max_yaw", "aside"), ("max_pitch", "up or down"))
    turned = [f"{degrees(quality[name]):.0f}° {way}" for name, way in ways if name in quality]
    return [*facts, Fact("turned", "at most " + " and ".join(turned))] if turned else facts


def _together(evidence: float) -> str:
    if evidence >= SPEAKS:
        return "clearly together"
    return "somewhat together" if evidence >= SPEAKS_KNOWN else "hardly together"


def remarks_on(report: DubReport, missing: Sequence[str]) -> list[Remark]:
    """What was left alone and why, and all warnings. missing: what could not be had of the files."""
    utterances = utterances_of(report)
    found = []
    for one in utterances:
        if one.left_alone:
            why = f" ({clock(one.source_start_s)}) was left as it was: {one.left_alone}."
            found.append(Remark([SentencePart(f"Utterance {one.number}", one.number), SentencePart(why)]))
    left = Counter[str]()
    for one in utterances:
        left.update(one.left)
    if left:
        reasons = ", ".join(f"{count} ({reason})" for reason, count in left.most_common())
        told = f"{several(left.total(), 'picture')} within utterances kept the original mouth: {reasons}."
        found.append(Remark([SentencePart(told)]))
    if report.has_grown:
        told = f"The picture grew to {report.width}{TIMES}{report.height}: H.264 cannot hold an odd side."
        found.append(Remark([SentencePart(told)]))
    warnings = gathered(text for text in report.warnings if "is left alone" not in text)
    return [
        *found,
        *(_warning(text, report, utterances) for text in warnings),
        *(Remark([SentencePart(text)], is_warning=True) for text in missing),
    ]


def _warning(text: str, report: DubReport, utterances: Sequence[UtteranceReport]) -> Remark:
    """A warning; one that sums up what is to be told of several utterances is followed by the reason for each."""
    strange = [one for one in utterances if one.notice]
    sums_up = any(text.endswith(one.notice) for one in strange)
    pieces = _linked(in_plain_figures(text), [one.number for one in utterances])
    return Remark(pieces, is_warning=True, reasons=[_why(one, report) for one in strange] if sums_up else ())


def _why(one: UtteranceReport, report: DubReport) -> list[SentencePart]:
    reasons = [
        f"sure of the {what}: {sure(score, usual)}"
        for what, score, usual in (
            ("original", one.unit_confidence, report.usual_confidence),
            ("translation", one.translation_score, report.usual_score),
        )
        if unusual(score, usual)
    ]
    told = "; ".join(reasons) or in_plain_figures(one.notice)
    return [SentencePart(f"Utterance {one.number}", one.number), SentencePart(f" ({clock(one.source_start_s)}): {told}")]


def _linked(text: str, numbers: Sequence[int]) -> list[SentencePart]:
    """A text in which each utterance that it names, within a range too, leads to its card."""
    pieces: list[SentencePart] = []
    end = 0
    for found in _NAMED.finditer(text):
        start = found.start("one" if found["one"] else "many")
        pieces += [SentencePart(text[end:start]), *_links(found[0][start - found.start() :], numbers)]
        end = found.end()
    return [*pieces, SentencePart(text[end:])]


def _links(ranges: str, numbers: Sequence[int]) -> list[SentencePart]:
    """Links to all cards of `1-3, 7`; what has no card stays as it is."""
    links: list[SentencePart] = []
    for one in ranges.split(", "):
        low, _, high = one.partition("-")
        here = [SentencePart(str(number), number) for number in numbers if int(low) <= number <= int(high or low)]
        for piece in here or [SentencePart(one)]:
            links += [SentencePart(", "), piece] if links else [piece]
    return links
