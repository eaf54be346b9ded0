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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from avcore.data.manifest import Entry
from avcore.data.prepare.kox_layout import (
    ENGLISH,
    KOREAN,
    OTHER,
    KoxLayout,
    KoxUtterance,
    read_english_label,
    read_label,
    read_layout,
)
from avcore.data.prepare.kox_recordings import Recordings, check_lengths, find_recordings, place_of
from avcore.data.prepare.label_fields import NOTHING_SAID
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.data.prepare.workplace import PrepareResult, Workplace
from avcore.errors import InputError, UsageError
from avcore.files import write_text
from avcore.flags import Command, flag
from avcore.notes import several
from avcore.programs import LineProgram, filled, parse_command, run_program, takes

PLACEHOLDERS = ("text", "text_file", "out", "reference", "id", "speaker")
LOG = logging.getLogger("netflips")
_WHAT = "the speech synthesis"
LASTING_HELP = (
    'a command without any of them is started once, and answers each line of JSON, {"text", "language", "out", "reference", "id", '
    '"speaker"}, with {"ok": true}, as "python -m netflips.cascade.kokoro" does'
)
_TEMPLATE_HELP = (
    "command that speaks an English text where there is no English recording, as "
    "'python -m avcore.speech.say --text-file {text_file} --out {out}'; "
    f"{{text}}, {{text_file}}, {{out}}, {{reference}} (the Korean recording), {{id}} and {{speaker}} are filled in; {LASTING_HELP}"
)


@dataclass(frozen=True)
class Synthesis:
    """A command that speaks a text."""

    template: str
    """split as by a shell, but no shell runs it. Placeholders may stand anywhere in a word: {text}, {text_file} (UTF-8 file with
    the text), {out} (wav file to write), {reference} (recording in the other language, for a voice to clone), {id}, {speaker}.
    Without any, the program is started once in each process, and answers lines of JSON"""
    timeout_s: float = 300.0
    """for a sentence"""

    @property
    def is_once(self) -> bool:
        """Whether the program is run for each text."""
        return takes([self.template], *PLACEHOLDERS)

    def check(self) -> None:
        """Raise UsageError for a template that cannot work."""
        if self.is_once and not (takes([self.template], "out") and takes([self.template], "text", "text_file")):
            raise UsageError(
                "--synthesise-with needs {out}, and {text} or {text_file}; or none of them, and answers lines of JSON",
                expected="a command such as 'python -m avcore.speech.say --text-file {text_file} --out {out}'",
                found=self.template,
            )
        parse_command(self.template, "--synthesise-with")

    def speak(self, text: str, language: str, reference: Path, folder: Path, name: str, speaker: str) -> Path:
        """Have a text spoken; returns the wav file, in `folder`. Raises InputError with the last output of the program."""
        text_file, out = folder / f"{name}.txt", folder / f"{name}.tts.wav"
        values = (text, str(text_file), str(out), str(reference), name, speaker)
        given = dict(zip(PLACEHOLDERS, values, strict=True))
        words = shlex.split(self.template)
        if self.is_once:
            write_text(text_file, text + "\n")
            try:
                run_program(filled(words, given), self.timeout_s, _WHAT)
            finally:
                text_file.unlink(missing_ok=True)
        else:
            del given["text_file"]
            _lasting(tuple(words), self.timeout_s).ask({**given, "language": language, "keep_sound": True})

        if not out.is_file() or not out.stat().st_size:
            raise InputError("the speech synthesis failed", path=words[0], found="no sound was written")
        return out


@cache
def _lasting(words: tuple[str, ...], limit_s: float) -> LineProgram:
    """Return a program that speaks text after text; it is opened once in each process."""
    return LineProgram(words, limit_s, _WHAT)


