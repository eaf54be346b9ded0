"""Make all of the demo's training material in a folder: speech, labels, lips, faces, and the manifests that trainers read."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from av2unit.clustering.align import carry_labels
from av2unit.clustering.config import AlignConfig
from avcore.data.unit_store import UnitRow, read_units, write_units
from avcore.journal import Row, iter_rows, write_rows
from avcore.pool import PoolTask, ProcessPool, result_of
from avcore.progress import Progress
from avcore.texts import read_json
from avcore.timeline import samples_to_units, units_to_frames
from avcore.units import Units, fingerprint
from recipes.demo.material.drawn import Shot, film_takes
from recipes.demo.material.phones import Phones
from recipes.demo.material.spoken import (
    KOREAN_REFERENCE,
    NATURAL,
    REFERENCE,
    Take,
    free_takes,
    spoken_takes,
    time_takes,
    write_takes,
)
from recipes.demo.voices.cast import Cast, book_pairs, cast, held_out_english
from recipes.demo.voices.phrasebook import SentencePair, free_sentences, phrasebook

# Work in chunks on several processes; a finished chunk is never done again

Job = TypeVar("Job")

_CHUNK = 50  # jobs of a process that a stop loses at most


def run_in_chunks(
    jobs: Sequence[Job],
    do: Callable[[Path, Sequence[Job]], Iterable[Row]],
    folder: Path,
    name: str,
    workers: int,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Do jobs and yield their rows in order.

    do: a function of a module, called with `folder` and a chunk of jobs; in other processes if there are several `workers`.
    Rows of a chunk are kept in folder/parts under a name made of its jobs, so an interrupted run goes on where it stopped.
    """
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    parts = {part_path(folder, name, number, chunk): chunk for number, chunk in enumerate(chunks)}
    (folder / "parts").mkdir(parents=True, exist_ok=True)

    tasks = [(part.name, PoolTask.of((chunk, part))) for part, chunk in parts.items() if not part.is_file()]
    with ProcessPool[tuple[Sequence[Job], Path], str](_Chunks[Job], (do, folder), workers) as pool:
        for number, outcome in enumerate(pool.run(tasks), len(parts) - len(tasks) + 1):
            result_of(outcome)
            progress(name, number, len(parts))

    for part in parts:
        yield from (row for _, row in iter_rows(part))


def part_path(folder: Path, name: str, number: int, chunk: Sequence[object]) -> Path:
    """Return the file that keeps the rows of a chunk of jobs."""
    content = fingerprint(repr(chunk).encode()).removeprefix("sha256:")
    return folder / "parts" / f"{name}_{number:04d}_{content}.jsonl"


class _Chunks(Generic[Job]):
    """Does chunks in a process of the pool."""

    def __init__(self, do: Callable[[Path, Sequence[Job]], Iterable[Row]], folder: Path) -> None:
        self._do, self._folder = do, folder

    def process(self, chunks: tuple[tuple[Sequence[Job], Path]]) -> None:
        """Do a chunk and keep its rows."""
        ((jobs, part),) = chunks
        write_rows(part, self._do(self._folder, jobs))


# The material

LOG = logging.getLogger("recipes.demo.heads")


_CLIP = Path(__file__).resolve().parents[3] / "docs" / "clip" / "clip.json"
_MOST = 1_000_000
_NUM_VALID = 80
_VALID_SHARE = 10
"""Takes for validation, with video and without: at most `_NUM_VALID` of each, and one of `_VALID_SHARE`."""


@dataclass(frozen=True)
class Part:
    """A part of the material that is small enough to be made in one session."""

    first: int = 0
    """number of its first sentence"""
    of: int = 1
    """it has every `of`-th sentence from there on"""
    languages: tuple[str, ...] = ("en", "ko")
    """languages of its takes"""


def make_material(
    folder: str | Path,
    seed: int,
    max_sentences: int,
    workers: int,
    progress: Progress,
    people: Cast | None = None,
    part: Part = Part(),
) -> None:
    """Make the material; finished chunks of the same arguments are kept.

    max_sentences: limit of the phrasebook's sentences and of free ones to train on, with references of as many more; 0 = all that
    are not held out. workers: processes. people: who speaks; None = the demo's cast. part: of all the sentences.
    """
    folder, people, own = Path(folder), people or cast(), slice(part.first, None, part.of)
    numbered, free = list(enumerate(book_pairs(people))), people.settings["korean"]
    learnt = [(number, pair) for number, pair in numbered if pair.english not in held_out_english()]
    chosen = _spread(learnt, max_sentences)[own]

    takes = spoken_takes([pair for _, pair in chosen], [number for number, _ in chosen], people, seed)
    texts = free_sentences(min(free["free"], max_sentences or _MOST), seed, free["texts"])
    takes += free_takes(list(enumerate(texts))[own], people, seed)
    takes = [take for take in takes if take.language in part.languages]

    rows = list(run_in_chunks(takes, write_takes, folder, "speech", workers, progress))
    phones = Phones.of_material((name for row in rows for name, _, _ in row.get("phonemes", ())), people.settings)
    phones.write(folder / "phones.json")
    labels = _label(folder, rows, phones, workers, progress)
    shots = choose_shots(takes, rows, labels, phones, people, seed, part.of)
    seen = {row["id"]: row for row in run_in_chunks(shots, film_takes, folder, "faces", workers, progress)}
    _write_manifests(folder, takes, rows, seen, labels, people)

    held_out = _spread([one for one in numbered if one[1].english in held_out_english()], max_sentences)[own]
    numbered = [*sorted((*chosen, *held_out), key=lambda one: one[0]), *_of_the_clip(len(numbered))]
    if "ko" in part.languages:
        _write_references(folder, numbered, labels, phones, people, workers, progress)


