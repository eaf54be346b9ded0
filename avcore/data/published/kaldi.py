"""Reads and writes the data folder that Kaldi and ESPnet train from: wav.scp, text, utt2spk and segments.

wav.scp    <recording> <path>                        a command in place of a path (`sox ... |`) is refused, never run
text       <utterance> <sentence>
utt2spk    <utterance> <speaker>
segments   <utterance> <recording> <start> <end>     seconds; without it each recording is one utterance

Written, too: spk2utt, reco2dur and utt2lang.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

from avcore.data.manifest import Entry, Manifest
from avcore.errors import InputError
from avcore.files import require_file, write_text
from avcore.notes import several
from avcore.texts import iter_lines
from avcore.timeline import samples_to_seconds

WAVES, TEXT, SPEAKERS, SPOKEN_BY, SEGMENTS = "wav.scp", "text", "utt2spk", "spk2utt", "segments"
LANGUAGES, LENGTHS = "utt2lang", "reco2dur"
FILES = (WAVES, TEXT, SPEAKERS, SPOKEN_BY, SEGMENTS, LANGUAGES, LENGTHS)
"""Files that are written, the last three where all entries have what they hold."""
_SIGNS = {"<s>", "</s>", "#0"}
_PIPE = "|"
_ARCHIVES = ("ark:", "scp:")
_SEGMENT_FIELDS = 3
_FORBIDDEN = ("/", "\\", "\0")


@dataclass(frozen=True)
class KaldiUtterance:
    """One utterance."""

    id: str
    path: Path
    """its recording"""
    speaker: str
    text: str
    start_s: float | None = None
    """within the recording, None = all of it"""
    end_s: float | None = None
    """within the recording, None = all of it"""
    translation: str = ""
    """empty if the corpus has none"""
    split: str = ""
    """empty if the corpus has none"""


@dataclass
class KaldiFolder:
    """The content of a folder."""

    utterances: list[KaldiUtterance] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    """reasons by line or utterance that cannot be used"""
    warnings: list[str] = field(default_factory=list)
    """oddities that do no harm"""


def read_kaldi(folder: Path, sound_root: Path | None = None) -> KaldiFolder:
    """Read a folder. Missing, doubled and unsorted lines are found before any sound is opened.

    sound_root: folder that relative paths start from; None = the folder itself or the nearest one above it in which the file
    exists, which is where Kaldi would be run. Raises InputError if a table is missing, and for a command in wav.scp.
    """
    found = KaldiFolder()
    waves, texts = _table(folder / WAVES, found), _table(folder / TEXT, found)
    speakers = _table(folder / SPEAKERS, found) if (folder / SPEAKERS).is_file() else {}
    _refuse_commands(folder / WAVES, waves)
    paths = {name: _resolve(path, folder, sound_root) for name, path in waves.items()}
    parts = read_segments(folder, found) if (folder / SEGMENTS).is_file() else {name: (name, None, None) for name in waves}

    for name, (recording, start_s, end_s) in parts.items():
        if reason := next(_complaints(name, recording, paths, texts), ""):
            found.problems[name] = reason
            continue
        speaker = speakers.get(name, "")
        text = " ".join(normalize("NFC", texts[name]).split())
        found.utterances.append(KaldiUtterance(name, paths[recording], speaker, text, start_s, end_s))

    for name in texts.keys() - parts.keys():
        found.problems[name] = f"there is no recording of it in {SEGMENTS if (folder / SEGMENTS).is_file() else WAVES}"
    if unknown := sum(utterance.id not in speakers for utterance in found.utterances):
        found.warnings.append(f"{several(unknown, 'utterance')} without a speaker in {SPEAKERS}")
    # In the order of recordings, so that each is decoded once for all of its parts.
    found.utterances.sort(key=lambda utterance: (str(utterance.path), utterance.start_s or 0.0))
    return found


def write_kaldi(manifest: Manifest, folder: Path) -> int:
    """Write a manifest as a folder that `utils/validate_data_dir.sh` takes; returns the number of utterances.

    Each recording is one utterance. Paths are absolute, and ids begin with their speaker. Raises InputError naming entries without
    sound or text, and ids that Kaldi's tables cannot hold.
    """
    if lacking := [entry.id for entry in manifest.entries if not entry.audio or not entry.text.strip()]:
        what = f"{several(len(lacking), 'entry', 'entries')} without sound or text"
        raise InputError(what, expected="both for each", found=", ".join(lacking[:5]))

    rows = _named(manifest.entries)
    tables = {
        WAVES: {name: str((manifest.root / entry.audio).resolve()) for name, (entry, _) in rows.items()},
        SPEAKERS: {name: speaker for name, (_, speaker) in rows.items()},
        TEXT: {name: _text_of(entry) for name, (entry, _) in rows.items()},
    }
    if all(entry.language for entry, _ in rows.values()):
        tables[LANGUAGES] = {name: entry.language for name, (entry, _) in rows.items()}
    if all(entry.seconds for entry, _ in rows.values()):  # readers such as lhotse's take texts only where there are segments
        tables[LENGTHS] = {name: f"{_length(entry):.7f}" for name, (entry, _) in rows.items()}
        tables[SEGMENTS] = {name: f"{name} 0 {length}" for name, length in tables[LENGTHS].items()}
    spoken: dict[str, list[str]] = {}
    for name, (_, speaker) in rows.items():
        spoken.setdefault(speaker, []).append(name)
    tables[SPOKEN_BY] = {speaker: " ".join(names) for speaker, names in spoken.items()}

    for file in FILES:
        if file in tables:
            write_text(folder / file, "".join(f"{name} {rest}\n" for name, rest in tables[file].items()))
        else:  # of another manifest
            (folder / file).unlink(missing_ok=True)
    return len(rows)


def _named(entries: Iterable[Entry]) -> dict[str, tuple[Entry, str]]:
    """Return entries with their speakers by id, in an order that is by id and by speaker, in bytes, as `sort` with LC_ALL=C."""
    ordered, speakers = list[str](), list[bytes]()
    for sign in ("", "-"):  # "p1_a" stands behind "p10_a", but "p1-p1_a" before "p10-p10_a"
        rows: dict[str, tuple[Entry, str]] = {}
        for entry in entries:
            name = entry.id.replace("/", "_")
            speaker = entry.speaker or name
            name = name if name == speaker or name.startswith(speaker + sign) else f"{speaker}-{name}"
            if any(letter.isspace() for letter in name + speaker):
                raise InputError(
                    "an id or a speaker has blanks, which Kaldi's tables divide at", found=f"{entry.id!r}, {speaker!r}"
                )
            if name in rows:
                raise InputError("two entries would have one id", expected="different ids once the speaker is put before them")
            rows[name] = entry, speaker

        ordered = sorted(rows, key=str.encode)
        speakers = [rows[name][1].encode() for name in ordered]
        if speakers == sorted(speakers):
            return {name: rows[name] for name in ordered}
    place = next(number for number, (one, after) in enumerate(pairwise(speakers)) if one > after)
    raise InputError(
        "ids do not stand in the order of their speakers, which Kaldi asks for",
        expected="speakers of letters and digits",
        found=", ".join(ordered[place : place + 2]),
    )


def _text_of(entry: Entry) -> str:
    words = entry.text.split()
    if strange := _SIGNS & set(words):
        raise InputError(f"the text of {entry.id} has a sign that Kaldi keeps for itself", found=min(strange))
    return " ".join(words)


def _length(entry: Entry) -> float:
    return float(samples_to_seconds(entry.samples)) or entry.seconds


def _table(path: Path, found: KaldiFolder) -> dict[str, str]:
    """Return the rest of each line of a table by its first word. Doubled names are problems, and none of their lines is used."""
    require_file(path, f"{path.name} of the Kaldi folder", hint=f"a Kaldi folder holds {WAVES}, {TEXT} and {SPEAKERS}")
    rows: dict[str, str] = {}
    lines: dict[str, int] = {}
    twice: set[str] = set()

    for number, line in iter_lines(path, path.name):
        name, _, rest = line.strip().partition(" ")
        name, _, more = name.partition("\t")
        if not name:
            continue
        if name in lines:
            twice.add(name)
            found.problems[f"{path.name}:{number}"] = f"{name} stands on line {lines[name]} too"
        lines.setdefault(name, number)
        rows[name] = f"{more} {rest}".strip()

    if list(lines) != sorted(lines, key=str.encode):
        found.warnings.append(f"{path.name} is not sorted by its first column, as Kaldi's own tools want it (LC_ALL=C sort)")
    return {name: rest for name, rest in rows.items() if name not in twice}


def _refuse_commands(path: Path, waves: Mapping[str, str]) -> None:
    """Raise InputError if a table of recordings has commands or archives in place of files."""
    for name, place in waves.items():
        if place.endswith(_PIPE) or place.startswith(_PIPE):
            raise InputError(
                f"{name} is a command, and commands of a table are never run",
                path=path,
                expected="the path of a sound file",
                found=place[:80],
                hint="run it yourself, and name the file that it writes",
            )
        if place.startswith(_ARCHIVES) or (".ark:" in place):
            raise InputError(
                f"{name} is part of an archive, which cannot be read",
                path=path,
                expected="the path of a sound file",
                found=place[:80],
            )


def _resolve(place: str, folder: Path, sound_root: Path | None) -> Path:
    """Return the file of a path in wav.scp. If it exists nowhere, the path is returned as below the first root."""
    path = Path(place)
    if path.is_absolute():
        return path
    roots = [sound_root] if sound_root is not None else [folder, *folder.resolve().parents]
    return next((root / path for root in roots if (root / path).is_file()), roots[0] / path)


def read_segments(folder: Path, found: KaldiFolder) -> dict[str, tuple[str, float | None, float | None]]:
    """Return recording, start and end (s) of each utterance in a folder's table, in its order. Bad lines are problems."""
    parts: dict[str, tuple[str, float | None, float | None]] = {}
    for name, rest in _table(folder / SEGMENTS, found).items():
        fields = rest.split()
        times = [_seconds(text) for text in fields[1:_SEGMENT_FIELDS]]
        if len(fields) != _SEGMENT_FIELDS or None in times or times[0] < 0 or times[0] >= times[1]:  # type: ignore[operator]
            found.problems[name] = f"its segment is none: {rest[:40]!r}, not <recording> <start> <end>"
            continue
        parts[name] = (fields[0], times[0], times[1])
    return parts


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _complaints(name: str, recording: str, paths: Mapping[str, Path], texts: Mapping[str, str]) -> Iterator[str]:
    if name.startswith(".") or any(sign in name for sign in _FORBIDDEN):
        yield "its id cannot be the name of a file"
    if recording not in paths:
        yield f"there is no recording {recording} in {WAVES}"
    elif not paths[recording].is_file():
        yield f"there is no file {paths[recording]}"
    if not texts.get(name, "").strip():
        yield f"there is no line for it in {TEXT}"
