"""The Korean and the English recordings of Ko-X, and their pairing.

Durations show whether recordings are in the language that their names claim: a duration follows the length of its own text more
closely than that of the translation. Ranks are compared, so that slow speakers, pauses and single wrong files matter little.

Measured on 400 pairs of made sentences in each of two sets (short ones, and one to five of them in a row), spoken by a synthesiser
at 130 to 200 words a minute with 0.3 to 1.2 s of silence: of 100 recordings, those in the right language followed their own text
more closely, and those in the wrong one the translation (99.5 % of 400 draws).
"""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from sys import intern

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from avcore.data.manifest import iter_entries
from avcore.data.prepare.kox_layout import ENGLISH, KOREAN, OTHER, KoxLayout
from avcore.data.prepare.sources import CorpusFile, Listing, list_files
from avcore.errors import InputError
from avcore.files import SOUND_SUFFIXES

LOG = logging.getLogger("netflips")
_MOST_PLACES = 12
"""Places that are logged one by one. If there are more, their outer folders are logged."""
_PART = re.compile(r"\.part\d+$")
_NAMES = {KOREAN: "Korean", ENGLISH: "English", OTHER: "of other languages"}
_FEWEST = 100
"""Recordings of a place that are needed for a check."""
_LEAST_CORRELATION = 0.3
_LEAST_SPREAD = 1.5
"""Least ratio of the 90th to the 10th percentile of text lengths: with less spread, lengths show nothing."""
_SYLLABLE = re.compile("[가-힣]|[aeiouy]+|[0-9]", re.IGNORECASE)


@dataclass(frozen=True)
class Recordings:
    """The recordings of a corpus."""

    korean: Mapping[str, CorpusFile]
    """by name"""
    english: Mapping[str, CorpusFile]
    """by the name of their Korean partner"""
    alone: Mapping[str, CorpusFile]
    """English ones without a Korean partner, by their own names"""


def find_recordings(listing: Listing, layout: KoxLayout, root: Path, english_root: Path | None) -> Recordings:
    """Sort recordings into Korean and English, log their places, and pair them by name.

    english_root: a folder or archive in which all recordings are English, also if it lies below `root`. Raises InputError for two
    recordings of one name in one language, because either may be the right one.
    """
    sounds = listing.with_suffix(*SOUND_SUFFIXES)
    sides: dict[str, list[CorpusFile]] = {KOREAN: [], ENGLISH: [], OTHER: []}
    if english_root is not None:
        sounds = _outside(sounds, root, english_root)
        sides[ENGLISH] += list_files(english_root).with_suffix(*SOUND_SUFFIXES)

    names = {(PurePosixPath(file.name).parent, file.stem) for file in sounds}
    for file in sounds:
        beside = PurePosixPath(file.name).parent, file.stem.removesuffix(layout.english_ending)
        has_partner = file.stem.endswith(layout.english_ending) and beside in names
        sides[ENGLISH if has_partner else layout.language(file) or KOREAN].append(file)

    _log_where_sound_lies(sides, (root, english_root))
    korean = _by_name((file, file.stem) for file in sides[KOREAN])
    partners = _partners(sides[ENGLISH], korean, layout)
    english = _by_name((file, name) for file, name in partners if name)
    alone = {file.stem: file for file, name in partners if not name}
    if alone:
        (LOG.info if english else LOG.warning)(
            "%d English recordings belong to no Korean one by their names and are left out: %s (a Korean one is called %s)",
            len(alone),
            next(iter(alone.values())).name,
            next(iter(korean.values())).name if korean else "nothing",
        )
    return Recordings(korean, english, alone)


def _outside(sounds: Iterable[CorpusFile], root: Path, english_root: Path) -> list[CorpusFile]:
    """Return the recordings that are not below `english_root`, neither by their real paths nor by those after unpacking."""
    place = english_root.resolve()
    inner = place.relative_to(root.resolve()) if place.is_relative_to(root.resolve()) else None
    name = "" if inner is None else (inner.with_suffix("") if english_root.is_file() else inner).as_posix() + "/"
    return [file for file in sounds if not (name and file.name.startswith(name)) and not _lies_below(file.paths, place)]


@lru_cache(maxsize=64)
def _lies_below(paths: tuple[Path, ...], place: Path) -> bool:
    return any(path.resolve().is_relative_to(place) for path in paths)


