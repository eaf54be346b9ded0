"""`netflips script`: list, divide and join the utterances of a script, name who speaks and what is spoken of."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import Input, Output, write_text
from avcore.flags import Command, Commands, QuietOptions, flag, out_flag, positional
from avcore.notes import print_text, several, shown
from avcore.texts import read_json
from netflips.cascade.chat import ChatTranslator, open_translator
from netflips.cascade.program import require_translate_with
from netflips.script.edit import join, rename, split
from netflips.script.files import read_script, require_own_files, script_from, write_script
from netflips.script.spreadsheet import CSV, table_of
from netflips.script.terms import find_terms, term_lines, terms_of_script
from netflips.script.types import Script


@dataclass(frozen=True, kw_only=True)
class ListOptions(QuietOptions):
    """List the utterances: number, times, speaker, and what is heard and said."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""


@dataclass(frozen=True, kw_only=True)
class JoinOptions(QuietOptions):
    """Join an utterance with the next one."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    number: int = positional("NUMBER", type=int)
    """of the utterance, as netflips script list has it"""
    out: Path = out_flag("the new script")
    """for netflips dub --script-in"""


@dataclass(frozen=True, kw_only=True)
class SplitOptions(JoinOptions):
    """Divide an utterance in two."""

    at: float | None = flag(default=None, type=float, metavar="SECONDS")
    """where, in the video's time (default: at its longest pause)"""


@dataclass(frozen=True, kw_only=True)
class RenameOptions(QuietOptions):
    """Give a speaker another name, or that of another speaker, so that they are one."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    name: str = positional("NAME")
    """of the speaker, as netflips script list has it"""
    to: str = positional("TO")
    """the new name"""
    out: Path = out_flag("the new script")
    """for netflips dub --script-in"""


@dataclass(frozen=True, kw_only=True)
class TermsOptions(QuietOptions):
    """List names and terms of the talk, with what is said for them or may be."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    out: Path | None = out_flag("the new script", default=None)
    """a script with the terms, for netflips dub --script-in: what stands in "spoken" of a term is said for it everywhere"""
    translate_with: str | None = flag(default=None, metavar="COMMAND|URL")
    """what is asked for terms that no translation has, as of netflips dub"""
    translate_model: str | None = flag(default=None, metavar="NAME")
    """language model of --translate-with (default: the only one that its server has)"""

    def __post_init__(self) -> None:
        if self.translate_with is not None:
            require_translate_with(self.translate_with, self.translate_model)
        elif self.translate_model is not None:
            raise UsageError("--translate-model belongs to --translate-with", hint="add --translate-with http://127.0.0.1:11434/v1")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(QuietOptions):
    """Write the utterances as a table for spreadsheets: number, times, speaker, both texts, what is understood, speed and notes."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    out: Path = out_flag("the table")
    """a name such as talk.csv"""

    def __post_init__(self) -> None:
        if self.out.suffix.lower() != CSV:
            raise UsageError("a script is exported as a table", expected="a name such as talk.csv", found=self.out)


@dataclass(frozen=True, kw_only=True)
class SpeakersOptions(QuietOptions):
    """List who speaks, and for how long. With -o, store a sound of those who have a name, so that other dubs know them."""

    script: Path = positional("SCRIPT", file=Input("the script"))
    """of --draft or --report"""
    out: Path | None = flag("-o", "--out", default=None, file=Output("the folder of people", is_folder=True), metavar="DIR")
    """folder of people, for the key people of netflips dub; whoever is in it already, and sounds otherwise, gets another sound"""
    video: Path | None = flag(default=None, file=Input("the script's video"))
    """where the script's video is, if it was moved"""


def _list(options: ListOptions) -> None:
    lines = list[str]()
    for utterance in read_script(options.script).utterances:
        texts = " -> ".join(text.text for text in (utterance.text, utterance.spoken) if text is not None)
        place = f"{utterance.number:3} {utterance.place.start_s:8.2f} to {utterance.place.end_s:.2f} s"
        lines.append(shown(f"{place}  {utterance.speaker or '?'}: {texts or '(no text)'}"))
    print_text("\n".join(lines))


def _export(options: ExportOptions) -> None:
    script = script_from(read_json(options.script, "the script"), options.script)  # with the notes of a dub
    write_text(options.out, table_of(script))
    LOG.info("%s: %s", options.out, several(len(script.utterances), "utterance"))


def _terms(options: TermsOptions) -> None:
    script = read_script(options.script)
    terms_of_script(script, script.target, options.script)
    translator = None
    if options.translate_with is not None:
        translator = open_translator(options.translate_with, options.translate_model)

    try:
        if isinstance(translator, ChatTranslator):
            translator.check()
        script = replace(script, terms=find_terms(script, translator))
    finally:
        if translator is not None:
            translator.close()

    print_text("\n".join(shown(line) for line in term_lines(script)))
    if options.out is not None:
        _write(script, options.out)


def _speakers(options: SpeakersOptions) -> None:
    script = read_script(options.script)
    seconds = dict[str, list[float]]()
    for utterance in script.utterances:
        seconds.setdefault(utterance.speaker or "?", []).append(utterance.place.seconds)
    print_text("\n".join(shown(f"{name}: {several(len(of), 'utterance')}, {sum(of):.1f} s") for name, of in seconds.items()))
    if options.out is None:
        return

    from netflips.dubbing.people import store_people  # with torch, for which a list need not wait
    from unit2av.speaker import open_speaker_encoder

    encoder = open_speaker_encoder(None)
    for name, length in store_people(script, options.script, options.video, options.out, encoder).items():
        LOG.info("%s: %s, by %.1f s of speech", options.out, name, length)


def _write(script: Script, out: Path) -> None:
    require_own_files(script, out)  # the names in a script are relative to its folder
    write_script(out, script)
    LOG.info("%s: %s", out, several(len(script.utterances), "utterance"))


def _changed(change: Callable[[Any, Script], Script]) -> Callable[[Any], None]:
    """Return the work of a command that reads a script, changes it, and writes it under another name."""
    return lambda options: _write(change(options, read_script(options.script)), options.out)


_COMMANDS = Commands(
    "netflips script",
    "List, divide and join the utterances of a script, name who speaks and what is spoken of, and write them as a table.",
    {
        "list": Command(ListOptions, "netflips script list", _list),
        "split": Command(SplitOptions, "netflips script split", _changed(lambda one, script: split(script, one.number, one.at))),
        "join": Command(JoinOptions, "netflips script join", _changed(lambda one, script: join(script, one.number))),
        "rename": Command(RenameOptions, "netflips script rename", _changed(lambda one, script: rename(script, one.name, one.to))),
        "speakers": Command(SpeakersOptions, "netflips script speakers", _speakers),
        "terms": Command(TermsOptions, "netflips script terms", _terms),
        "export": Command(ExportOptions, "netflips script export", _export),
    },
)
build_parser, main = _COMMANDS.parser, _COMMANDS.main

if __name__ == "__main__":
    sys.exit(main())
