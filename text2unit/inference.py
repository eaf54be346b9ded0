"""Text to units: `python -m text2unit.inference "안녕하세요?" --text2unit-path text2unit.safetensors --out-unit-path x.txt`.

With `--manifest`, the texts of a manifest become units by id: two manifests with equal ids, of a text and its translation, become
unit pairs.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from avcore.command import LOG
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import UnitRow, leave_out, write_units
from avcore.errors import EXIT_FAILED, InputError, UsageError
from avcore.files import Input, Output
from avcore.flags import Command, CommonOptions, flag, positional
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, report_note, several
from avcore.progress import bars, track
from avcore.texts import MOST_BYTES, read_text
from avcore.units import normalise_language, write_unit_file
from text2unit.cleaning import left_out_note
from text2unit.script import SpokenScript, as_pronounced, script_of

if TYPE_CHECKING:
    from text2unit.text_to_units import SentenceUnits, TextToUnits


__getattr__ = names_from(__name__, dict.fromkeys(("SentenceUnits", "TextToUnits"), "text2unit.text_to_units"))

_SPELLED_OUT = NoteKind("spelled_out", "spelled letter by letter: {words}; write them in Hangul where they are read otherwise")


def given_script(
    text: str | None, path: Path | None, language: str, readings: Mapping[str, str] = MappingProxyType({})
) -> SpokenScript:
    """Return the text that a user gave, in words, in a file or on standard input, ready to be said. readings: of its words.

    Raises what `script_of` raises.
    """
    source: str | Path | None = None
    if text is None:
        is_file = path is not None and str(path) != "-"
        text, source = (read_text(path, "the text"), path) if is_file and path is not None else (_from_stdin(), "standard input")
    script = script_of(as_pronounced(text, readings), language, source)
    warn_of_script(script)
    return script


def warn_of_script(script: SpokenScript) -> None:
    """Say what of a text is not said, and what is spelled letter by letter."""
    if script.left_out:
        report_note(left_out_note(script.left_out))
    if script.spelled_out:
        report_note(_SPELLED_OUT(words=", ".join(script.spelled_out)))


@dataclass(frozen=True, kw_only=True)
class TextToUnitOptions(CommonOptions):
    """Turn text into units of the target voice."""

    text: str | None = positional("TEXT", default=None)
    """what to say (default: standard input)"""
    text_path: Path | None = flag(default=None, file=Input("the text"))
    """a text file to say, UTF-8; - is standard input"""
    manifest: Path | None = flag(default=None, file=Input("the manifest"))
    """say the text of each entry in --lang instead; the units become JSON lines by id"""
    lang: str = flag(default="ko", metavar="LANG")
    """language of the text (default: ko)"""
    text2unit_path: Path = flag(file=Input("the text-to-unit model"))
    """a text-to-unit model, text2unit.safetensors"""
    out_unit_path: Path = flag(file=Output("the output unit file"))
    """the units, one line"""


def _work(options: TextToUnitOptions) -> int:
    out, path = options.out_unit_path, options.text2unit_path
    if options.manifest is not None:
        return _write_manifest_units(options.manifest, options)
    script = given_script(options.text, options.text_path, options.lang)
    with loading():
        from text2unit.text_to_units import TextToUnits, join

    text_to_unit = TextToUnits.from_checkpoint(path, options.device, options.precision)
    with bars(options.quiet) as progress:
        spoken = list(track(text_to_unit.predict(script.sentences, options.lang), "text", progress, len(script.sentences)))
    units = join(spoken, text_to_unit.silence)
    write_unit_file(out, units.ids)
    LOG.info("%s: %s of %s", out, several(len(units), "unit"), several(len(spoken), "sentence"))
    return 0


def _write_manifest_units(manifest: Path, options: TextToUnitOptions) -> int:
    """Write the units of a manifest's texts; return exit code 1 if some cannot be spoken, which are reported and left out."""
    if options.text is not None or options.text_path is not None:
        raise UsageError("a text and --manifest are both given", expected="one of them")

    known = {"", normalise_language(options.lang)}
    entries = [one for one in read_manifest(manifest).entries if normalise_language(one.language) in known]
    if not entries:
        raise InputError("no entry is in the language", path=manifest, expected=f"entries in {options.lang}")
    with loading():
        from text2unit.text_to_units import TextToUnits

    text_to_unit = TextToUnits.from_checkpoint(options.text2unit_path, options.device, options.precision)
    text_to_unit.require_language(options.lang)

    rows, unreadable = list[UnitRow](), list[str]()
    with bars(options.quiet) as progress:
        for entry in track(entries, "text", progress, len(entries)):
            try:
                rows.append(UnitRow(entry.id, text_to_unit.units_of(entry.text, options.lang), {}))
            except InputError as error:
                unreadable.append(f"{entry.id} ({error.what})")

    leave_out(unreadable, "text", "that cannot be said", manifest, True, "")
    LOG.info("%s: units of %s", options.out_unit_path, several(write_units(options.out_unit_path, rows), "text"))
    return EXIT_FAILED if unreadable else 0


def _from_stdin() -> str:
    """Return all of standard input. Raises UsageError if it is a terminal, InputError if it is no text or too large."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no text", expected='TEXT, --text-path FILE, or standard input, as `echo "안녕" | netflips say`')
    # One byte more tells a text that is too large from one that just fits.
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError("the text is too large", path="standard input", expected=f"{MOST_BYTES:,} bytes at most")

    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at byte {error.start + 1}"
        raise InputError("this is no text", path="standard input", expected="UTF-8", found=found) from error


__all__ = ["SentenceUnits", "TextToUnits", "build_parser", "given_script", "main", "warn_of_script"]


_COMMAND = Command(TextToUnitOptions, "text2unit", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
