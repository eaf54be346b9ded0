"""Pairs of two languages from a corpus of one: its text is translated, and programs speak the translation.

    sound and text of a manifest -> text of the other language -> its sound -> filters -> two manifests with equal ids

Synthesised targets are known practice (CVSS, Jia et al. 2022). Each pair records how it was made and what was measured. Pairs that
a filter leaves out are listed in rejected.jsonl, with the reason and the figure.

`netflips prepare pairs --manifest data/zeroth/manifest.jsonl --target en --translate-with X --speak-with X --out-dir data/pairs`
"""

import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from avcore.data.manifest import Entry, iter_entries
from avcore.data.prepare.kox import LASTING_HELP, Synthesis
from avcore.data.prepare.recordings import StoredSound, store_sound
from avcore.data.prepare.running import CorpusItem, Preparation
from avcore.data.prepare.workplace import ItemRecord, Journal
from avcore.errors import InputError, MediaError, UsageError
from avcore.files import Input
from avcore.flags import Command, flag
from avcore.media import read_speech
from avcore.programs import LineProgram, parse_command, program_name
from avcore.units import normalise_language
from netflips.bulk.inputs import require_file_names
from netflips.cascade.program import post_json
from netflips.recognizers.loops import is_loop
from unit2text.text import character_errors, normalise_for_reading

_HANGUL, _LATIN = range(ord("가"), ord("힣") + 1), range(ord("a"), ord("z") + 1)
_SCRIPTS = {"ko": _HANGUL, "en": _LATIN}
"""Letters that make up most of a translation into the language; other languages are not checked."""
_FULL_SCALE = 0.999
_URL = ("http://", "https://")
_TRANSLATE_HELP = (
    "folder of a text translator (CTranslate2), URL that answers as LibreTranslate's /translate does, or command that answers a "
    'line of JSON, {"text", "source", "target"}, with one, {"ok": true, "text"}; not asked where the manifest has a translation'
)
_SPEAK_HELP = (
    "command that speaks the translation, as 'python -m avcore.speech.say --voice ko --text-file {text_file} --out {out}'; "
    f"{{text}}, {{text_file}}, {{out}}, {{reference}} (the recording), {{id}} and {{speaker}} are filled in; {LASTING_HELP}. "
    "Several times: several voices, one for each pair. Without it the other side is text alone, for text2unit.inference --manifest"
)
_RECOGNIZE_HELP = (
    'folder of a Whisper (faster-whisper), or command that answers a line of JSON, {"sound", "language"}, with one, {"ok": true, '
    '"text"}: both sides are heard and compared with their texts, and recordings without a text get one'
)


