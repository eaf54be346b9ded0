"""The report of a dub as one HTML page, to read on any screen without a network and to watch the videos that lie beside it.

`templates/page.html` is what it looks like; here is what goes into it, and that nothing of it is taken for markup.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from avcore.files import write_text
from avcore.plain_text import several
from netflips.dub.timing import Pace
from netflips.options import DubOptions
from netflips.report import DubReport, UtteranceReport, words
from netflips.report.cards import Card, Remark, cards_of, remarks_on
from netflips.report.drawing import NUM_COLOURS, timeline
from netflips.report.material import Material, PicturePair
from netflips.report.story import VideoAddresses, addresses_of, speakers_of, stretches_of, utterances_of
from netflips.report.words import DASH

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = "templates"
_POLICY = (
    "default-src 'none'",
    "script-src '{script}'",
    "style-src '{style}'",
    "img-src data:",
    "media-src 'self' file:",
    "base-uri 'none'",
    "form-action 'none'",
)
"""Allows the script and the style sheet with these digests, pictures within the page and media files, and nothing else."""
_MEANINGS = (
    ("The card of an utterance", words.ON_CARDS),
    ("Marks at the head of a card", words.OF_MARKS),
    ("The rest of the page", words.OF_THE_REST),
)


@dataclass(frozen=True)
class ToldDub:
    """One finished dub and what the page shows of its files."""

    report: DubReport
    material: Material


@dataclass(frozen=True)
class _Dub:
    """One dub as the template takes it. prefix: of its ids. stretches: as JSON. factors: of the utterances that have one."""

    report: DubReport
    prefix: str
    clips: VideoAddresses
    posters: PicturePair | None
    utterances: Sequence[UtteranceReport]
    dubbed: int
    speakers: Sequence[str]
    factors: Sequence[float]
    took_s: float
    stretches: str
    remarks: Sequence[Remark]
    keys: Sequence[tuple[str, str]]
    timeline: Sequence[Markup]
    cards: Sequence[Card]


def write_report_page(path: Path, dubs: Sequence[ToldDub], failures: Mapping[str, str], options: DubOptions | None = None) -> None:
    """Write the page, or nothing; raises OutputError when it cannot be written."""
    write_text(path, report_page(dubs, failures, options, path.parent))


def report_page(
    dubs: Sequence[ToldDub], failures: Mapping[str, str], options: DubOptions | None = None, folder: Path = Path()
) -> str:
    """The page of a run: all dubs, and the inputs that failed with their messages.

    options: as set, for the list of settings. folder: where the page will lie; it plays the videos from where they are.
    """
    is_single = len(dubs) == 1 and not failures
    pace = None if options is None else options.recording.pace
    style, script = _text("style.css"), _text("player.js")
    return _template().render(
        name=Path(dubs[0].report.output).name if is_single else several(len(dubs) + len(failures), "video"),
        is_single=is_single,
        versions=" and ".join(dict.fromkeys(told.report.version for told in dubs)),
        dubs=[_dub(told, "" if is_single else f"d{count}-", pace, folder) for count, told in enumerate(dubs, 1)],
        failures=failures,
        settings=None if options is None else _flat(options),
        meanings=_MEANINGS,
        policy="; ".join(_POLICY).format(script=_digest(script), style=_digest(style)),
        style=Markup(style),  # our own files
        script=Markup(script),
    )


def _dub(told: ToldDub, prefix: str, pace: Pace | None, folder: Path) -> _Dub:
    report = told.report
    utterances = utterances_of(report)
    dubbed = [one for one in utterances if not one.left_alone]
    return _Dub(
        report=report,
        prefix=prefix,
        clips=addresses_of(report, folder),
        posters=told.material.posters,
        utterances=utterances,
        dubbed=len(dubbed),
        speakers=speakers_of(utterances),
        factors=[one.factor for one in dubbed if one.factor is not None],
        took_s=sum(stage.seconds for stage in report.stages),
        stretches=json.dumps([[round(value, 3) for value in one] for one in stretches_of(report)]),
        remarks=remarks_on(report, told.material.missing),
        keys=_keys(utterances),
        timeline=timeline(report, told.material, prefix),
        cards=cards_of(report, told.material, pace),
    )


def _keys(utterances: Sequence[UtteranceReport]) -> list[tuple[str, str]]:
    """Classes of the timeline's shapes and colours, and what they mean, of those that it has."""
    keys = [
        ("wave-key", "original's sound", True),
        ("slot-key", "place of the original utterance", True),
        ("said-key", "dub, in the speaker's colour", True),
        ("beyond-key", "dub in the pause after it", any(one.in_pause_s for one in utterances)),
        ("trouble-key", "needs a look", any(words.is_trouble(one) for one in utterances)),
        ("held", "picture held", any(one.held_s for one in utterances)),
        ("alone-key", "left alone", any(one.left_alone for one in utterances)),
    ]
    speakers = speakers_of(utterances)
    keys += [(f"s{number % NUM_COLOURS}", name, len(speakers) > 1) for number, name in enumerate(speakers)]
    return [(kind, text) for kind, text, is_there in keys if is_there]


def _flat(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The fields of nested dataclasses by dotted names, as text."""
    rows: list[tuple[str, str]] = []
    for one in fields(settings):
        value = getattr(settings, one.name)
        name = f"{prefix}{one.name}"
        rows += _flat(value, f"{name}.") if is_dataclass(value) else [(name, _setting(value))]
    return rows


def _setting(value: object) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float | Path) else repr(value)


@cache
def _text(name: str) -> str:
    return files("netflips.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"


@cache
def _template() -> "Template":
    """The page's template."""
    environment = words.environment_of("netflips.report")
    environment.globals["words"] = words
    environment.filters["file_name"] = lambda path: Path(path).name
    return environment.get_template("page.html")
