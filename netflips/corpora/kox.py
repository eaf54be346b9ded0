"""AIHub Ko-X: Korean sentences with English translations, and English speech where there is any.

    .../Training/<source data>/TS*.zip    recordings        .../Training/<label data>/TL*.zip    labels, JSON
    .../Validation/... VS*.zip, VL*.zip

Archives are read where they lie, also in parts (`TS1.zip.part0`, ...). A recording and its label belong together by name.
The result is two manifests with equal ids, ko.jsonl and en.jsonl.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.manifest import Entry
from avcore.suffixes import SOUND_SUFFIXES
from netflips.corpora.journal import Journal, Record
from netflips.corpora.kox_layout import KoxLayout, Utterance, read_label
from netflips.corpora.sound import store_sound
from netflips.corpora.sources import CorpusFile, Listing, list_files
from netflips.corpora.synthesis import Synthesis
from netflips.corpora.tasks import Task
from netflips.corpora.workplace import Outcome, Workplace

LOG = logging.getLogger("netflips")
KOREAN, ENGLISH = "ko", "en"


@dataclass(frozen=True)
class Side:
    """One side of a pair. sound: its recording, None = to be synthesised after `reference`, the other side's recording."""

    language: str
    utterance: Utterance
    split: str
    sound: CorpusFile | None
    reference: CorpusFile


@dataclass
class KoxCorpus:
    """The corpus as it was delivered, or unpacked. english_root: where English recordings are, None = among the others."""

    root: Path
    layout: KoxLayout
    english_root: Path | None = None
    synthesis: Synthesis | None = None
    problems: dict[str, str] = field(default_factory=dict)
    _num_alone: int = 0

    @property
    def settings(self) -> Mapping[str, Any]:
        """The voice of what is synthesised must not change on the way."""
        return {"corpus": "kox", "synthesise_with": None if self.synthesis is None else self.synthesis.template}

    def tasks(self) -> Iterator[Task]:
        """One for each recording that is there, and for each that is to be synthesised. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        korean, english = self._sounds(listing)
        labels = listing.with_suffix(".json")
        if not korean or not (labels or english):
            raise InputError(
                "this is not the layout of Ko-X", path=self.root, expected="recordings, with JSON labels or English partners",
                found=f"{len(korean)} Korean recordings, {len(labels)} labels, {len(english)} English recordings",
            )  # fmt: skip
        seen: set[str] = set()
        for utterance in self._utterances(labels) if labels else _without_labels(korean):
            sound = korean.get(utterance.name)
            if sound is None or utterance.name in seen:
                what = "its recording is not there" if sound is None else "it is labelled twice"
                self.problems[utterance.name] = what
                continue
            seen.add(utterance.name)
            yield from self._sides(utterance, sound, english.get(utterance.name))
        self.problems |= {korean[name].name: "it has no label" for name in korean.keys() - seen - self.problems.keys()}

    def _sounds(self, listing: Listing) -> tuple[dict[str, CorpusFile], dict[str, CorpusFile]]:
        """Korean and English recordings by name."""
        sides: tuple[dict[str, CorpusFile], dict[str, CorpusFile]] = {}, {}
        for file in listing.with_suffix(*SOUND_SUFFIXES):
            is_english = self.layout.is_english(file)
            self._add(sides[is_english], file, is_english)
        if self.english_root is not None:
            for file in list_files(self.english_root).with_suffix(*SOUND_SUFFIXES):
                self._add(sides[1], file, is_english=True)
        return sides

    def _add(self, sounds: dict[str, CorpusFile], file: CorpusFile, is_english: bool) -> None:
        name = file.stem.removesuffix(self.layout.english_ending) if is_english else file.stem
        if sounds.setdefault(name, file) is not file:
            self.problems[file.name] = f"there is another recording of this name: {sounds[name].name}"

    def _utterances(self, labels: list[CorpusFile]) -> Iterator[Utterance]:
        """All that is labelled. Raises InputError when the layout does not fit the first label; later ones are set aside."""
        is_first = True
        for label in labels:
            try:
                yield from read_label(label, self.layout)
            except InputError as error:
                if is_first:
                    raise
                self.problems[label.name] = str(error)
            is_first = False

    def _sides(self, utterance: Utterance, sound: CorpusFile, english: CorpusFile | None) -> Iterator[Task]:
        split = self.layout.split(sound)
        yield Task(f"{KOREAN}/{utterance.name}", Side(KOREAN, utterance, split, sound, sound))
        if english is not None or (self.synthesis is not None and utterance.translation):
            yield Task(f"{ENGLISH}/{utterance.name}", Side(ENGLISH, utterance, split, english, sound))
        elif self.synthesis is not None:
            self.problems[f"{ENGLISH}/{utterance.name}"] = "there is no English text to synthesise"
        else:
            self._num_alone += 1

    def worker(self, place: Workplace) -> "KoxWorker":
        """Converts and synthesises."""
        return KoxWorker(place.out, place.temporary, self.synthesis)

    def report(self, place: Workplace, outcome: Outcome) -> None:
        """Say how many sentences have no English side."""
        if self._num_alone:
            LOG.info("%d Korean sentences have no English recording; --synthesise-with makes them one", self._num_alone)


@dataclass(frozen=True)
class KoxWorker:
    """Writes one side of a pair as 16 kHz wav."""

    out: Path
    temporary: Path
    synthesis: Synthesis | None

    def do(self, task: Task, journal: Journal) -> Iterable[Task]:
        """Convert a recording, or have it synthesised."""
        side: Side = task.work
        name = f"audio/{side.language}/{side.utterance.name}.wav"
        if side.sound is not None:
            with side.sound.on_disk(self.temporary) as path:
                stored = store_sound(path, self.out, name)
        else:
            made = self._synthesise(side)
            stored = store_sound(made, self.out, name)
            made.unlink()
        own, other = side.utterance.text, side.utterance.translation
        extra = {"split": side.split, "topic": side.utterance.topic, "synthetic": side.sound is None}
        entry = Entry(
            id=side.utterance.name, audio=stored.name, duration_s=stored.seconds, samples=stored.samples, language=side.language,
            speaker=side.utterance.speaker, text=own if side.language == KOREAN else other,
            translation=other if side.language == KOREAN else own, extra={key: value for key, value in extra.items() if value},
        )  # fmt: skip
        journal.add(Record(task.key, "kept", rows={side.language: entry.to_row()}))
        return ()

    def finish(self, task: Task) -> None:
        """No task has follow-ups."""

    def _synthesise(self, side: Side) -> Path:
        if self.synthesis is None:
            raise ValueError("there is nothing to synthesise with")
        with side.reference.on_disk(self.temporary) as reference:
            utterance = side.utterance
            return self.synthesis.speak(utterance.translation, reference, self.temporary, utterance.name, utterance.speaker)


def _without_labels(korean: Mapping[str, CorpusFile]) -> Iterator[Utterance]:
    """Recordings alone: folders of English and Korean with equal names."""
    return (Utterance(name, "", "", "", "") for name in korean)