@dataclass(frozen=True, kw_only=True)
class PairsCorpus(Preparation):
    """Make pairs of two languages from a corpus of one: its text translated, spoken by programs, filtered; two manifests with equal
    ids."""

    manifest: Path = flag(file=Input("the manifest"))
    """what another `netflips prepare` wrote"""
    target: str = flag(metavar="LANG", read=normalise_language)
    """language of the side that is made, as ko"""
    translate_with: str = flag(default="", metavar="X", help=_TRANSLATE_HELP)
    speak_with: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="COMMAND", help=_SPEAK_HELP)
    recognize_with: str = flag(default="", metavar="X", help=_RECOGNIZE_HELP)
    timeout: float = flag(default=300, metavar="S")
    """seconds for an answer (default: 300)"""
    max_cer: float = flag(default=0.3, group="pairs that are left out (rejected.jsonl)")
    """character error rate of a side (default: 0.3)"""
    max_ratio: float = flag(default=3.0)
    """of the longer side to the shorter (default: 3)"""
    max_clipped: float = flag(default=0.001)
    """share of samples at full scale (default: 0.001)"""
    corpus = "pairs"
    lasting = ("target", "translate_with", "speak_with", "recognize_with", "max_cer", "max_ratio", "max_clipped", "timeout")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out_dir.resolve() == self.manifest.resolve().parent:
            raise UsageError("the output folder is that of the manifest", path=self.out_dir, hint="choose another --out-dir")
        for template in self.speak_with:
            Synthesis(template, self.timeout).check()
        for name, given in (("--translate-with", self.translate_with), ("--recognize-with", self.recognize_with)):
            if given and not given.startswith(_URL) and not Path(given).is_dir():
                parse_command(given, name)

    @property
    def root(self) -> Path:
        """The manifest."""
        return self.manifest

    @property
    def settings(self) -> Mapping[str, Any]:
        """The corpus, too: the ids of another may be the same."""
        return {**super().settings, "manifest": str(self.manifest)}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each entry. Raises InputError for an id that names a file outside of the output folder."""
        seen = set[tuple[str, str]]()
        for number, entry in iter_entries(self.root):
            if not entry.audio or entry.language in ("", self.target):
                lacking = "it has no sound" if not entry.audio else f"its language is {entry.language or 'not given'}"
                self.problems[f"{entry.id} (line {number})"] = lacking
                continue
            require_file_names([entry.id])
            key = (entry.speaker, normalise_for_reading(entry.text))
            is_repeated = bool(key[1]) and key in seen
            seen.add(key)
            yield CorpusItem(entry.id, (entry, is_repeated))

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Make and check one pair."""
        entry, is_repeated = piece.work
        folder = self.temporary / f"{zlib.crc32(entry.id.encode()):08x}"
        folder.mkdir(exist_ok=True)
        try:
            if is_repeated:
                raise LeftOutPair("duplicate", "the same speaker says the same text before")
            rows = {one.language: one.to_row() for one in self._pair(entry, folder)}
            journal.add(ItemRecord(piece.key, "kept", rows=rows))
        except LeftOutPair as why:
            journal.add(ItemRecord(piece.key, "rejected", reason=why.reason, detail=why.detail))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return ()

    def _pair(self, entry: Entry, folder: Path) -> tuple[Entry, Entry]:
        own_path = self.manifest.parent / entry.audio
        text, made = entry.text, dict[str, Any]()
        # The cheap check comes first: recognition, translation and speech take far longer.
        self._require_whole(own_path, "recording")

        if self.recognize_with:
            recognized = self._hear(own_path, entry.language)
            made["heard" if not text else "cer"] = True if not text else self._error_rate(text, recognized, "recording")
            text = text or recognized

        if not text and not entry.translation:
            raise LeftOutPair("no text", "it has no text, and --recognize-with gives none")
        translation, by = self._translated(entry, text)

        kept = {name: value for name, value in entry.extra.items() if name in ("split", "gender")}
        own = Entry(
            entry.id, language=entry.language, speaker=entry.speaker, text=text, translation=translation,
            extra=kept | ({"made": made} if made else {}),
        )  # fmt: skip
        other: dict[str, Any] = {"translated_by": by}
        target = Entry(entry.id, language=self.target, text=translation, translation=text, extra=kept | {"synthetic": True})
        if not self.speak_with:
            return self._with_sound(own, own_path), replace(target, extra={**target.extra, "made": other})

        # By a checksum of the id: a run that is resumed, in whatever number of processes, takes the same voice again.
        voice = zlib.crc32(entry.id.encode()) % len(self.speak_with)
        synthesis = Synthesis(self.speak_with[voice], self.timeout)

        (folder / entry.id).parent.mkdir(parents=True, exist_ok=True)
        spoken = synthesis.speak(translation, self.target, own_path, folder, entry.id, entry.speaker)
        self._require_whole(spoken, "translation")
        other["spoken_by"] = f"{program_name(parse_command(synthesis.template, '--speak-with'))} {voice + 1}"
        if self.recognize_with:
            other["cer"] = self._error_rate(translation, self._hear(spoken, self.target), "translation")

        target = replace(target, speaker=str(other["spoken_by"]), extra={**target.extra, "made": other})
        sides = self._with_sound(own, own_path), self._with_sound(target, spoken)
        seconds = [side.seconds for side in sides]
        if max(seconds) > self.max_ratio * min(seconds):
            raise LeftOutPair("length ratio", f"sides of {seconds[0]:.1f} and {seconds[1]:.1f} s")
        return sides

    def _with_sound(self, entry: Entry, path: Path) -> Entry:
        """Store the sound of a side, and return its entry with it."""
        stored = _stored(path, self.out_dir, f"audio/{entry.language}/{entry.id}.wav")
        return replace(entry, audio=stored.name, duration_s=stored.seconds, samples=stored.samples)

    def _translated(self, entry: Entry, text: str) -> tuple[str, str]:
        """Return a translation and its origin: the corpus or the translator."""
        translation, by = " ".join(entry.translation.split()), "the corpus"
        if not translation and self.translate_with:
            by = self.translate_with
            ask = _asked("--translate-with", by, self.timeout)
            translation = ask(text=text, source=entry.language, target=self.target)

        if not translation:
            raise LeftOutPair("no translation", "nothing came out of the translator")

        letters = [ord(sign) for sign in translation.casefold() if sign.isalpha()]
        script = _SCRIPTS.get(self.target)
        if script is not None and sum(letter in script for letter in letters) * 2 <= len(letters):
            raise LeftOutPair("other script", f"most letters of {translation[:40]!r} are not of {self.target}")
        return translation, by

    def _hear(self, sound: Path, language: str) -> str:
        ask = _asked("--recognize-with", self.recognize_with, self.timeout)
        if is_loop(recognized := ask(sound=str(sound.absolute()), language=language)):
            raise LeftOutPair("a loop", f"--recognize-with repeats a stretch: {recognized[:40]!r}")
        return recognized

    def _error_rate(self, text: str, recognized: str, whose: str) -> float:
        counted = character_errors(normalise_for_reading(text), normalise_for_reading(recognized))
        rate = round(counted.errors / max(counted.length, 1), 3)
        if rate > self.max_cer:
            raise LeftOutPair(
                f"misheard {whose}", f"character error rate {rate:.2f}: {text[:40]!r} is heard as {recognized[:40]!r}"
            )
        return rate

    def _require_whole(self, path: Path, whose: str) -> None:
        """Raise LeftOutPair for sound that is clipped."""
        speech = read_speech(path)
        clipped = float(np.mean(np.abs(speech) >= _FULL_SCALE)) if len(speech) else 0.0
        if clipped > self.max_clipped:
            raise LeftOutPair(f"clipped {whose}", f"{clipped:.1%} of its samples are at full scale")


