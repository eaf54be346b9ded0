"""Times of utterances as files that an editor can work with: JSON or SRT, numbered, and subtitles that people bring."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.files import write_text
from avcore.texts import parse_json, read_text
from netflips.dub.utterances import Span, TimedUtterance, number_utterances
from netflips.script.imports import is_script, segment_rows
from netflips.subtitles.given import LEAST_S, SLACK_S, SUBTITLE_SUFFIXES, is_subtitles, read_subtitles

_WHAT = "the utterance times"
_JSON = ".json"
_WRITTEN = (_JSON, ".srt")
READ_SUFFIXES = (_JSON, *SUBTITLE_SUFFIXES)
"""Of files that times are taken from."""


def require_segment_name(path: Path, flag: str, suffixes: Sequence[str] = _WRITTEN) -> Path:
    """Return a path that names a kind of file that is known here; raises UsageError otherwise."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{flag} takes {', '.join(suffixes[:-1])} or {suffixes[-1]}", found=path)
    return path


def write_segments(path: Path, utterances: Sequence[TimedUtterance], texts: Mapping[int, Mapping[str, Any]] | None = None) -> None:
    """Write the times (source time, seconds) as JSON or SRT, by the name's ending. Raises UsageError, OutputError.

    texts: what the JSON says beside the times, by the utterance's number: `source_text` and such.
    """
    if require_segment_name(path, "--segments").suffix.lower() == ".json":
        write_text(path, segments_json(utterances, texts or {}))
        return
    write_text(
        path, "\n".join(f"{one.number}\n{_stamp(one.start_s)} --> {_stamp(one.end_s)}\n[{one.number}]\n" for one in utterances)
    )


def segments_json(utterances: Sequence[TimedUtterance], texts: Mapping[int, Mapping[str, Any]]) -> str:
    """Return what `write_segments` writes as JSON."""
    rows = [{"number": one.number, "start_s": one.start_s, "end_s": one.end_s, **texts.get(one.number, {})} for one in utterances]
    return json.dumps({"utterances": rows}, indent=2, ensure_ascii=False) + "\n"


def read_segments(path: Path, duration_s: float, source: str = "", target: str = "") -> list[TimedUtterance]:
    """Read a user's own times: what `write_segments` writes, a JSON list of the same rows or of pairs, or subtitles.

    Subtitles are put right (see `netflips.subtitles.given`). Raises InputError, which names the entry of JSON whose times are none,
    out of order, overlapping or outside of the recording.
    """
    require_segment_name(path, "--segments-in", READ_SUFFIXES)
    if is_subtitles(path):
        cues = read_subtitles(path, source, target).within(duration_s).cues
        return number_utterances([(one.start_s, one.end_s) for one in cues], duration_s)
    spans = _json_spans(path, read_text(path, _WHAT))
    if not spans:
        raise InputError("there are no utterance times in it", path=path)
    _check(path, spans, duration_s)
    return number_utterances(spans, duration_s)


def _json_spans(path: Path, text: str) -> list[Span]:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{_WHAT} are no JSON", path=path, found=error) from error
    rows = segment_rows(path) if is_script(content) else content.get("utterances") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise InputError(
            f"{_WHAT} cannot be read", path=path, expected='a list, or {"utterances": [...]}', found=type(rows).__name__
        )
    return [_json_span(path, number, row) for number, row in enumerate(rows, 1)]


def _json_span(path: Path, number: int, row: Any) -> Span:
    pair: Any = (row.get("start_s"), row.get("end_s")) if isinstance(row, dict) else row
    is_pair = isinstance(pair, list | tuple) and len(pair) == 2
    if not is_pair or not all(isinstance(time, int | float) and not isinstance(time, bool) for time in pair):
        expected = '{"start_s": 1.5, "end_s": 4.25} or [1.5, 4.25]'
        raise InputError(f"entry {number} is no utterance", path=path, expected=expected, found=json.dumps(row)[:60])
    start, end = pair
    return float(start), float(end)


def _check(path: Path, spans: Sequence[Span], duration_s: float) -> None:
    before = 0.0
    for number, (start, end) in enumerate(spans, 1):
        if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end <= start:
            found = f"{start:g} to {end:g} s"
            raise InputError(f"entry {number} has no length", path=path, expected="an end after its beginning", found=found)
        if end - start < LEAST_S - 1e-6:
            found = f"{(end - start) * 1000:g} ms"
            raise InputError(
                f"entry {number} is too short to say anything in", path=path, expected=f"{LEAST_S:g} s or more", found=found
            )
        if start < before:
            what = f"entry {number} begins before the end of the one before"
            raise InputError(what, path=path, expected=f"{before:g} s or later", found=f"{start:g} s")
        if end > duration_s + SLACK_S:
            what = f"entry {number} ends behind the recording"
            raise InputError(what, path=path, expected=f"{duration_s:.3f} s at most", found=f"{end:g} s")
        before = end


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02},{milliseconds:03}"
