"""The record of a live dub, from which `netflips dub --script-in` makes the careful one, and its subtitles, which grow with it.

Both are whole after each utterance. The end of the record is overwritten with the next utterance and the end again, so that writing
takes as long after three hours as at the beginning; a record whose process was killed within that loses this utterance alone.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from avcore.contracts import Word
from avcore.errors import OutputError
from avcore.files import write_text
from avcore.notes import json_text
from avcore.timeline import Interval
from netflips.live.steps import moved
from netflips.script.files import read_script, script_json
from netflips.script.types import Media, Script
from netflips.script.utterance import TimeFit, Utterance
from netflips.subtitles.cues import VTT, make_cues, rules_for, vtt_text

_HEAD, _END = b'"utterances": [\n', "\n]}\n"
"""How the first line of a record ends, and its last one: a person's script, and any other file, is left alone."""
_LONGEST_HEAD = 1 << 16
_AFTER_S = 1.0
"""A record that goes on leaves so much time behind its last utterance."""


class Record:
    """A script that grows. It goes on with one that is there already."""

    def __init__(self, path: Path | None, source: str, target: str, media: str) -> None:
        """path: of the script; None: nothing is written. Raises OutputError for a file that is no record, or one of other
        languages, InputError for a damaged one."""
        self._path, self.count, self.shift_s = path, 0, 0.0
        self.before: Sequence[Utterance] = ()
        """the last utterances of a record that goes on"""
        if path is None:
            return
        if path.exists():
            self._mend(path)
            script = read_script(path)
            if (script.source, script.target) != (source, target):
                found = f"{script.source} to {script.target}"
                raise OutputError("this record is of other languages", path=path, expected=f"{source} to {target}", found=found)
            self.count, self.before = len(script.utterances), script.utterances[-3:]
            self.shift_s = script.utterances[-1].place.end_s + _AFTER_S if script.utterances else 0.0
        else:
            head = json_text(script_json(Script(source, target, media=Media(media)))).rstrip().removesuffix("}")
            write_text(path, f'{head}, "utterances": [{_END}')

    def add(self, utterance: Utterance, heard: Interval | None = None) -> Utterance:
        """Add an utterance; returns it with its number. heard: when its speech is heard, on the listener's clock; None: it is not
        spoken. Raises OutputError."""
        self.count += 1
        done = replace(utterance, number=self.count)
        if self._path is not None:
            output = None if heard is None else Interval(heard.start_s + self.shift_s, heard.end_s + self.shift_s)
            kept = replace(moved(done, self.shift_s), fit=None if output is None else TimeFit(output))
            (row,) = script_json(Script(utterances=(kept,)))["utterances"]
            try:
                with self._path.open("r+b") as file:
                    file.seek(-len(_END.encode()), 2)
                    comma = "," if self.count > 1 else ""
                    file.write(f"{comma}\n{json_text(row)}{_END}".encode())
            except OSError as error:
                raise OutputError("the record cannot be written", path=self._path, found=error.strerror) from error
        return done

    def _mend(self, path: Path) -> None:
        """Cut off a last line that was not written to its end. Raises OutputError for a file that is no record."""
        with path.open("rb") as file:
            is_record = file.readline(_LONGEST_HEAD).endswith(_HEAD)
        text = path.read_text(encoding="utf-8", errors="replace") if is_record else ""
        rows = text.rstrip().removesuffix(_END.rstrip()).split("\n")
        for stop in (len(rows), len(rows) - 1):
            whole = "\n".join(rows[:stop]).removesuffix(",") + _END
            with suppress(ValueError):
                json.loads(whole)
                if whole != text:
                    write_text(path, whole)
                return
        raise OutputError("this is no record of a live dub", path=path, hint="give another name to --record")


class GrowingSubtitles:
    """A WebVTT file that is whole after each cue."""

    def __init__(self, path: Path, language: str) -> None:
        self._path, self._rules = path, rules_for(language)
        self._end_s = 0.0
        write_text(path, vtt_text(()))

    def add(self, text: str, start_s: float, end_s: float) -> None:
        """Show a text between two times of the output (s), but not before the text of before ends."""
        words, start_s = text.split(), max(start_s, self._end_s)
        if not words:
            return
        each = max(end_s - start_s, self._rules.least_s) / len(words)
        timed = [Word(word, start_s + k * each, start_s + (k + 1) * each, 1.0) for k, word in enumerate(words)]
        cues = make_cues([timed], self._rules, (start_s,))
        self._end_s = cues[-1].end_s
        with self._path.open("a", encoding="utf-8") as file:
            file.write(vtt_text(cues).removeprefix(vtt_text(())))


def subtitle_file(out: Path, language: str) -> Path:
    """Return the file of subtitles beside an output: `out.ko.vtt`; in a folder of HLS, `live.ko.vtt`."""
    return out / f"live.{language}{VTT}" if not out.suffix else out.with_name(f"{out.stem}.{language}{VTT}")
