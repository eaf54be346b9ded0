"""Check a manifest: its lines, the files it names, and what is in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import NetflipsError
from avcore.faces.boxes import read_boxes
from avcore.faces.crop import LIP_SIDE
from avcore.files import why_missing
from avcore.journal import iter_rows
from avcore.media import iter_speech_blocks, probe, read_gray_video
from avcore.notes import several
from avcore.pool import Finished, Lost, PoolTask, ProcessPool
from avcore.progress import Progress, silent, track
from avcore.timeline import SAMPLE_RATE, frames_to_seconds, samples_to_seconds
from avdata.manifest import PATH_FIELDS, Entry, parse_entry

_LARGEST_DIFFERENCE_S = 0.1
_BATCH = 16
"""Entries that a process is given at a time where their files are not read."""

_Line = tuple[int, Entry]


@dataclass(frozen=True)
class Checked:
    """Entries that a manifest has, and what is wrong with them, a line each."""

    num_entries: int
    problems: list[str]


def check_manifest(
    path: Path, root: Path | None = None, is_deep: bool = False, workers: int = 1, progress: Progress = silent
) -> Checked:
    """Check a manifest. root: folder its paths start from, None = its own. is_deep: decode every file.

    Raises InputError when it is no JSON lines file at all.
    """
    root = path.parent if root is None else root
    problems: list[str] = []
    entries: list[_Line] = []
    seen: dict[str, int] = {}
    for number, row in iter_rows(path):
        try:
            entry = parse_entry(row)
        except (TypeError, ValueError) as error:
            problems.append(f"line {number}: {error}")
            continue
        if entry.id in seen:
            problems.append(f"line {number}: the id {entry.id!r} stands on line {seen[entry.id]} too")
        seen.setdefault(entry.id, number)
        entries.append((number, entry))
    size = 1 if is_deep else _BATCH
    with ProcessPool[_Line, None](_Checker, (root, is_deep), workers) as pool:
        tasks = ((None, PoolTask((tuple(entries[first : first + size]),))) for first in range(0, len(entries), size))
        found = dict(track(_complaints(pool.run(tasks)), "checking", progress, len(entries)))
    problems += [f"line {number}: {complaint}" for number, _ in entries for complaint in found[number]]
    return Checked(len(entries), problems)


def _complaints(outcomes: Iterable[Finished[_Line, None] | Lost[_Line, None]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line and what is wrong with its entry, as they come."""
    for outcome in outcomes:
        if isinstance(outcome, Lost):
            yield outcome.item[0], [outcome.reason]
        else:
            yield from outcome.result


class _Checker:
    """Checks entries in a process of the pool."""

    def __init__(self, root: Path, is_deep: bool) -> None:
        self._root, self._is_deep = root, is_deep

    def process(self, lines: tuple[_Line, ...]) -> list[tuple[int, list[str]]]:
        """Return the number of each line and what is wrong with its entry."""
        return [(number, _check(entry, self._root, self._is_deep)) for number, entry in lines]


def _check(entry: Entry, root: Path, is_deep: bool) -> list[str]:
    """Return what is wrong with an entry."""
    files = {what: root / getattr(entry, what) for what in PATH_FIELDS if getattr(entry, what)}
    missing = [(what, path, why_missing(path)) for what, path in files.items() if not path.is_file()]
    problems = [f"{what} is not there: {path}" + (f"; {why}" if why else "") for what, path, why in missing]
    if not files:
        problems.append("it names no file")
    problems += _lengths(entry)
    if is_deep and not problems:
        problems += _contents(entry, files)
    return problems


def _lengths(entry: Entry) -> Iterator[str]:
    lengths = {
        "duration_s": entry.duration_s,
        "frames": float(frames_to_seconds(entry.frames)),
        "samples": float(samples_to_seconds(entry.samples)),
    }
    stated = {what: seconds for what, seconds in lengths.items() if seconds}
    if stated and max(stated.values()) - min(stated.values()) > _LARGEST_DIFFERENCE_S:
        yield "its lengths differ: " + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in stated.items())


def _contents(entry: Entry, files: Mapping[str, Path]) -> Iterator[str]:
    try:
        if "audio" in files:
            yield from _sound(entry, files["audio"])
        num_frames = {}
        if "lips" in files:
            lips = read_gray_video(files["lips"])
            num_frames["lips"] = len(lips)
            if lips.shape[1:] != (LIP_SIDE, LIP_SIDE):
                yield f"lips are {lips.shape[2]}x{lips.shape[1]} pixels and not {LIP_SIDE}x{LIP_SIDE}"
        if "boxes" in files:
            num_frames["boxes"] = len(read_boxes(files["boxes"]))
        num_frames |= {what: probe(files[what]).num_frames for what in ("video", "reference") if what in files}
        for what, count in num_frames.items():
            if entry.frames and count != entry.frames:
                yield f"{what} has {several(count, 'picture')} and not {entry.frames}"
    except NetflipsError as error:
        yield str(error)


def _sound(entry: Entry, path: Path) -> Iterator[str]:
    info = probe(path)
    if (info.audio_rate, info.audio_channels) != (SAMPLE_RATE, 1):
        yield f"its sound has {info.audio_rate} Hz and {several(info.audio_channels, 'channel')} and not {SAMPLE_RATE} Hz and 1"
    count = sum(map(len, iter_speech_blocks(path)))
    if entry.samples and abs(count - entry.samples) > 1:
        yield f"its sound has {count} samples and not {entry.samples}"
