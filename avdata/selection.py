"""Which clips can be used: those with labels as long as they are, of usable length, whose files are there."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.timeline import units_to_frames, units_to_seconds
from avdata.corpus import Corpus, CorpusClip
from avdata.labels import Labels

LOG = logging.getLogger("netflips.train")

LARGEST_DIFFERENCE = Fraction(1, 10)
"""Seconds; labels and media that differ by so much or more do not belong together."""
_SHOWN = 5


@dataclass(frozen=True)
class LeftOut:
    """A clip that is not used. reason: in a few words, the same for all clips of a kind."""

    id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Selection:
    """indices: the clips of the corpus that are used, each as often as an epoch has it."""

    indices: list[int]
    left_out: list[LeftOut]


def select(corpus: Corpus, labels: Labels, allowed: tuple[int, int], max_missing_share: float) -> Selection:
    """Choose the clips that can be used.

    Raises InputError when more than `max_missing_share` of the files are missing, or when nothing is left.
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
    _report(left_out, corpus)
    missing = sum(one.reason == _MISSING for one in left_out)
    if missing > max_missing_share * len(corpus.clips) or not indices:
        counts = ", ".join(f"{count} {reason}" for reason, count in Counter(one.reason for one in left_out).items())
        what = "too many clips have missing files" if indices else "no clip can be used"
        raise InputError(
            what,
            path=corpus.path,
            expected=f"at most {max_missing_share:.0%} missing" if indices else "1 clip or more",
            found=f"{counts} of {len(corpus.clips)}",
            hint=f"first: {left_out[0].id}: {left_out[0].detail}" if left_out else None,
        )
    return Selection(indices, left_out)


_MISSING = "with a missing file"


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
            yield LeftOut(clip.id, _MISSING, f"{path} is not there")


def _report(left_out: list[LeftOut], corpus: Corpus) -> None:
    for reason, count in Counter(one.reason for one in left_out).items():
        LOG.warning("%s: %d of %d clips are left out, %s", corpus.path, count, len(corpus.clips), reason)
        for one in [one for one in left_out if one.reason == reason][:_SHOWN]:
            LOG.warning("  %s: %s", one.id, one.detail)


def write_left_out(path: Path, left_out: list[LeftOut]) -> None:
    """Write every clip that is not used, with the reason, one JSON object a line."""
    with atomic_output(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for one in left_out:
            file.write(json.dumps(vars(one), ensure_ascii=False) + "\n")