@cache
def _asked(flag: str, given: str, limit_s: float) -> Callable[..., str]:
    """Return a function that asks the translator or recognizer of a flag, which is opened once in each process."""
    what = f"the program of {flag}"
    if given.startswith(_URL):

        def from_url(**request: str) -> str:
            body = {"q": request["text"], "source": request["source"], "target": request["target"], "format": "text"}
            return _text({"text": post_json(given, body, limit_s, "the translator").get("translatedText")}, given)

        return from_url

    if not Path(given).is_dir():
        program = LineProgram(parse_command(given, flag), limit_s, what)
        return lambda **request: _text(program.ask(request), what)

    if flag == "--recognize-with":
        from netflips.recognizers.opening import open_speech_recognizer

        recognizer = open_speech_recognizer(Path(given))
        return lambda sound, language: recognizer.transcribe(read_speech(Path(sound)), language).text
    from netflips.cascade.translator import open_text_translator

    translator = open_text_translator(Path(given))
    return lambda text, source, target: translator.translate(text, source, target).text


def _text(answer: Mapping[str, Any], whose: str) -> str:
    text = answer.get("text")
    if not isinstance(text, str):
        raise InputError(f"{whose} answered without a text", expected='"text"', found=str(answer)[:80])
    return " ".join(text.split())


class LeftOutPair(Exception):  # noqa: N818  # no error: a filter at work
    """A filter leaves a pair out."""

    def __init__(self, reason: str, detail: str) -> None:
        """reason: in two words, for counting. detail: in a sentence."""
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def _stored(path: Path, out: Path, name: str) -> StoredSound:
    try:
        return store_sound(path, out, name)
    except MediaError as error:
        raise LeftOutPair("empty sound", str(error)) from error


_COMMAND = Command(PairsCorpus, "netflips prepare pairs", PairsCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
