"""The words of the page: numbers in short forms, and the grades of an utterance."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from math import exp, isfinite
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from avcore.errors import Message
from avcore.notes import several, shown
from avcore.words import clause
from netflips.report.story import OnPage
from netflips.script.notes import ABSENT, why_left

if TYPE_CHECKING:
    from jinja2 import Environment

_KEPT = "\n\t"
"""Control characters that are harmless in a page."""
DASH, TIMES = "\u2013", "\u00d7"
_MINUTE, _HOUR = 60, 3600
_LARGE_SLACK = 0.25
"""Share of an utterance's time above which its silence is mentioned."""
_NAMES_OF_STAGES = {
    "read": "read the input",
    "faces": "find and follow faces",
    "utterances": "find speech and scenes",
    "voice": "take the voice",
    "av2unit": "speech and lips to units",
    "unit2unit": "translate units",
    "unit2av": "units to speech and lips",
    "speech": "units to speech",
    "text": "speech to text, that translated",
    "texts": "units to text, for the report and subtitles",
    "unit2text": "units to text",
    "lips": "units to lips",
    "check": "hear and measure what is spoken",
    "frames": "units to lips, into the video",
    "write": "encode and write",
}
_SOURCES_OF_UNITS = {
    "audio": "sound alone",
    "video": "lips alone",
    "audio,video": "sound and lips",
    "auto": "sound and lips, or the one of them that can be trusted",
}


def template_text(package: str, name: str) -> str:
    """Return the text of a file among a package's templates, unchanged."""
    return files(package).joinpath("templates", name).read_text(encoding="utf-8")


def short_digest(text: str) -> str:
    """Return the digest by which a page's Content-Security-Policy allows a script or style of its own."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"


def environment_of(package: str) -> "Environment":
    """Return the Jinja environment of a package's templates. All values are escaped unless they are markup, and so are control
    characters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # work that ends without a page does without it

    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def plain_value(value: object) -> object:
    """Return a value for the page, before it is escaped: without control characters; None is empty, markup is unchanged."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else shown(value, _KEPT)


def target_text(on_page: OnPage) -> str:
    """Return the text that the dub has in an utterance's place, or that it was left alone."""
    if on_page.alone is not None:
        return Message("left alone: {why}", why=why_left(on_page.alone.values))
    return on_page.utterance.spoken_by or DASH if on_page.utterance.spoken is None else on_page.utterance.spoken.text


class UtteranceGrade(NamedTuple):
    """How an utterance went."""

    text: str
    kind: str
    """`good`, `note`, `warn` or `bad`, for its colour"""

    @property
    def korean(self) -> str:
        """The text in Korean."""
        return clause(self.text)


def verdicts(on_page: OnPage) -> list[UtteranceGrade]:
    """Return the grades of an utterance, that of its fit first."""
    utterance, source = on_page.utterance, on_page.utterance.source_units
    if on_page.alone is not None:
        return [UtteranceGrade(Message("left alone: {why}", why=why_left(on_page.alone.values)), "warn")]

    found = [_fit(on_page)]
    if utterance.note("truncated") is not None:
        found.append(UtteranceGrade("translation stopped at its limit", "bad"))
    if utterance.note("outside") is not None:
        found.append(UtteranceGrade("hardly what the models were made for", "bad"))
    if source is not None and source.reason and source.modalities in ("audio", "video"):
        found.append(UtteranceGrade(Message("units from {source}", source=taken_from(source.modalities)), "note"))
    if on_page.drawn.frames and not on_page.drawn.drawn:
        absent = "" if utterance.seen is None or on_page.fit.slot is None else ABSENT[utterance.seen.absent]
        found.append(UtteranceGrade(Message("sound only: {why}", why=absent) if absent else "sound only", "note"))
    return found


