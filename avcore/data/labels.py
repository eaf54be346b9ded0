"""Labels: the unit of each 20 ms of each clip, from `.km` lines or from units by id, and the symbols of the classes.

A clip can be used if its labels are as long as its media, its length is allowed, and its files exist.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.data.corpus import Corpus, CorpusClip
from avcore.data.unit_store import iter_units
from avcore.errors import InputError, Message, UnitError, UsageError, VocabularyError
from avcore.journal import write_rows
from avcore.texts import iter_lines
from avcore.timeline import FRAME_RATE, UNIT_RATE, UNITS_PER_FRAME, units_to_frames, units_to_seconds
from avcore.units import Ids, parse_units

LOG = logging.getLogger("netflips.train")
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
"""The first symbols of each dictionary."""
MOST_UNITS = 100_000
"""More units than any quantizer has: the largest published ones have a few thousand."""
NO_LABEL = -100
"""Label of a step that is left out of the loss."""
_STORED = np.int32


@dataclass(frozen=True)
class Labels:
    """Units of all clips of a corpus, 50 a second."""

    values: NDArray[np.int32]
    """int32 [sum of lengths]"""
    starts: NDArray[np.int64]
    """int64 [clips + 1], where each clip begins among the values"""
    vocabulary: str
    """fingerprint of their quantizer, "" = unknown"""
    source: str
    """the files, for messages"""

    def of(self, index: int) -> NDArray[np.int32]:
        """Return the units of one clip, int32 of shape [N]; none for a clip without labels."""
        return self.values[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of units of each clip, int64 of shape [clips]."""
        return np.diff(self.starts)


def read_labels(paths: Sequence[str], corpus: Corpus, label_rate: int, allow_other_vocabulary: bool = False) -> Labels:
    """Read the labels of a corpus.

    paths: a `.jsonl` or folder of units by id; or one or two text files with a line for each clip. Two files are as published: the
    first has the units at even places, the second those at odd places, 25 a second each. One file has `label_rate` units a second:
    50, or 25, each of which stands for two steps. Raises InputError, UnitError, VocabularyError or UsageError.
    """
    if len(paths) == 1 and (Path(paths[0]).suffix == ".jsonl" or Path(paths[0]).is_dir()):
        return _read_by_id(Path(paths[0]), corpus, allow_other_vocabulary)
    if len(paths) not in (1, UNITS_PER_FRAME):
        raise UsageError(
            "labels are one .jsonl, one folder, or one or two text files", expected="1 or 2 paths", found=", ".join(paths) or "none"
        )
    if label_rate not in (FRAME_RATE, UNIT_RATE):
        raise UsageError("data.label_rate cannot be used", expected=f"{FRAME_RATE} or {UNIT_RATE}", found=label_rate)
    return _join(_lines_of(paths, corpus, label_rate), "", ", ".join(paths))


def _lines_of(paths: Sequence[str], corpus: Corpus, label_rate: int) -> Iterator[Ids]:
    """Yield the units of each clip, 50 a second. Raises InputError unless there are as many lines as clips."""
    times = UNITS_PER_FRAME if len(paths) == 1 and label_rate == FRAME_RATE else 1
    count = 0
    for lines in zip_longest(*(_iter_lines(path) for path in paths)):
        if any(line is None for line in lines):
            raise InputError(
                "the label files have different numbers of lines", path=" and ".join(paths), found=f"at line {count + 1}"
            )
        count += 1
        # The heads are interleaved; the end of a longer one is left out.
        heads = lines * times
        shortest = min(map(len, heads))
        yield np.stack([head[:shortest] for head in heads], axis=1).ravel()

    if count != len(corpus.clips):
        raise InputError("a label line is needed for each clip", path=paths[0], expected=f"{len(corpus.clips)} lines", found=count)


def _iter_lines(path: str) -> Iterator[Ids]:
    for number, line in iter_lines(path, "the label file"):
        place = f"{path}:{number}"
        yield _require_units(parse_units(line, place), place)


def _require_units(units: Ids, place: str) -> Ids:
    """Return the labels. Raises UnitError for ids that no quantizer makes: the table of classes would not fit into memory."""
    if units.max(initial=0) >= MOST_UNITS:
        raise UnitError(
            "a label is larger than any quantizer's", path=place, expected=f"{MOST_UNITS - 1} at most", found=units.max()
        )
    return units


