"""Both videos beside each other, the sounds of single utterances, and the script that plays them in step.

Without the script the page has a plain player for each of them.
"""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from netflips.report import DubReport, UtteranceReport
from netflips.report.page.clips import Clips
from netflips.report.page.markup import Markup, tag
from netflips.report.page.story import stretches_of

_PLAY, _STOP = "\u25b6", "\u25a0"
_HEARD = (("dub", "hear the dub"), ("original", "hear the original"), ("both", "hear both"))


def player(report: DubReport, clips: Clips, prefix: str, is_single: bool) -> Markup:
    """Both videos and what plays them in step. is_single: the page has no other dub, so that they may be read at once."""
    preload = "metadata" if is_single else "none"
    figures = [
        _figure(kind, text, path, address, (report.width, report.height), preload)
        for kind, text, path, address in (
            ("original", "Original", report.input, clips.original),
            ("dub", "Dub", report.output, clips.dub),
        )
    ]
    screens = tag("div", figures, class_="screens")
    if clips.original is None or clips.dub is None:
        return tag("div", screens, class_="player")
    stretches = json.dumps([[round(value, 3) for value in one] for one in stretches_of(report)])
    return tag("div", screens, _bar(report), id=f"{prefix}player", class_="player", data_stretches=stretches)


def sounds(report: DubReport, one: UtteranceReport, clips: Clips, prefix: str) -> Markup | None:
    """What an utterance sounded like, and what its dub sounds like; one that was left alone has no dub."""
    parts = [("original", clips.original, one.source_start_s, one.source_end_s)]
    if not one.left_alone:
        parts.append(("dub", clips.dub, one.output_start_s, one.output_end_s))
    lines = [_sound(one, *part) for part in parts if part[1] is not None]
    if clips.original is not None and clips.dub is not None:
        start, stop = f"{one.output_start_s:.3f}", f"{max(one.output_end_s, _slot_end(report, one)):.3f}"
        words = f"{_PLAY} watch both"
        aim = {"data_player": f"{prefix}player", "data_from": start, "data_to": stop}
        lines.append(tag("button", words, type="button", class_="watch", **aim))
    return tag("div", lines, class_="sounds") if lines else None


def script() -> Markup:
    """The script of the page."""
    return tag("script", Markup(_script()))


def policy(style: str) -> Markup:
    """Allow this script, this style sheet, pictures within the page and media files, and nothing else."""
    rules = (
        "default-src 'none'",
        f"script-src '{_digest(_script())}'",
        f"style-src '{_digest(style)}'",
        "img-src data:",
        "media-src 'self' file:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return tag("meta", http_equiv="Content-Security-Policy", content="; ".join(rules))


@cache
def _script() -> str:
    return files("netflips.report.page").joinpath("player.js").read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"


def _figure(kind: str, title: str, path: str, address: str | None, size: tuple[int, int], preload: str) -> Markup:
    name = Path(path).name
    if address is None:
        gone = tag("p", "The file ", tag("code", name), " was not there any more when this page was written.", class_="gone")
        return tag("figure", gone, tag("figcaption", title), class_=kind)
    failed = "cannot be played here: it is not where this page looks for it, or of a kind that this browser does not know."
    shown = {"preload": preload, "width": size[0], "height": size[1], "aria_label": title}
    return tag(
        "figure",
        tag("video", src=address, controls=True, playsinline=True, **shown),
        tag("p", tag("code", name), f" {failed}", class_="unplayable", hidden=True),
        tag("figcaption", f"{title}: ", tag("a", name, href=address)),
        class_=kind,
    )


def _bar(report: DubReport) -> Markup:
    """The controls of both videos together; shown where the script works."""
    play, stop = f"{_PLAY} Play both", f"{_STOP} Stop"
    choices = [tag("option", text, value=value) for value, text in _HEARD]
    times = {"min": 0, "max": f"{report.output_s:.3f}", "step": 0.01, "value": 0}
    return tag(
        "div",
        tag("button", play, type="button", class_="toggle", data_play=play, data_stop=stop),
        tag("input", type="range", class_="seek", aria_label="time in the dub", **times),
        tag("output", class_="time"),
        tag("select", choices, class_="heard", aria_label="which sound is heard", autocomplete="off"),
        tag("label", tag("input", type="checkbox", class_="together", checked=True, autocomplete="off"), " in step"),
        class_="controls",
    )


def _sound(one: UtteranceReport, what: str, address: str | None, start_s: float, stop_s: float) -> Markup:
    """A button where the script works, else a player of that stretch."""
    play, stop, name = f"{_PLAY} {what}", f"{_STOP} {what}", f"utterance {one.number}, {what}"
    times = {"data_from": f"{start_s:.3f}", "data_to": f"{stop_s:.3f}"}
    source = f"{address}#t={times['data_from']},{times['data_to']}"
    return tag(
        "div",
        tag("span", what),
        tag("button", play, type="button", data_play=play, data_stop=stop),
        tag("audio", src=source, controls=True, preload="none", aria_label=name, **times),
        class_="sound",
    )


def _slot_end(report: DubReport, one: UtteranceReport) -> float:
    """When the original utterance ends, in the output (s); a short clip's original has an end of its own."""
    return one.output_start_s + (one.source_end_s - one.source_start_s if report.recording is not None else 0.0)
