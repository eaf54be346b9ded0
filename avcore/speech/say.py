"""Speak a text to a wav file with the espeak-ng that pip installs, for `netflips prepare kox --synthesise-with` and the like.

python -m avcore.speech.say --voice en-us --text "Good morning." --out morning.wav
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, UsageError
from avcore.files import Input, Output, require_file, require_writable
from avcore.flags import Command, QuietOptions, flag
from avcore.media import write_speech
from avcore.speech.espeak import EspeakVoice, espeak_speech

_USUAL = EspeakVoice("en-us")


@dataclass(frozen=True, kw_only=True)
class EspeakOptions(QuietOptions):
    """Speak a text with espeak-ng (needs the package espeakng-loader) to a wav file, mono, 22,050 Hz."""

    text: str | None = flag(default=None)
    """the text"""
    text_file: Path | None = flag(default=None, file=Input("the text"))
    """a UTF-8 file with the text, in place of --text"""
    out: Path = flag(file=Output("the sound"))
    """the wav file to write"""
    voice: str = flag(default=_USUAL.name, help=f"espeak-ng's name, with a variant as en-us+m3 (default: {_USUAL.name})")
    speed: int = flag(default=_USUAL.words_per_minute, help=f"words a minute (default: {_USUAL.words_per_minute})")
    pitch: int = flag(default=_USUAL.pitch, help=f"0 to 99 (default: {_USUAL.pitch})")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.text is None) == (self.text_file is None):
            raise UsageError("one of --text and --text-file is needed")
        if self.out.suffix.lower() != ".wav":
            raise UsageError("the output's name must end in .wav", found=self.out.name)


def _work(options: EspeakOptions) -> None:
    require_writable(options.out)
    text = options.text or "" if options.text_file is None else _read(options.text_file)
    if not text.strip():
        raise InputError("there is no text to speak", path=options.text_file)
    spoken = espeak_speech(text.strip(), EspeakVoice(options.voice, options.speed, options.pitch))
    if not len(spoken.samples):
        raise InputError("espeak-ng says nothing to this text", found=text.strip()[:80])
    write_speech(options.out, spoken.samples, spoken.rate)


def _read(path: Path) -> str:
    try:
        return require_file(path, "the text").read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the text is not UTF-8", path=path) from error


_COMMAND = Command(EspeakOptions, "python -m avcore.speech.say", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