def _read_by_id(path: Path, corpus: Corpus, allow_other_vocabulary: bool) -> Labels:
    place = {clip.id: number for number, clip in enumerate(corpus.clips)}
    found: list[NDArray[np.int32] | None] = [None] * len(place)
    vocabularies: dict[str, str] = {}
    for row in iter_units(path):
        number = place.get(row.id)
        if number is None:
            continue
        if found[number] is not None:
            raise InputError(f"the id {row.id!r} is there twice", path=path)
        if row.units.durations is None:
            raise UnitError(
                f"the labels of {row.id!r} have no durations", path=path, expected="units as they were extracted, not as translated"
            )
        found[number] = _require_units(row.units.frames(), f"{path}: {row.id}").astype(_STORED)
        vocabularies.setdefault(row.units.vocabulary, row.id)

    if not vocabularies:
        raise InputError("no clip of the manifest has labels", path=path, expected=f"ids such as {corpus.clips[0].id!r}")

    empty = np.zeros(0, _STORED)
    labels = (empty if frames is None else frames for frames in found)
    return _join(labels, _one_vocabulary(vocabularies, path, allow_other_vocabulary), str(path))


def _one_vocabulary(found: dict[str, str], path: Path, allow_other: bool) -> str:
    known = sorted(name for name in found if name)
    if len(found) > 1 and not allow_other:
        shown = "; ".join(f"{name or 'unknown'} at {clip!r}" for name, clip in sorted(found.items()))
        raise VocabularyError(
            "the labels come from several quantizers",
            path=path,
            expected="one vocabulary",
            found=shown,
            hint="label all clips with one, or give data.allow_other_vocabulary=true",
        )
    return known[0] if len(known) == 1 else ""


def _join(clips: Iterable[Ids | NDArray[np.int32]], vocabulary: str, source: str) -> Labels:
    parts = [np.asarray(clip, _STORED) for clip in clips]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Labels(np.concatenate(parts), starts, vocabulary, source)


# Dictionaries


def read_dictionaries(paths: Sequence[str], labels: Labels, num_units: int) -> list[list[str]]:
    """Return the symbols of each head's classes, the four specials first.

    paths: the published `dict.<name>.txt`, one for each head or one for both; none = units 0..num_units - 1, or if num_units is 0,
    up to the largest label. Inference reads both heads by the first dictionary, so heads with different symbols are refused.
    Raises InputError or UsageError.
    """
    if not paths:
        size = num_units or int(labels.values.max(initial=-1)) + 1
        return [[*SPECIALS, *map(str, range(size))]] * UNITS_PER_FRAME
    if len(paths) > UNITS_PER_FRAME:
        raise UsageError("there are two heads", expected="1 or 2 dictionaries", found=", ".join(paths))

    read = [_read_dictionary(path) for path in paths]
    if read[0] != read[-1]:
        raise InputError(
            "the dictionaries of the two heads differ",
            path=" and ".join(paths),
            expected="the same symbols in the same order: units are read from both heads by the first",
            hint="give one of them for both",
        )
    return [[*SPECIALS, *read[0]]] * UNITS_PER_FRAME


def _read_dictionary(path: str) -> list[str]:
    """Read the symbols of a fairseq dictionary, which has `symbol count` on each line."""
    symbols = []
    for number, line in iter_lines(path, "the dictionary"):
        symbol, _, count = line.rstrip("\n").rpartition(" ")
        if not symbol or not count.isdecimal() or symbol in SPECIALS:
            raise InputError(
                f"line {number} is no dictionary entry", path=path, expected="symbol count", found=repr(line[:40].rstrip("\n"))
            )
        if symbol.isascii() and symbol.isdecimal() and len(symbol.lstrip("0")) >= len(str(MOST_UNITS)):
            expected = f"{MOST_UNITS - 1} at most"
            raise InputError(
                f"line {number} is a unit larger than any quantizer's", path=path, expected=expected, found=symbol[:40]
            )
        symbols.append(symbol)

    if len(set(symbols)) != len(symbols):
        raise InputError("a symbol is there twice", path=path, found=next(s for s in symbols if symbols.count(s) > 1))
    return symbols


def class_of_unit(symbols: Sequence[str]) -> NDArray[np.int64]:
    """Return the class of each unit, int64 of shape [largest unit + 1]; NO_LABEL for units without a class."""
    units = {int(symbol): place for place, symbol in enumerate(symbols) if symbol.isascii() and symbol.isdecimal()}
    classes = np.full(max(units, default=-1) + 1, NO_LABEL, dtype=np.int64)
    for unit, place in units.items():
        classes[unit] = place
    return classes


