"""AIHub Ko-X: Korean sentences with English translations, some of them with English speech.

    .../Training/<source data>/TS*.zip    recordings        .../Training/<label data>/TL*.zip    labels, JSON
    .../Validation/... VS*.zip, VL*.zip

Archives are not unpacked, and may be in parts (`TS1.zip.part0`, ...). A recording and its label have the same name; words in the
names of archives and folders (`TS_ko_1.zip`, `TS_en_1.zip`) decide which recordings are Korean. The result is two manifests with
equal ids, ko.jsonl and en.jsonl. English sentences without a recording can be synthesised by a command of the user.

`netflips prepare kox --data-root Ko-X --out-dir data/kox`
"""

import logging
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.files import write_text
from avcore.flags import Command, flag
from avcore.notes import several
from avcore.programs import filled, parse_command, run_program, takes
from avdata.manifest import Entry
from avdata.prepare.kox_layout import ENGLISH, KOREAN, OTHER, KoxLayout, KoxUtterance, read_english_label, read_label, read_layout
from avdata.prepare.kox_recordings import Recordings, check_lengths, find_recordings, place_of
from avdata.prepare.label_fields import NOTHING_SAID
from avdata.prepare.recordings import store_sound
from avdata.prepare.running import CorpusItem, ItemWorker, PrepareOptions, SourceCorpus, prepare_corpus
from avdata.prepare.sources import CorpusFile, list_files
from avdata.prepare.workplace import ItemRecord, Journal, PrepareResult, Workplace

PLACEHOLDERS = ("text", "text_file", "out", "reference", "id", "speaker")
LOG = logging.getLogger("netflips")
_TEMPLATE_HELP = (
    "command that speaks an English text where there is no English recording, as "
    "'python -m avdata.prepare.say --text-file {text_file} --out {out}'; "
    "{text}, {text_file}, {out}, {reference} (the Korean recording), {id} and {speaker} are filled in"
)


@dataclass(frozen=True)
class Synthesis:
    """A command that speaks a text."""

    template: str
    """split as by a shell, but no shell runs it. Placeholders may stand anywhere in a word: {text}, {text_file} (UTF-8 file with
    the text), {out} (wav file to write), {reference} (recording in the other language, for a voice to clone), {id}, {speaker}"""
    timeout_s: float = 300.0
    """for a sentence"""

    def check(self) -> None:
        """Raise UsageError for a template that cannot work."""
        if not takes([self.template], "out") or not takes([self.template], "text", "text_file"):
            raise UsageError(
                "--synthesise-with needs {out}, and {text} or {text_file}",
                expected="a command such as 'python -m avdata.prepare.say --text-file {text_file} --out {out}'",
                found=self.template or "nothing",
            )
        parse_command(self.template, "--synthesise-with")

    def speak(self, text: str, reference: Path, folder: Path, name: str, speaker: str) -> Path:
        """Run the command for a text; returns the wav file, in `folder`. Raises InputError with the last output of the program."""
        text_file, out = folder / f"{name}.txt", folder / f"{name}.tts.wav"
        write_text(text_file, text + "\n")
        values = (text, str(text_file), str(out), str(reference), name, speaker)
        argv = filled(shlex.split(self.template), dict(zip(PLACEHOLDERS, values, strict=True)))
        try:
            run_program(argv, self.timeout_s, "the speech synthesis")
        finally:
            text_file.unlink(missing_ok=True)

        if not out.is_file() or not out.stat().st_size:
            raise InputError("the speech synthesis failed", path=argv[0], found="no sound was written")
        return out


@dataclass(frozen=True)
class KoxSide:
    """One side of a pair."""

    language: str
    utterance: KoxUtterance
    split: str
    sound: CorpusFile | None
    """its recording, None = to be synthesised"""
    reference: CorpusFile
    """the Korean recording"""