@dataclass(frozen=True, kw_only=True)
class KoxCorpus(RecordedCorpus):
    """AIHub Ko-X to 16 kHz wav and two manifests with equal ids, ko.jsonl and en.jsonl."""

    english_root: Path | None = flag(default=None, metavar="DIR")
    """folder or archive in which all is English"""
    layout: Path | None = flag(default=None, metavar="YAML")
    """where things stand in labels (default: configs/data/kox.yaml)"""
    synthesise_with: str = flag(default="", metavar="COMMAND", help=_TEMPLATE_HELP)
    synthesis_timeout: float = flag(default=300, metavar="S")
    """seconds for a sentence (default: 300)"""
    keep_alone: bool = flag(default=False)
    """leave sentences of one side in its manifest (default: they are in alone.jsonl)"""
    places: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    """place of each recording by its language and name"""
    alone: list[str] = field(default_factory=list, init=False)
    """sentences without an English side"""
    corpus = "kox"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.english_root is not None and not self.english_root.exists():
            raise InputError("the English recordings are not there", path=self.english_root, hint="check the path")
        if self.synthesise_with:
            self.synthesis.check()
        if self.layout is not None:
            read_layout(self.layout)

    @property
    def synthesis(self) -> Synthesis:
        """What speaks English sentences without a recording."""
        return Synthesis(self.synthesise_with, self.synthesis_timeout)

    @cached_property
    def fields(self) -> KoxLayout:
        """Where things stand in labels."""
        return read_layout(self.layout)

    @property
    def more_roots(self) -> tuple[Path, ...]:
        """The English recordings."""
        return () if self.english_root is None else (self.english_root,)

    @property
    def paired(self) -> tuple[str, ...]:
        """Both languages, unless sentences of one side are kept."""
        return () if self.keep_alone else (KOREAN, ENGLISH)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The command of the synthesis; none may have one later."""
        return {"corpus": self.corpus, "synthesise_with": self.synthesise_with or None}

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each recording, and each sentence to be synthesised.

        Raises InputError for another layout, and for two recordings of one name.
        """
        listing = self.listing()
        sounds = find_recordings(listing, self.fields, self.root, self.english_root)
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
        for utterance in self._utterances(labels) if labels else (KoxUtterance(name) for name in sounds.korean):
            if labels and not utterance.text:
                self.problems[utterance.name] = NOTHING_SAID
            elif utterance.name not in sounds.korean:
                if utterance.name not in sounds.alone:
                    self.problems[utterance.name] = "its recording is not there"
            elif utterance.name in seen:
                self.problems[utterance.name] = "it is labelled twice"
            else:
                seen.add(utterance.name)
                translation = utterance.translation or said_in_english.get(self.fields.without_language(utterance.name), "")
                yield from self._sides(replace(utterance, translation=translation), sounds)

        unlabelled = sounds.korean.keys() - seen - self.problems.keys()
        self.problems.update({sounds.korean[name].name: "it has no label" for name in unlabelled})

    def _sorted_labels(self, files: list[CorpusFile]) -> tuple[list[CorpusFile], list[CorpusFile]]:
        """Return the labels of Korean recordings, and those of English ones, by the names of their folders and archives."""
        english = [file for file in files if self.fields.language(file) == ENGLISH]
        others = [file for file in files if self.fields.language(file) not in (ENGLISH, OTHER)]
        return (others, english) if others else (english, [])

    def _english_texts(self, labels: list[CorpusFile]) -> dict[str, str]:
        """Return the texts of English labels by names without language words. Unreadable labels become problems."""
        texts: dict[str, str] = {}
        for label in labels:
            try:
                texts |= {
                    self.fields.without_language(utterance.name): utterance.translation
                    for utterance in read_english_label(label, self.fields)
                }
            except InputError as error:
                self.problems[label.name] = str(error)
        return texts

    def _utterances(self, labels: list[CorpusFile]) -> Iterator[KoxUtterance]:
        """Yield all labelled utterances. Raises InputError if the first label does not fit; later ones become problems."""
        for number, label in enumerate(labels):
            try:
                yield from read_label(label, self.fields)
            except InputError as error:
                if not number:
                    raise
                self.problems[label.name] = str(error)

    def _sides(self, utterance: KoxUtterance, sounds: Recordings) -> Iterator[CorpusRecording]:
        """Yield the Korean side of an utterance, and the English one if it is there or can be synthesised."""
        korean, english = sounds.korean[utterance.name], sounds.english.get(utterance.name)
        yield self._side(KOREAN, utterance, korean, korean)
        if english is not None or (self.synthesise_with and utterance.translation):
            yield self._side(ENGLISH, utterance, english, korean)
        elif self.synthesise_with:
            self.problems[f"{ENGLISH}/{utterance.name}"] = "there is no English text to synthesise"
        else:
            self.alone.append(utterance.name)

    def _side(self, language: str, utterance: KoxUtterance, sound: CorpusFile | None, korean: CorpusFile) -> CorpusRecording:
        """Return one side of a pair; its sound is the Korean recording if it is to be synthesised."""
        place = "made by --synthesise-with" if sound is None else place_of(sound, (self.root, self.english_root))
        self.places[language, utterance.name] = place
        texts = (utterance.text, utterance.translation) if language == KOREAN else (utterance.translation, utterance.text)
        extra = {"split": self.fields.split(korean), "topic": utterance.topic, "synthetic": sound is None}
        entry = Entry(
            id=utterance.name,
            audio=f"audio/{language}/{utterance.name}.wav",
            language=language,
            speaker=utterance.speaker,
            text=texts[0],
            translation=texts[1],
            extra={key: value for key, value in extra.items() if value},
        )
        return CorpusRecording(sound or korean, entry, language)

    @contextmanager
    def opened(self, recording: CorpusRecording) -> Iterator[Path]:
        """Give the sound of a side as a file, which is synthesised where it was not recorded."""
        entry = recording.entry
        with super().opened(recording) as path:
            if not entry.extra.get("synthetic"):
                yield path
                return
            made = self.synthesis.speak(entry.text, ENGLISH, path, self.temporary, entry.id, entry.speaker)
        yield made
        made.unlink()

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Log how many sentences have no English side, and warn if recordings do not seem to be in their language."""
        if self.alone:
            LOG.info("%d Korean sentences have no English recording; --synthesise-with makes them one", len(self.alone))
        check_lengths(place.out, self.places)


_COMMAND = Command(KoxCorpus, "netflips prepare kox", KoxCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