def choose_shots(
    takes: Sequence[Take], rows: Sequence[Row], labels: Mapping[str, Units], phones: Phones, people: Cast, seed: int, parts: int = 1
) -> list[Shot]:
    """Choose the takes that are drawn, at random over the corpus, and their heads. parts: number of parts of the material."""
    rng, num_faces = np.random.default_rng([seed, 3]), 0
    others = people.settings["heads"] + sum(people.settings["faces"].values()) // 2
    shots = []
    for language, number_drawn in people.settings["drawn"].items():
        wanted, faces = number_drawn // parts, people.settings["faces"][language] // parts
        kept = {number * wanted // faces for number in range(faces)}
        clean = [
            n for n, take in enumerate(takes) if take.language == language and take.id in labels and is_for_encoder(take.speaker)
        ]
        for number, place in enumerate(sorted(rng.permutation(len(clean))[:wanted])):
            take, row = takes[clean[place]], rows[clean[place]]
            frames = units_to_frames(samples_to_units(row["samples"]))
            phonemes = tuple(phones.phonemes(labels[take.id]))

            is_face_kept, head = number in kept, int(rng.integers(people.settings["heads"]))
            if is_face_kept and num_faces % 2:
                head = people.settings["heads"] + num_faces // 2  # a head of its own, so that heads are not memorised
            elif not is_face_kept and number % 2:
                head = int(rng.integers(others, people.settings["held_out"]["first_head"]))
            num_faces += is_face_kept
            shots.append(Shot(take.id, language, phonemes, frames, head, take.seed, is_face_kept))
    return shots


def _label(folder: Path, rows: Sequence[Row], phones: Phones, workers: int, progress: Progress) -> dict[str, Units]:
    """Label reference and natural voices by their own times, and transfer the references' labels to all other clean takes."""
    clean = [row for row in rows if row.get("snr_db") is None]
    timed = {
        row["id"]: UnitRow(row["id"], phones.units(row["phonemes"], samples_to_units(row["samples"]), row["language"]), {})
        for row in clean
        if "phonemes" in row  # its synthesiser timed it
    }
    given, made, all_labels = (
        folder / name for name in ("reference.units.jsonl", "labels/aligned.units.jsonl", "labels/clean.units.jsonl")
    )
    manifest = folder / "aligned.jsonl"
    write_rows(manifest, _bare(row for row in clean if row["id"] not in timed or _labels_others(row)))
    write_units(given, [timed[row["id"]] for row in clean if _labels_others(row)])

    if not made.is_file() and not any(map(_labels_others, clean)):
        write_units(all_labels, list(timed.values()))
        return read_units(all_labels)
    if not made.is_file():
        carry_labels(
            AlignConfig(manifest=str(manifest), references=str(given), out_dir=str(made.parent), num_workers=workers), progress
        )
    aligned = read_units(made)
    own = [row for name, row in timed.items() if name not in aligned]
    write_units(all_labels, [*(UnitRow(name, units, {}) for name, units in aligned.items()), *own])
    return read_units(all_labels)


def _labels_others(row: Row) -> bool:
    """Return whether a row labels others: only the English reference voice does, since all Korean voices have their own times."""
    return str(row["speaker"]) == f"{REFERENCE}_en"


def is_for_encoder(speaker: str) -> bool:
    """Return whether an encoder may be trained on a speaker: the Korean reference voice is kept for evaluation."""
    return speaker not in (f"{REFERENCE}_ko", KOREAN_REFERENCE)


def _write_manifests(
    folder: Path, takes: Sequence[Take], rows: Sequence[Row], seen: Mapping[str, Row], labels: Mapping[str, Units], people: Cast
) -> None:
    """Write the manifests.

    encoder, encoder_valid: labelled takes. texts: labelled takes, including those that no encoder is trained on. vocoder,
    vocoder_en: some of the Korean takes, and English takes in natural voices. vocoder_en_lips: these, and takes with lips, but for
    voices of recorded speech at 16 kHz (flite, Festival), which teach a voice to end at 8 kHz. faces: takes of both
    languages with a face video. source, source_lips: English takes, all and those with lips.
    """
    settings = people.settings
    whole = [row | seen.get(row["id"], {}) for row in _bare(rows)]
    all_labelled = [row for row in whole if row["id"] in labels]
    labelled = [row for row in all_labelled if is_for_encoder(row["speaker"])]
    valid = _valid_ids(labelled)

    write_rows(folder / "texts.jsonl", (row for row in all_labelled if row["id"] not in valid))
    write_rows(folder / "encoder_valid.jsonl", (row for row in labelled if row["id"] in valid))
    write_rows(folder / "encoder.jsonl", (row | _repeat(row, settings) for row in labelled if row["id"] not in valid))

    korean = [row for row in all_labelled if row["language"] == "ko"]
    write_rows(folder / "vocoder.jsonl", korean[:: settings["vocoder_every"]])
    write_rows(folder / "vocoder_en.jsonl", (row for row in all_labelled if row["speaker"] == NATURAL))
    recorded = {*settings["flite"]["names"], *settings["festival"]}
    english = [row for row in all_labelled if row["language"] == "en" and row["speaker"] not in recorded]
    write_rows(folder / "vocoder_en_lips.jsonl", (row for row in english if row["speaker"] == NATURAL or row.get("lips")))
    write_rows(folder / "faces.jsonl", (row for row in whole if row.get("video")))
    write_rows(folder / "source.jsonl", (row for row in whole if row["language"] == "en"))
    write_rows(folder / "source_lips.jsonl", (row for row in whole if row["language"] == "en" and row.get("lips")))
    LOG.info("%d takes of %d sentences, %d of them seen", len(takes), len({take.sentence for take in takes}), len(seen))


def _valid_ids(labelled: Sequence[Row]) -> set[str]:
    """Return the ids of takes for the encoder's validation: with lips and without, at equal steps."""
    groups = [row for row in labelled if row.get("lips")], [row for row in labelled if not row.get("lips")]
    wanted = [min(_NUM_VALID, -(-len(group) // _VALID_SHARE)) for group in groups]
    return {
        row["id"]
        for group, count in zip(groups, wanted, strict=True)
        for row in group[:: max(len(group) // max(count, 1), 1)][:count]
    }


def _repeat(row: Row, settings: Mapping[str, Any]) -> Row:
    """Return how often a take is repeated: rare kinds are repeated more often."""
    if row.get("lips"):
        return {"repeat": settings["repeat"]["seen"]}
    kind = "flite" if row["speaker"] in settings["flite"]["names"] else row["speaker"]
    return {"repeat": settings["repeat"][kind]} if kind in settings["repeat"] else {}


def _write_references(
    folder: Path,
    numbered: Sequence[tuple[int, SentencePair]],
    labels: Mapping[str, Units],
    phones: Phones,
    people: Cast,
    workers: int,
    progress: Progress,
) -> None:
    """Write the Korean reference voice's units of the phrasebook's sentences, including held-out ones, which are only for
    comparison and never trained on. Units of training sentences are their takes' labels, since each recording takes a second."""
    takes = [
        Take(f"s{number:04d}", number, "ko", pair.korean, people.reference("ko"), f"{REFERENCE}_ko", (0, 0), None, 0)
        for number, pair in numbered
    ]
    others = [take for take in takes if f"{take.id}_ko_0" not in labels]
    timed = {row["id"]: row for row in run_in_chunks(others, time_takes, folder, "references", workers, progress)}

    rows = list[UnitRow]()
    for take, (_, pair) in zip(takes, numbered, strict=True):
        row = timed.get(take.id)
        units = labels[f"{take.id}_ko_0"] if row is None else phones.units(row["phonemes"], samples_to_units(row["samples"]), "ko")
        rows.append(UnitRow(take.id, phones.spoken(units), {"text": pair.korean, "translation": pair.english}))
    write_units(folder / "references.jsonl", rows)


def _of_the_clip(number: int) -> Iterator[tuple[int, SentencePair]]:
    """Yield the sentence of the shipped clip with a number of its own; nothing if the chosen sentences have it already."""
    sentence = read_json(_CLIP, "the clip's description")["sentence"]
    if all(pair.english != sentence for pair in book_pairs()):
        yield number, next(pair for pair in phrasebook().all_pairs() if pair.english == sentence)


def _spread(pairs: Sequence[tuple[int, SentencePair]], count: int) -> list[tuple[int, SentencePair]]:
    """Return `count` of the pairs at equal steps; all of them for 0."""
    if not 0 < count < len(pairs):
        return list(pairs)
    return [pairs[index * len(pairs) // count] for index in range(count)]


def _bare(rows: Iterable[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "phonemes"} for row in rows]
