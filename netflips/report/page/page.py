"""Put the page together, and write it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from avcore.files import write_text
from netflips.options import DubOptions
from netflips.report import DubReport
from netflips.report.page.attention import attention
from netflips.report.page.cards import cards
from netflips.report.page.clips import clips_of
from netflips.report.page.markup import Child, Markup, tag
from netflips.report.page.material import Material
from netflips.report.page.meanings import legend
from netflips.report.page.player import player, policy, script
from netflips.report.page.sections import facts, figures, models, settings, speed, table, work
from netflips.report.page.story import speakers_of, utterances_of
from netflips.report.page.timeline import NUM_COLOURS, timeline
from netflips.report.page.words import DASH, is_trouble, length, several, taken_from


@dataclass(frozen=True)
class Told:
    """One finished dub and what the page shows of its files."""

    report: DubReport
    material: Material


def write_page(path: Path, dubs: Sequence[Told], failures: Mapping[str, str], options: DubOptions | None = None) -> None:
    """Write the page, or nothing; raises OutputError when it cannot be written."""
    write_text(path, page(dubs, failures, options, path.parent))


def page(dubs: Sequence[Told], failures: Mapping[str, str], options: DubOptions | None = None, folder: Path = Path()) -> str:
    """The page of a run: all dubs, and the inputs that failed with their messages.

    options: as set, for the list of settings. folder: where the page will lie; it plays the videos from where they are.
    """
    is_single = len(dubs) == 1 and not failures
    name = Path(dubs[0].report.output).name if is_single else several(len(dubs) + len(failures), "video")
    body = [
        tag("header", tag("p", "NetfLips dub report", class_="over"), tag("h1", name), _notice(dubs)),
        None if is_single else _contents(dubs, failures),
        legend() if dubs else None,
        [_dub(told, options, "" if is_single else f"d{count}-", is_single, folder) for count, told in enumerate(dubs, 1)],
        None if options is None else tag("section", tag("h2", "Settings"), settings(options)),
    ]
    style = files("netflips.report.page").joinpath("style.css").read_text(encoding="utf-8")
    head = [
        tag("meta", charset="utf-8"),
        policy(style),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{name} {DASH} NetfLips dub report"),
        tag("style", Markup(style)),
    ]
    return "<!DOCTYPE html>\n" + tag("html", tag("head", head), tag("body", tag("main", body), script()), lang="en") + "\n"


def _notice(dubs: Sequence[Told]) -> Markup | None:
    if not dubs:
        return None
    versions = " and ".join(dict.fromkeys(told.report.version for told in dubs))
    what, where = (
        ("This video is", "The file's comment tag says so") if len(dubs) == 1 else ("These videos are", "Their comment tags say so")
    )
    text = f" Voice and lips were made by NetfLips {versions}; the people shown did not say this in this language. {where}, too."
    return tag("p", tag("b", f"{what} synthetic."), text, class_="notice", role="note")


def _contents(dubs: Sequence[Told], failures: Mapping[str, str]) -> Markup:
    rows = []
    for count, told in enumerate(dubs, 1):
        report = told.report
        dubbed = [one for one in utterances_of(report) if not one.left_alone]
        rows.append(
            (
                tag("a", Path(report.input).name, href=f"#d{count}-top"),
                f"{len(dubbed)} of {len(utterances_of(report))}",
                length(report.output_s),
                str(len(report.warnings)),
            )
        )
    parts: list[Child] = []
    if failures:
        failed = [(tag("code", name), message) for name, message in failures.items()]
        parts += [tag("h2", f"Failed: {len(failures)}"), table(("input", "why"), failed, "failures")]
    if rows:
        parts += [tag("h2", f"Done: {len(rows)}"), table(("input", "utterances dubbed", "length", "warnings"), rows)]
    return tag("section", parts)


def _dub(told: Told, options: DubOptions | None, prefix: str, is_single: bool, folder: Path) -> Markup:
    report, material, clips = told.report, told.material, clips_of(told.report, folder)
    pace = None if options is None else options.recording.pace
    name = Path(report.input).name
    heard = taken_from(report.units_from or report.modalities)
    return tag(
        "section",
        None if is_single else tag("h2", name, class_="dub"),
        tag("p", tag("code", name), f" · {report.source_language} → {report.target_language} · units from {heard}"),
        figures(report),
        _part("Watch and listen", player(report, clips, prefix, is_single)),
        _part("What needs a look", attention(report, material, prefix)),
        _part("Timeline", _legend(report), timeline(report, material, prefix)),
        _part("Utterances", cards(report, material, clips, pace, prefix)),
        _part("Speed", speed(report), work(report)),
        _part("Models", models(report)),
        _part("Files, picture and sound", facts(report)),
        id=f"{prefix}top",
    )


def _part(title: str, *children: Child) -> Markup:
    return tag("section", tag("h2", title), children)


def _legend(report: DubReport) -> Markup:
    """What the timeline's shapes and colours mean, of those that it has."""
    utterances = utterances_of(report)
    keys = [
        ("wave-key", "original's sound", True),
        ("slot-key", "place of the original utterance", True),
        ("said-key", "dub, in the speaker's colour", True),
        ("beyond-key", "dub in the pause after it", any(one.in_pause_s for one in utterances)),
        ("trouble-key", "needs a look", any(is_trouble(one) for one in utterances)),
        ("held", "picture held", any(one.held_s for one in utterances)),
        ("alone-key", "left alone", any(one.left_alone for one in utterances)),
    ]
    speakers = speakers_of(utterances)
    keys += [(f"s{number % NUM_COLOURS}", name, len(speakers) > 1) for number, name in enumerate(speakers)]
    shown = [tag("span", tag("i", class_=f"key {kind}"), text) for kind, text, is_there in keys if is_there]
    return tag("p", shown, class_="keys")