def _fit(on_page: OnPage) -> UtteranceGrade:
    fit = on_page.fit
    if fit.duration_scale is None:
        return UtteranceGrade("as long as it takes", "note")
    if fit.cut_s:
        return UtteranceGrade(Message("its last {length} cut", length=seconds(fit.cut_s)), "bad")
    if fit.is_hurried:
        return UtteranceGrade("hurried", "warn")
    if fit.freeze_s:
        return UtteranceGrade(Message("freeze frame {length}", length=seconds(fit.freeze_s)), "warn")
    if fit.slack_s > _LARGE_SLACK * on_page.source.seconds:
        return UtteranceGrade(Message("{length} of silence", length=seconds(fit.slack_s)), "note")
    if fit.in_pause_s:
        return UtteranceGrade("goes into the pause", "note")
    return UtteranceGrade("fits", "good")


def taken_from(source: str) -> str:
    """Return in words what units were taken from. source: as `--modalities` names it."""
    return _SOURCES_OF_UNITS.get(source, source)


def sure(score: float | None, usual: float | None = None) -> str:
    """Return a mean log-probability of units as a percentage, as `97 % of each unit (usual here: 95 % or more)`.

    usual: the bound of usual scores, None = not known. Both get as many digits as are needed to show a difference.
    """
    if score is None or not isfinite(score):
        return "unknown"

    scores = [score] if usual is None else [score, usual]
    shares = [f"{100 * exp(min(one, 0.0)):.0f} %" for one in scores]
    for digits in (1, 2):
        if len(set(shares)) < len(shares):
            shares = [f"{100 * exp(min(one, 0.0)):.{digits}f} %" for one in scores]
    return f"{shares[0]} of each unit" + ("" if usual is None else f" (usual here: {shares[1]} or more)")


def unusual(score: float | None, usual: float | None) -> bool:
    """Return whether a score is below what is usual."""
    # Not `<`, so that NaN is unusual, too.
    return score is not None and usual is not None and not score >= usual


def percent(part: float) -> str:
    """Return a share that may be more than 1, as `91 %`."""
    return f"{100 * part:.0f} %"


def percents(least: float, most: float) -> str:
    """Return a range of shares, as `91 % – 104 %`; one percentage where both round to the same."""
    low, high = percent(least), percent(most)
    return low if low == high else f"{low} {DASH} {high}"


def work_by_video(took_s: float, video_s: float) -> str:
    """Return the seconds of computing for each second of video."""
    return seconds(took_s / video_s) if video_s > 0 else DASH


def seconds(value: float) -> str:
    """Return a length, as `1.82 s`."""
    return f"{value:.2f} s" if isfinite(value) else "unknown"


def length(value: float) -> str:
    """Return a length in seconds, or in minutes if it is longer, as `1.82 s` or `10:24.9`."""
    return seconds(value) if value < _MINUTE else clock(value)


def clock(value: float) -> str:
    """Return a moment, as `1:02.3`, with hours where there are any."""
    # Rounded first: 59.96 s is 1:00.0, and not 0:60.0.
    tenths = round(value * 10)
    minutes, rest = divmod(tenths, _MINUTE * 10)
    hours, minutes = divmod(minutes, _HOUR // _MINUTE)
    head = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def per_cent(part: float, whole: float) -> str:
    """Return a part in per cent; 100 % and 0 % only where it is exactly all or nothing."""
    if not whole:
        return "none"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1 %"
    return f"{min(round(percent), 99) if part < whole else round(percent)} %"


def number_or_dash(value: float | None, digits: int = 2) -> str:
    """Return a number, or a dash where it is missing."""
    return DASH if value is None or not isfinite(value) else f"{value:.{digits}f}"


def frame_rate(value: float) -> str:
    """Return frames per second, as `29.97` or `25`."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def channels(count: int) -> str:
    """Return the channels of a sound, as `mono` or `6 channels`."""
    return {1: "mono", 2: "stereo"}.get(count, several(count, "channel"))


def stage_name(name: str) -> str:
    """Return the name of a stage of the clock in words."""
    return _NAMES_OF_STAGES.get(name, name)
