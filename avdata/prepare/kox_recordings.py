"""Which recordings of Ko-X are Korean and which English, and which two belong together."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from sys import intern

from avcore.errors import InputError
from avcore.suffixes import SOUND_SUFFIXES
from avdata.prepare.kox_layout import ENGLISH, KOREAN, OTHER, KoxLayout
from avdata.prepare.sources import CorpusFile, Listing, list_files

LOG = logging.getLogger("netflips")
_MOST_PLACES = 12
"""Places that are named one by one; where there are more, their outer folders are."""
_PART = re.compile(r"\.part\d+$")
_NAMES = {KOREAN: "Korean", ENGLISH: "English", OTHER: "of other languages"}


@dataclass(frozen=True)
class Recordings:
    """Recordings by the name of the Korean one. alone: English ones that belong to no Korean one, by their own names."""

    korean: Mapping[str, CorpusFile]
    english: Mapping[str, CorpusFile]
    alone: Mapping[str, CorpusFile]


def find_recordings(listing: Listing, layout: KoxLayout, root: Path, english_root: Path | None) -> Recordings:
    """Tell Korean and English recordings apart, say how many lie where, and pair them by name.

    english_root: a folder or archive in which all is English, also where it lies below `root`. Raises InputError for two
    recordings of one name in one language: which of them is the right one cannot be known.
    """
    sounds = listing.with_suffix(*SOUND_SUFFIXES)
    sides: dict[str, list[CorpusFile]] = {KOREAN: [], ENGLISH: [], OTHER: []}
    if english_root is not None:
        sounds = _outside(sounds, root, english_root)
        sides[ENGLISH] += list_files(english_root).with_suffix(*SOUND_SUFFIXES)
    places = {(PurePosixPath(file.name).parent, file.stem) for file in sounds}
    for file in sounds:
        beside = PurePosixPath(file.name).parent, file.stem.removesuffix(layout.english_ending)
        has_partner = file.stem.endswith(layout.english_ending) and beside in places
        sides[ENGLISH if has_partner else layout.language(file) or KOREAN].append(file)
    _say_what_lies_where(sides, (root, english_root))
    korean = _by_name((file, file.stem) for file in sides[KOREAN])
    partners = _partners(sides[ENGLISH], korean, layout)
    english = _by_name((file, name) for file, name in partners if name)
    alone = {file.stem: file for file, name in partners if not name}
    _warn_of_strangers(korean, english, alone)
    return Recordings(korean, english, alone)


def _outside(sounds: Iterable[CorpusFile], root: Path, english_root: Path) -> list[CorpusFile]:
    """The recordings that are not below `english_root`, by where they really lie and by where they would if unpacked."""
    place = english_root.resolve()
    inner = place.relative_to(root.resolve()) if place.is_relative_to(root.resolve()) else None
    name = "" if inner is None else (inner.with_suffix("") if english_root.is_file() else inner).as_posix() + "/"
    return [file for file in sounds if not (name and file.name.startswith(name)) and not _lies_below(file.paths, place)]


@lru_cache(maxsize=64)
def _lies_below(paths: tuple[Path, ...], place: Path) -> bool:
    return any(path.resolve().is_relative_to(place) for path in paths)


def _partners(english: Iterable[CorpusFile], korean: Mapping[str, CorpusFile], layout: KoxLayout) -> list[tuple[CorpusFile, str]]:
    """Each English recording with the name of the Korean one that it belongs to, "" = none.

    They have equal names, or names that are equal without `_en`, or without the words for the languages.
    """
    plain = Counter(map(layout.without_language, korean))
    by_plain = {layout.without_language(name): name for name in korean}
    found = []
    for file in english:
        names = [name for name in (file.stem, file.stem.removesuffix(layout.english_ending)) if name in korean]
        without = layout.without_language(file.stem)
        names += [by_plain[without]] if plain[without] == 1 else []
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


def _say_what_lies_where(sides: Mapping[str, list[CorpusFile]], roots: tuple[Path, Path | None]) -> None:
    """One line for all, and one for each folder or archive."""
    LOG.info("recordings: %s", ", ".join(_counted(sides)))
    counts: Counter[tuple[str, str]] = Counter()
    for depth in (4, 3, 2, 1):
        counts = Counter((place_of(file, roots, depth), language) for language, files in sides.items() for file in files)
        if len({place for place, _ in counts}) <= _MOST_PLACES:
            break
    for place in sorted({place for place, _ in counts}):
        there = [f"{counts[place, language]} {name}" for language, name in _NAMES.items() if counts[place, language]]
        LOG.info("  %s: %s", place, ", ".join(there))


def _counted(sides: Mapping[str, list[CorpusFile]]) -> Iterator[str]:
    for language, files in sides.items():
        if files or language != OTHER:
            yield f"{len(files)} {_NAMES[language]}"


def place_of(file: CorpusFile, roots: Iterable[Path | None], depth: int = 2) -> str:
    """The archive that a recording is in, or the outer `depth` folders that it is in, below one of the roots."""
    path = file.paths[0].parent if file.is_plain else file.paths[0]
    below = next((path.relative_to(root) for root in roots if root and path.is_relative_to(root)), Path(path.name))
    return intern(Path(*below.parts[:depth]).as_posix() if file.is_plain else _PART.sub("", below.as_posix()))


def _warn_of_strangers(
    korean: Mapping[str, CorpusFile], english: Mapping[str, CorpusFile], alone: Mapping[str, CorpusFile]
) -> None:
    """Say it when English recordings are there that belong to no Korean one: pairs may be missed."""
    if alone:
        first = next(iter(alone.values()))
        level = LOG.info if english else LOG.warning
        level(
            "%d English recordings belong to no Korean one by their names and are left out: %s (a Korean one is called %s)",
            len(alone),
            first.name,
            next(iter(korean.values())).name if korean else "nothing",
        )