def check_against_dictionary(labels: Labels, corpus: Corpus, classes: NDArray[np.int64]) -> None:
    """Raise UnitError naming the clip if a label is not in the dictionary. classes: int64 of shape [largest unit + 1]."""
    outside = (labels.values < 0) | (labels.values >= len(classes))
    # 0 stands in for values outside, which are no index of the table.
    outside |= classes[np.where(outside, 0, labels.values)] == NO_LABEL if len(classes) else True
    if not outside.any():
        return

    place = int(np.flatnonzero(outside)[0])
    clip = int(np.searchsorted(labels.starts, place, side="right")) - 1
    raise UnitError(
        f"a label of {corpus.clips[clip].id!r} is not in the dictionary",
        path=labels.source,
        expected=f"one of {int((classes != NO_LABEL).sum())} units",
        found=f"{labels.values[place]} ({int(outside.sum())} such labels in all)",
    )


# Selection of clips

LARGEST_DIFFERENCE = Fraction(1, 10)
"""Seconds. Labels and media whose lengths differ by this or more do not belong together."""
_SHOWN = 5
_MISSING = "with a missing file"


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not used."""

    id: str
    reason: str
    """in a few words, the same for all clips of a kind"""
    detail: str
    """about this clip"""


@dataclass(frozen=True)
class Selection:
    """The clips of a corpus that are used, and those that are not."""

    indices: list[int]
    """places in the corpus of clips that are used, each as often as an epoch has it"""
    left_out: list[LeftOut]


def select(corpus: Corpus, labels: Labels, allowed: tuple[int, int], max_missing_share: float) -> Selection:
    """Select the clips that can be used. allowed: least and most frames of a clip.

    Raises InputError if more than `max_missing_share` of the clips have missing files, or if no clip is left.
    """
    indices: list[int] = []
    left_out: list[LeftOut] = []
    lengths = labels.lengths.tolist()
    for index, clip in enumerate(corpus.clips):
        problem = next(_problems(clip, lengths[index], allowed), None)
        if problem is None:
            indices += [index] * clip.repeat
        else:
            left_out.append(problem)

    reasons = Counter(one.reason for one in left_out)
    for reason, count in reasons.items():
        LOG.warning("%s: %d of %d clips are left out, %s", corpus.path, count, len(corpus.clips), reason)
        for one in [one for one in left_out if one.reason == reason][:_SHOWN]:
            LOG.warning("  %s: %s", one.id, one.detail)

    if reasons[_MISSING] > max_missing_share * len(corpus.clips) or not indices:
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        what = "too many clips have missing files" if indices else "no clip can be used"
        raise InputError(
            what,
            path=corpus.path,
            expected=f"at most {max_missing_share:.0%} missing" if indices else "1 clip or more",
            found=f"{counts} of {len(corpus.clips)}",
            hint=f"first: {left_out[0].id}: {left_out[0].detail}" if left_out else None,
        )
    return Selection(indices, left_out)


def _problems(clip: CorpusClip, num_labels: int, allowed: tuple[int, int]) -> Iterator[LeftOut]:
    if not clip.audio and not clip.lips:
        yield LeftOut(clip.id, "without sound and lips", "the manifest names no file")
    if not num_labels:
        yield LeftOut(clip.id, "without labels", "it has no label")
    seconds = clip.seconds
    if seconds is not None and abs(seconds - units_to_seconds(num_labels)) >= LARGEST_DIFFERENCE:
        detail = f"{float(units_to_seconds(num_labels)):.2f} s of labels, {float(seconds):.2f} s of media"
        yield LeftOut(clip.id, "with labels of another length", detail)

    frames = units_to_frames(num_labels)
    least, most = allowed
    if not least <= frames <= most:
        yield LeftOut(clip.id, "too short or too long", f"{frames} frames, not {least}..{most}")
    for path in (clip.audio, clip.lips):
        if path and not Path(path).is_file():
            yield LeftOut(clip.id, _MISSING, Message("{what} is not there", what=path))


def write_left_out(path: Path, left_out: list[LeftOut]) -> None:
    """Write every clip that is not used with its reason, one JSON object a line."""
    write_rows(path, map(vars, left_out))