@dataclass
class KoxCorpus(SourceCorpus):
    """The corpus as it was delivered, or unpacked."""

    layout: KoxLayout
    english_root: Path | None = None
    """folder or archive in which all recordings are English, None = names decide"""
    synthesis: Synthesis | None = None
    """speaks English sentences without a recording, None = these have no English side"""
    _places: dict[tuple[str, str], str] = field(default_factory=dict)
    _num_alone: int = 0

    @property
    def settings(self) -> Mapping[str, Any]:
        """The command of the synthesis, which must not change on resume."""
        return {"corpus": "kox", "synthesise_with": None if self.synthesis is None else self.synthesis.template}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each recording, and for each sentence to be synthesised.

        Raises InputError for another layout, and for two recordings of one name.
        """
        listing = list_files(self.root)
        self.problems |= listing.problems
        sounds = find_recordings(listing, self.layout, self.root, self.english_root)
        labels, english_labels = self._sorted_labels(listing.with_suffix(".json"))
        if not sounds.korean or not (labels or sounds.english):
            raise self.other_layout(
                "Ko-X",
                "recordings, with JSON labels or English partners",
                f"{several(len(sounds.korean), 'Korean recording')}, {several(len(labels), 'label')}, "
                f"{several(len(sounds.english) + len(sounds.alone), 'English recording')}",
            )

        seen: set[str] = set()
        said_in_english = self._english_texts(english_labels)
        for utterance in self._utterances(labels) if labels else (KoxUtterance(name, "", "", "", "") for name in sounds.korean):
            sound = sounds.korean.get(utterance.name)
            if labels and not utterance.text:
                self.problems[utterance.name] = NOTHING_SAID
                continue
            if sound is not None and utterance.name not in seen:
                seen.add(utterance.name)
                translation = utterance.translation or said_in_english.get(self.layout.without_language(utterance.name), "")
                yield from self._sides(replace(utterance, translation=translation), sounds)
            elif sound is not None:
                self.problems[utterance.name] = "it is labelled twice"
            elif utterance.name not in sounds.alone:
                self.problems[utterance.name] = "its recording is not there"

        unlabelled = sounds.korean.keys() - seen - self.problems.keys()
        self.problems |= {sounds.korean[name].name: "it has no label" for name in unlabelled}

    def _sorted_labels(self, files: list[CorpusFile]) -> tuple[list[CorpusFile], list[CorpusFile]]:
        """Return the labels of Korean recordings, and those of English ones, by the names of their folders and archives."""
        english = [file for file in files if self.layout.language(file) == ENGLISH]
        others = [file for file in files if self.layout.language(file) not in (ENGLISH, OTHER)]
        return (others, english) if others else (english, [])

    def _english_texts(self, labels: list[CorpusFile]) -> dict[str, str]:
        """Return the texts of English labels by names without language words. Unreadable labels become problems."""
        texts: dict[str, str] = {}
        for label in labels:
            try:
                texts |= {self.layout.without_language(one.name): one.translation for one in read_english_label(label, self.layout)}
            except InputError as error:
                self.problems[label.name] = str(error)
        return texts

    def _utterances(self, labels: list[CorpusFile]) -> Iterator[KoxUtterance]:
        """Yield all labelled utterances. Raises InputError if the first label does not fit; later ones become problems."""
        is_first = True
        for label in labels:
            try:
                yield from read_label(label, self.layout)
            except InputError as error:
                if is_first:
                    raise
                self.problems[label.name] = str(error)
            is_first = False

    def _sides(self, utterance: KoxUtterance, sounds: Recordings) -> Iterator[CorpusItem]:
        sound, english = sounds.korean[utterance.name], sounds.english.get(utterance.name)
        split = self.layout.split(sound)
        yield self._piece(KOREAN, utterance, split, sound, sound)
        if english is not None or (self.synthesis is not None and utterance.translation):
            yield self._piece(ENGLISH, utterance, split, english, sound)
        elif self.synthesis is not None:
            self.problems[f"{ENGLISH}/{utterance.name}"] = "there is no English text to synthesise"
        else:
            self._num_alone += 1

    def _piece(
        self, language: str, utterance: KoxUtterance, split: str, sound: CorpusFile | None, reference: CorpusFile
    ) -> CorpusItem:
        place = "made by --synthesise-with" if sound is None else place_of(sound, (self.root, self.english_root))
        self._places[language, utterance.name] = place
        side = KoxSide(language, utterance, split, sound, reference)
        return CorpusItem(f"{language}/{utterance.name}", side, item=utterance.name)

    def worker(self, place: Workplace) -> "KoxWorker":
        """Return the worker that converts and synthesises sound."""
        return KoxWorker(place.out, place.temporary, self.synthesis)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Log how many sentences have no English side, and warn if recordings do not seem to be in their language."""
        if self._num_alone:
            LOG.info("%d Korean sentences have no English recording; --synthesise-with makes them one", self._num_alone)
        check_lengths(place.out, self._places)


@dataclass(frozen=True)
class KoxWorker(ItemWorker):
    """Writes one side of a pair as 16 kHz wav."""

    out: Path
    temporary: Path
    synthesis: Synthesis | None

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Convert a recording, or synthesise it."""
        side: KoxSide = piece.work
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
            id=side.utterance.name,
            audio=stored.name,
            duration_s=stored.seconds,
            samples=stored.samples,
            language=side.language,
            speaker=side.utterance.speaker,
            text=own if side.language == KOREAN else other,
            translation=other if side.language == KOREAN else own,
            extra={key: value for key, value in extra.items() if value},
        )
        journal.add(ItemRecord(piece.key, "kept", rows={side.language: entry.to_row()}))
        return ()

    def _synthesise(self, side: KoxSide) -> Path:
        if self.synthesis is None:
            raise ValueError("there is nothing to synthesise with")
        with side.reference.on_disk(self.temporary) as reference:
            utterance = side.utterance
            return self.synthesis.speak(utterance.translation, reference, self.temporary, utterance.name, utterance.speaker)


@dataclass(frozen=True, kw_only=True)
class KoxOptions(PrepareOptions):
    """AIHub Ko-X to 16 kHz wav and two manifests with equal ids, ko.jsonl and en.jsonl."""

    data_root: Path = flag(metavar="DIR")
    """the corpus: folders, archives, or both"""
    english_root: Path | None = flag(default=None, metavar="DIR")
    """folder or archive in which all is English"""
    layout: Path | None = flag(default=None, metavar="YAML")
    """where things stand in labels (default: configs/data/kox.yaml)"""
    synthesise_with: str = flag(default="", metavar="COMMAND", help=_TEMPLATE_HELP)
    synthesis_timeout: float = flag(default=300, metavar="S")
    """seconds for a sentence (default: 300)"""
    keep_alone: bool = flag(default=False)
    """leave sentences of one side in its manifest (default: they are in alone.jsonl)"""


def _work(options: KoxOptions) -> int:
    if options.english_root is not None and not options.english_root.exists():
        raise InputError("the English recordings are not there", path=options.english_root, hint="check the path")
    synthesis = Synthesis(options.synthesise_with, options.synthesis_timeout) if options.synthesise_with else None
    if synthesis is not None:
        synthesis.check()
    corpus = KoxCorpus(options.data_root, read_layout(options.layout), options.english_root, synthesis)
    more = () if options.english_root is None else (options.english_root,)
    paired = () if options.keep_alone else (KOREAN, ENGLISH)
    return prepare_corpus(corpus, options, *more, paired=paired)


_COMMAND = Command(KoxOptions, "netflips prepare kox", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
