"""Text to units: `python -m text2unit.inference "안녕하세요?" --text2unit-path text2unit.safetensors --out-unit-path x.txt`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.errors import InputError, UsageError
from avcore.files import require_file, require_place
from avcore.loading import loading, names_from
from avcore.notes import NoteKind, tell
from avcore.outputs import keep_apart
from avcore.plain_text import several
from avcore.progress import bars, track
from avcore.texts import MOST_BYTES, read_text
from avcore.units import write_unit_file
from text2unit.cleaning import left_out_note
from text2unit.script import Script, script_of

if TYPE_CHECKING:
    from text2unit.speller import Spelling, TextSpeller

_PROG = "text2unit"
_STDIN = "-"
_SHOWN = 40
"""Letters of a sentence that a message shows."""

__getattr__ = names_from(__name__, dict.fromkeys(("Spelling", "TextSpeller"), "text2unit.speller"))

_SPELT = NoteKind(
    "spelt_out",
    "spelt letter by letter: {words}; write them in Hangul where they are read otherwise",
    "한 글자씩 읽는 말: {words}. 다르게 읽는다면 한글로 적어 주세요.",
)


def add_text_options(parser: argparse.ArgumentParser) -> None:
    """Add the text: in words, from a file or from standard input."""
    parser.add_argument("text", nargs="?", metavar="TEXT", help="what to say (default: standard input)")
    parser.add_argument("--text", dest="text_given", metavar="TEXT", help="the same as a flag")
    parser.add_argument("--text-path", type=Path, metavar="FILE", help="a text file to say, UTF-8; - is standard input")
    parser.add_argument("--lang", default="ko", metavar="LANG", help="language of the text (default: ko)")


def given_script(options: argparse.Namespace) -> Script:
    """The text that a user gave, ready to be said. Raises UsageError for two or none, and what `script_of` raises."""
    given = [one for one in (options.text, options.text_given, options.text_path) if one is not None]
    if len(given) > 1:
        raise UsageError("the text is given twice", expected="TEXT, --text or --text-path", found=f"{len(given)} of them")
    path: Path | None = options.text_path
    if given and path is None:
        script = script_of(given[0], options.lang)
    elif path is not None and str(path) != _STDIN:
        script = script_of(read_text(path, "the text"), options.lang, path)
    else:
        script = script_of(_from_stdin(), options.lang, "standard input")
    warn_of_script(script)
    return script


def warn_of_script(script: Script) -> None:
    """Say what of a text is not said, and what is spelt letter by letter."""
    if script.left_out:
        tell(left_out_note(script.left_out))
    if script.spelt:
        tell(_SPELT(words=", ".join(script.spelt)))


def warn_of_strange(speller: "TextSpeller", spelling: "Spelling") -> None:
    """Say when a sentence is hardly of the kind that the speller learnt."""
    if note := speller.outside(spelling):
        tell(note, spelling.text[:_SHOWN])


def build_parser(prog: str = _PROG) -> Parser:
    """The command's options."""
    parser = Parser(prog=prog, description="Turn text into units of the target voice.")
    add_text_options(parser)
    parser.add_argument("--text2unit-path", type=Path, required=True, metavar="FILE", help="a speller, text2unit.safetensors")
    parser.add_argument("--out-unit-path", type=Path, required=True, metavar="FILE", help="the units, one line")
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = _PROG) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(prog), _work, argv)


def _work(options: argparse.Namespace) -> None:
    out, path = options.out_unit_path, require_file(options.text2unit_path, "the speller")
    keep_apart({"the output unit file": out}, {"the speller": path, "the text": text_file(options)})
    script = given_script(options)
    require_place(out, "the output unit file")
    with loading():
        from text2unit.speller import TextSpeller, join

    speller = TextSpeller.from_checkpoint(path, device_name(options), options.precision)
    with bars(options.quiet) as progress:
        spoken = list(track(speller.spell(script.sentences, options.lang), "text", progress, len(script.sentences)))
    for one in spoken:
        warn_of_strange(speller, one)
    units = join(spoken, speller.silence)
    write_unit_file(out, units.ids)
    LOG.info("%s: %s of %s", out, several(len(units), "unit"), several(len(spoken), "sentence"))


def text_file(options: argparse.Namespace) -> Path | None:
    """The file that the text is in, None where it is in none."""
    path: Path | None = options.text_path
    return None if path is None or str(path) == _STDIN else path


def _from_stdin() -> str:
    """All of standard input. Raises UsageError where that is a terminal, InputError for what is no text or too much."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no text", expected='TEXT, --text-path FILE, or standard input, as `echo "안녕" | netflips say`')
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError("the text is too large", path="standard input", expected=f"{MOST_BYTES:,} bytes at most")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at byte {error.start + 1}"
        raise InputError("this is no text", path="standard input", expected="UTF-8", found=found) from error


__all__ = [
    "Spelling",
    "TextSpeller",
    "add_text_options",
    "build_parser",
    "given_script",
    "main",
    "text_file",
    "warn_of_script",
    "warn_of_strange",
]

if __name__ == "__main__":
    sys.exit(main())
