"""Times of utterances as files that an editor can work with: JSON or SRT, numbered; JSON may hold what is said."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.files import write_text
from avcore.texts import parse_json, read_text
from netflips.dub.utterances import Span, Utterance, number_utterances

_WHAT = "the utterance times"
_SLACK_S = 0.05
"""How far a time may lie behind the end of the recording: clocks of tracks differ by a little."""
_LEAST_S = 0.04
"""A picture, and the shortest stretch of sound that has units."""
_TIMES = re.compile(r"^(\d{1,6}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})\s*-->\s*(\d{1,6}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})(?:\s.*)?$")
_SUFFIXES = (".json", ".srt")


def require_segment_name(path: Path, flag: str) -> Path:
    """Return a path that names a kind of file that is known here; raises UsageError otherwise."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{flag} takes {' or '.join(_SUFFIXES)}", found=path)
    return path


def write_segments(path: Path, utterances: Sequence[Utterance], texts: Mapping[int, Mapping[str, str]] | None = None) -> None:
    """Write the times (source time, seconds) as JSON or SRT, by the name's ending. Raises UsageError, OutputError.

    texts: what the JSON says beside the times, by the utterance's number: `source_text` and such.
    """
    if require_segment_name(path, "--segments").suffix.lower() == ".json":
        write_text(path, segments_json(utterances, texts or {}))
        return
    write_text(
        path, "\n".join(f"{one.number}\n{_stamp(one.start_s)} --> {_stamp(one.end_s)}\n[{one.number}]\n" for one in utterances)
    )


def segments_json(utterances: Sequence[Utterance], texts: Mapping[int, Mapping[str, str]]) -> str:
    """What `write_segments` writes as JSON."""
    rows = [{"number": one.number, "start_s": one.start_s, "end_s": one.end_s, **texts.get(one.number, {})} for one in utterances]
    return json.dumps({"utterances": rows}, indent=2, ensure_ascii=False) + "\n"


def read_segments(path: Path, duration_s: float) -> list[Utterance]:
    """Read a user's own times: what `write_segments` writes, a JSON list of the same rows or of pairs, or any SRT.

    Raises InputError naming the entry for times that are no times, out of order, overlapping or outside of the recording.
    """
    require_segment_name(path, "--segments-in")
    text = read_text(path, _WHAT)
    spans = _json_spans(path, text) if path.suffix.lower() == ".json" else _srt_spans(path, text)
    if not spans:
        raise InputError("there are no utterance times in it", path=path)
    _check(path, spans, duration_s)
    return number_utterances(spans, duration_s)


def _json_spans(path: Path, text: str) -> list[Span]:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{_WHAT} are no JSON", path=path, found=error) from error
    rows = content.get("utterances") if isinstance(content, dict) else content
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


def _srt_spans(path: Path, text: str) -> list[Span]:
    spans = []
    for number, line in enumerate(text.splitlines(), 1):
        if "-->" not in line:
            continue
        found = _TIMES.match(line.strip())
        if found is None:
            raise InputError(f"line {number} has no times", path=path, expected="00:00:01,500 --> 00:00:04,250", found=line[:60])
        spans.append((_seconds(found.groups()[:4]), _seconds(found.groups()[4:])))
    return spans


def _check(path: Path, spans: Sequence[Span], duration_s: float) -> None:
    before = 0.0
    for number, (start, end) in enumerate(spans, 1):
        if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end <= start:
            found = f"{start:g} to {end:g} s"
            raise InputError(f"entry {number} has no length", path=path, expected="an end after its beginning", found=found)
        if end - start < _LEAST_S - 1e-6:
            found = f"{(end - start) * 1000:g} ms"
            raise InputError(
                f"entry {number} is too short to say anything in", path=path, expected=f"{_LEAST_S:g} s or more", found=found
            )
        if start < before:
            what = f"entry {number} begins before the end of the one before"
            raise InputError(what, path=path, expected=f"{before:g} s or later", found=f"{start:g} s")
        if end > duration_s + _SLACK_S:
            what = f"entry {number} ends behind the recording"
            raise InputError(what, path=path, expected=f"{duration_s:.3f} s at most", found=f"{end:g} s")
        before = end


def _seconds(parts: Sequence[str]) -> float:
    hours, minutes, seconds = (int(part) for part in parts[:3])
    return (hours * 60 + minutes) * 60 + seconds + int(parts[3].ljust(3, "0")) / 1000


def _stamp(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02},{milliseconds:03}"
