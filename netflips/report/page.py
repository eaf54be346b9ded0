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
from netflips.report import words
from netflips.report.cards import Card, Remark, cards_of, remarks_on
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
        policy="; ".join(_POLICY).format(script=words.short_digest(script), style=words.short_digest(style)),
        style=Markup(style),  # our own files
        script=Markup(script),
    )


def _dub(told: ToldDub, prefix: str, folder: Path) -> _Dub:
    script = told.script
    utterances, made = on_page(script), script.result
    dubbed = [one for one in utterances if one.alone is None]
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
        cards=cards_of(script, told.material),
    )


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
