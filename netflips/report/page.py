"""The report of a dub as one HTML page, to read on any screen without a network and to watch the videos that lie beside it.

`templates/page.html` is what it looks like; here is what goes into it, and that nothing of it is taken for markup.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from avcore.files import write_text
from avcore.notes import several
from netflips.dub.timing import Pace
from netflips.report import words
from netflips.report.cards import Card, Remark, cards_of, remarks_on
from netflips.report.drawing import NUM_COLOURS, timeline
from netflips.report.material import Material, PicturePair
from netflips.report.story import OnPage, VideoAddresses, addresses_of, dubbed_part, on_page, speakers_of, stretches_of
from netflips.report.words import DASH
from netflips.script.types import Made, Media, Script

if TYPE_CHECKING:
    from jinja2 import Template

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

    script: Script
    material: Material


@dataclass(frozen=True)
class _Dub:
    """One dub as the template takes it. prefix: of its ids. stretches: as JSON. factors: of the utterances that have one."""

    script: Script
    made: Made
    media: Media
    prefix: str
    clips: VideoAddresses
    posters: PicturePair | None
    utterances: Sequence[OnPage]
    dubbed: int
    speakers: Sequence[str]
    factors: Sequence[float]
    took_s: float
    stretches: str
    remarks: Sequence[Remark]
    keys: Sequence[tuple[str, str]]
    timeline: Sequence[Markup]
    cards: Sequence[Card]


def write_report_page(path: Path, dubs: Sequence[ToldDub], failures: Mapping[str, str]) -> None:
    """Write the page, or nothing; raises OutputError when it cannot be written."""
    write_text(path, report_page(dubs, failures, path.parent))


def report_page(dubs: Sequence[ToldDub], failures: Mapping[str, str], folder: Path = Path()) -> str:
    """Return the page of a run: all dubs, and the inputs that failed with their messages.

    folder: where the page will lie; it plays the videos from where they are.
    """
    is_single = len(dubs) == 1 and not failures
    settings = dubs[0].script.result.settings if dubs else {}
    style, script = (words.template_text("netflips.report", name) for name in ("style.css", "player.js"))
    return _template().render(
        name=Path(dubs[0].script.result.output).name if is_single else several(len(dubs) + len(failures), "video"),
        is_single=is_single,
        versions=" and ".join(dict.fromkeys(told.script.result.version for told in dubs)),
        dubs=[_dub(told, "" if is_single else f"d{count}-", folder) for count, told in enumerate(dubs, 1)],
        failures=failures,
        settings=[(name, _setting(value)) for name, value in settings.items()],
        meanings=_MEANINGS,
        policy="; ".join(_POLICY).format(script=words.digest_of(script), style=words.digest_of(style)),
        style=Markup(style),  # our own files
        script=Markup(script),
    )


def _dub(told: ToldDub, prefix: str, folder: Path) -> _Dub:
    script = told.script
    utterances, made = on_page(script), script.result
    dubbed = [one for one in utterances if one.alone is None]
    least, most = (script.setting(f"recording.pace.{bound}") for bound in ("least", "most"))
    return _Dub(
        script=script,
        made=made,
        media=script.media or Media(),
        prefix=prefix,
        clips=addresses_of(script, folder),
        posters=told.material.posters,
        utterances=utterances,
        dubbed=len(dubbed),
        speakers=speakers_of(utterances),
        factors=[one.fit.factor for one in dubbed if one.fit.factor is not None],
        took_s=sum(timing.seconds for timing in made.timings),
        stretches=json.dumps([[round(value, 3) for value in one] for one in stretches_of(script)]),
        remarks=remarks_on(script, told.material.missing),
        keys=_keys(utterances),
        timeline=timeline(script, told.material, prefix),
        cards=cards_of(script, told.material, None if least is None or most is None else Pace(least, most)),
    )


def _keys(utterances: Sequence[OnPage]) -> list[tuple[str, str]]:
    """Classes of the timeline's shapes and colours, and what they mean, of those that it has."""
    keys = [
        ("wave-key", "original's sound", True),
        ("slot-key", "place of the original utterance", True),
        ("said-key", "dub, in the speaker's colour", True),
        ("beyond-key", "dub in the pause after it", any(one.fit.in_pause_s for one in utterances)),
        ("trouble-key", "needs a look", any(words.is_trouble(one) for one in utterances)),
        ("held", "picture held", any(one.fit.held_s for one in utterances)),
        ("alone-key", "left alone", any(one.alone is not None for one in utterances)),
    ]
    speakers = speakers_of(utterances)
    keys += [(f"s{number % NUM_COLOURS}", name, len(speakers) > 1) for number, name in enumerate(speakers)]
    return [(kind, text) for kind, text, is_there in keys if is_there]


def _setting(value: object) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


@cache
def _template() -> "Template":
    """Return the page's template."""
    environment = words.environment_of("netflips.report")
    environment.globals["words"] = words
    environment.globals["dubbed_part"] = dubbed_part
    environment.filters["file_name"] = lambda path: Path(path).name
    return environment.get_template("page.html")
