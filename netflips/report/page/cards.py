"""One card for each utterance: what it looked and sounded like before and after, and how it was fitted."""

from collections.abc import Sequence
from math import degrees

from netflips.dub.timing import Pace
from netflips.recording.faces import MIN_SHARPNESS
from netflips.recording.who import SPEAKS, SPEAKS_KNOWN
from netflips.report import DubReport, UtteranceReport
from netflips.report.page.clips import Clips
from netflips.report.page.markup import Child, Markup, tag
from netflips.report.page.material import Material, Pair
from netflips.report.page.meanings import OF_MARKS, ON_CARDS
from netflips.report.page.player import sounds
from netflips.report.page.story import speakers_of, utterances_of
from netflips.report.page.timeline import NUM_COLOURS
from netflips.report.page.waves import gauge, peak, wave_pair
from netflips.report.page.words import (
    DASH,
    clock,
    number,
    percent,
    seconds,
    several,
    share,
    sure,
    taken_from,
    unusual,
    verdicts,
)

_MOST_WITH_WAVES = 400
"""Cards of longer recordings show no sounds of their own: the timeline has them, and the page stays small."""


def cards(report: DubReport, material: Material, clips: Clips, pace: Pace | None, prefix: str) -> Markup:
    """Make the cards of all utterances. clips: where the videos are. pace: bounds that were set. prefix: of their ids."""
    utterances = utterances_of(report)
    speakers, loudest = speakers_of(utterances), peak(material.source, material.output)
    has_waves = len(utterances) <= _MOST_WITH_WAVES and bool(len(material.source) or len(material.output))
    made = []
    for one in utterances:
        waves = wave_pair(one, material.source, material.output, loudest) if has_waves else None
        colour = f"s{speakers.index(one.speaker) % NUM_COLOURS}"
        stills, heard = _stills(material.pairs.get(one.number, [])), sounds(report, one, clips, prefix)
        parts = [_head(one, colour), stills, waves, heard, _facts(report, one, pace)]
        made.append(tag("article", parts, class_="card", id=f"{prefix}u{one.number}"))
    return tag("div", made, class_="cards")


def _head(one: UtteranceReport, colour: str) -> Markup:
    when = f"{clock(one.source_start_s)} {DASH} {clock(one.source_end_s)}"
    marks = [tag("span", verdict.text, class_=f"pill {verdict.kind}", title=OF_MARKS[verdict.means]) for verdict in verdicts(one)]
    return tag(
        "header",
        tag("h3", tag("span", one.number, class_=f"badge {colour}"), tag("span", one.speaker)),
        tag("span", when, class_="when"),
        tag("p", marks, class_="pills"),
    )


def _stills(pairs: Sequence[Pair]) -> Markup | None:
    if not pairs:
        return None
    figures = [
        tag(
            "figure",
            tag("img", src=pair.before, alt=f"the original at {clock(pair.source_s)}", loading="lazy"),
            tag("img", src=pair.after, alt=f"the dub at {clock(pair.output_s)}", loading="lazy"),
            tag("figcaption", clock(pair.source_s)),
        )
        for pair in pairs
    ]
    legend = tag("div", tag("span", "before"), tag("span", "after"), class_="legend", aria_hidden="true")
    return tag("div", legend, figures, class_="stills one" if len(pairs) == 1 else "stills")


def _facts(report: DubReport, one: UtteranceReport, pace: Pace | None) -> Markup:
    rows = [*_lengths(report, one, pace), *_units(report, one), *_picture(one), *_face(one)]
    return tag("dl", [[tag("dt", name, title=ON_CARDS[name]), tag("dd", value)] for name, value in rows])


def _lengths(report: DubReport, one: UtteranceReport, pace: Pace | None) -> list[tuple[str, Child]]:
    rows: list[tuple[str, Child]] = [("original", seconds(one.source_end_s - one.source_start_s))]
    if one.left_alone:
        return rows
    if one.factor is None:
        return [*rows, ("dub", seconds(one.spoken_s))]
    by_itself = f"{seconds(one.spoken_s)}, by itself {seconds(one.natural_s)}"
    rows += [
        ("dub", by_itself),
        ("pace", [gauge(one.factor, pace), tag("span", f" {percent(one.factor)} of its length by itself")]),
    ]
    for name, value in (
        ("silent in its place", one.slack_s),
        ("in the pause after", one.in_pause_s),
        ("fitted nowhere", one.overrun_s),
        ("picture held", one.held_s),
        ("cut off", one.cut_s),
    ):
        if value:
            rows.append((name, seconds(value)))
    if abs(one.output_start_s - one.source_start_s) > 1e-3:
        rows.append(("begins in the output", clock(one.output_start_s)))
    return rows


def _units(report: DubReport, one: UtteranceReport) -> list[tuple[str, Child]]:
    rows: list[tuple[str, Child]] = []
    if one.left_alone:
        rows += [("units", several(one.source_units, "unit"))] if one.source_units else []
    else:
        rows.append(("units", f"{one.source_units} in the original, {one.target_units} in the translation"))
    if one.units_from or one.units_why:
        told = [text for text in (taken_from(one.units_from), one.units_why) if text]
        rows.append(("units from", "; ".join(told)))
    rows += (
        [("sure of the original", _sure(one.unit_confidence, report.usual_confidence))] if one.unit_confidence is not None else []
    )
    if one.translation_score is not None:
        rows.append(("sure of the translation", _sure(one.translation_score, report.usual_score)))
    if one.pitch_hz is not None and not one.left_alone:
        rows.append(("voice pitch", f"{one.pitch_hz:.0f} Hz"))
    return rows


def _sure(score: float, usual: float | None) -> Child:
    return tag("span", sure(score, usual), class_="bad" if unusual(score, usual) else None)


def _picture(one: UtteranceReport) -> list[tuple[str, Child]]:
    if not one.pictures:
        return []
    rows: list[tuple[str, Child]] = [("new lips", f"in {one.drawn} of {several(one.pictures, 'picture')}")]
    if one.left:
        rows.append(("left as they were", ", ".join(f"{count} ({reason})" for reason, count in one.left.items())))
    return rows


def _face(one: UtteranceReport) -> list[tuple[str, Child]]:
    """Quality of the face; angles are rough, from the landmarks."""
    quality = one.face
    if not quality:
        return [] if one.factor is None else [("face", "none was found")]
    words = [f"in {share(quality.get('share_of_pictures', 0.0), 1.0)} of the pictures"]
    if "height_px" in quality:
        words.append(f"{quality['height_px']:.0f} pixels tall")
    rows: list[tuple[str, Child]] = [("face", ", ".join(words))]
    if one.evidence is not None:
        rows.append(
            ("mouth and sound", f"{_together(one.evidence)} ({number(one.evidence, 1)}; a talker has about 1.6, a listener 0)")
        )
    if "sharpness" in quality:
        blurred = quality["sharpness"] < MIN_SHARPNESS
        rows.append(("in focus", f"{'no' if blurred else 'yes'} ({quality['sharpness']:.0f}; under {MIN_SHARPNESS:g} is blurred)"))
    turned = [
        f"{degrees(quality[name]):.0f}° {way}"
        for name, way in (("max_yaw", "aside"), ("max_pitch", "up or down"))
        if name in quality
    ]
    return [*rows, ("turned", "at most " + " and ".join(turned))] if turned else rows


def _together(evidence: float) -> str:
    if evidence >= SPEAKS:
        return "clearly together"
    return "somewhat together" if evidence >= SPEAKS_KNOWN else "hardly together"
