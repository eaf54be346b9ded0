"""Subtitles as files: SubRip (.srt) and WebVTT (.vtt)."""

from collections.abc import Iterable
from pathlib import Path

from avcore.timeline import seconds_to_samples
from netflips.subtitles.cues import Cue

SRT, VTT = ".srt", ".vtt"
_MILLISECONDS = 1000
_ARROW = "-->"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def srt_text(cues: Iterable[Cue]) -> str:
    """Return a SubRip file: numbered blocks, a comma before the milliseconds."""
    blocks = (
        f"{number}\n{_stamp(cue.start_s, ',')} {_ARROW} {_stamp(cue.end_s, ',')}\n" + "\n".join(map(_plain, cue.lines)) + "\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt_text(cues: Iterable[Cue]) -> str:
    """Return a WebVTT file: its name, then blocks with a point before the milliseconds; signs of markup are escaped."""
    blocks = (
        f"{_stamp(cue.start_s, '.')} {_ARROW} {_stamp(cue.end_s, '.')}\n" + "\n".join(map(_escaped, cue.lines)) + "\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def subtitle_text(path: Path, cues: Iterable[Cue]) -> str:
    """Return a file of the format that the path's ending names, SRT or VTT."""
    return vtt_text(cues) if path.suffix.lower() == VTT else srt_text(cues)


def _stamp(seconds: float, mark: str) -> str:
    whole, thousandths = divmod(seconds_to_samples(max(0.0, seconds), _MILLISECONDS), _MILLISECONDS)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}{mark}{thousandths:03d}"


def _plain(line: str) -> str:
    """Return a line that no player takes for a time."""
    return line.replace(_ARROW, "->")


def _escaped(line: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in line)