def _partners(english: Iterable[CorpusFile], korean: Mapping[str, CorpusFile], layout: KoxLayout) -> list[tuple[CorpusFile, str]]:
    """Return each English recording with the name of its Korean partner, "" = none.

    Partners have equal names, or names that are equal without `_en` or without the words for the languages.
    """
    by_plain = defaultdict[str, list[str]](list)
    for name in korean:
        by_plain[layout.without_language(name)].append(name)

    found = []
    for file in english:
        names = [name for name in (file.stem, file.stem.removesuffix(layout.english_ending)) if name in korean]
        plain = by_plain.get(layout.without_language(file.stem), [])
        names += plain if len(plain) == 1 else []
        found.append((file, names[0] if names else ""))
    return found


def _by_name(files: Iterable[tuple[CorpusFile, str]]) -> dict[str, CorpusFile]:
    found: dict[str, CorpusFile] = {}
    for file, name in files:
        other = found.setdefault(name, file)
        if other is not file:
            raise InputError(
                "there are two recordings of one name",
                path=str(file),
                expected="one for each sentence and language",
                found=f"{file.name} and {other.name}",
                hint="take one of them out of the corpus, or say with --english-root where English recordings are",
            )

    return found


def _log_where_sound_lies(sides: Mapping[str, list[CorpusFile]], roots: tuple[Path, Path | None]) -> None:
    """Log one line about all recordings, and one for each folder or archive."""
    shown = (f"{len(files)} {_NAMES[language]}" for language, files in sides.items() if files or language != OTHER)
    LOG.info("recordings: %s", ", ".join(shown))
    counts: Counter[tuple[str, str]] = Counter()
    for depth in (4, 3, 2, 1):
        counts = Counter((place_of(file, roots, depth), language) for language, files in sides.items() for file in files)
        if len({place for place, _ in counts}) <= _MOST_PLACES:
            break
    for place in sorted({place for place, _ in counts}):
        there = [f"{counts[place, language]} {name}" for language, name in _NAMES.items() if counts[place, language]]
        LOG.info("  %s: %s", place, ", ".join(there))


def place_of(file: CorpusFile, roots: Iterable[Path | None], depth: int = 2) -> str:
    """Return the archive of a recording, or the outer `depth` folders of its path below one of the roots."""
    path = file.paths[0].parent if file.is_plain else file.paths[0]
    below = next((path.relative_to(root) for root in roots if root and path.is_relative_to(root)), Path(path.name))
    return intern(Path(*below.parts[:depth]).as_posix() if file.is_plain else _PART.sub("", below.as_posix()))


def syllables(text: str) -> int:
    """Estimate the number of syllables of a Korean or English text; a digit counts as one."""
    return len(_SYLLABLE.findall(text))


def check_lengths(out: Path, places: Mapping[tuple[str, str], str]) -> None:
    """Warn about places whose durations do not fit texts in the language that their recordings are taken for.

    out: folder with ko.jsonl and en.jsonl. places: place of each recording by its language and name.
    """
    for language in (KOREAN, ENGLISH):
        rows, path = defaultdict[str, list[tuple[float, int, int]]](list), out / f"{language}.jsonl"
        for _, entry in iter_entries(path) if path.exists() else ():
            if entry.text and (place := places.get((language, entry.id))):
                rows[place].append((entry.duration_s, syllables(entry.text), syllables(entry.translation)))
        for place, found in sorted(rows.items()):
            if complaint := _complaint(np.array(found, np.float64), _NAMES[language]):
                LOG.warning("%s: %s; listen to some before you train", place, complaint)


def _complaint(rows: NDArray[np.float64], spoken: str) -> str:
    """Return a complaint about rows of seconds and syllables of own and other text, float64 [recordings, 3]; "" for none, also if
    too little is known."""
    short, long = np.percentile(rows[:, 1], (10, 90))
    if len(rows) < _FEWEST or long < _LEAST_SPREAD * max(short, 1.0):
        return ""

    both = rows[rows[:, 2] > 0]
    own, other = _correlations(both) if len(both) >= _FEWEST else (1.0, 0.0)
    if own < other:
        return (
            f"its {len(rows)} {spoken} recordings last as their translations would, not as their {spoken} text: "
            f"are they in {spoken}? (rank correlations {other:.2f} and {own:.2f})"
        )

    own, _ = _correlations(rows)
    if own < _LEAST_CORRELATION:
        return f"its {len(rows)} {spoken} recordings do not last as their text would (rank correlation {own:.2f}; 0.7 is usual)"
    return ""


def _correlations(rows: NDArray[np.float64]) -> tuple[float, float]:
    """Return Spearman's rank correlations of the first column with the two others; 0 for columns that do not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.nan_to_num(np.corrcoef(np.apply_along_axis(rankdata, 0, rows), rowvar=False))
    return float(matrix[0, 1]), float(matrix[0, 2])
