"""`netflips say "안녕하세요?" -o x.wav`: Korean text to speech, over units (text to speech, TTS)."""

import sys
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG
from avcore.errors import UsageError
from avcore.files import Input, Output
from avcore.flags import Command, flag, out_flag, positional, speed_flag
from avcore.loading import loading
from avcore.notes import several
from avcore.progress import bars
from avcore.timeline import samples_to_seconds
from avcore.units import write_unit_file
from netflips.stages import load_speller
from netflips.text_voice import TextVoice, VoiceFlags, speller_path
from netflips.understanding import speller_measure, tell_verdict
from text2unit.inference import given_script
from text2unit.script import SpokenScript
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    from text2unit.speller import Spelling


@dataclass(frozen=True)
class SayOptions(VoiceFlags):
    """Speak Korean text in a given voice."""

    text: str | None = positional("TEXT", default=None)
    """what to say (default: standard input)"""
    out: Path | None = out_flag("the speech", default=None, metavar="WAV")
    """the speech, 16 kHz 16-bit wav"""
    _: KW_ONLY
    text_path: Path | None = flag(default=None, file=Input("the text"))
    """a text file to say, UTF-8; - is standard input"""
    to: str = flag(default="ko", metavar="LANG")
    """language of the text (default: ko)"""
    units_path: Path | None = flag(default=None, file=Output("the units"))
    """its units, one line, for `netflips speak` and `render`"""
    speed: float = speed_flag()
    """above 1 speaks faster (default: 1)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"""

    strict: bool = flag(default=False)
    """stop with exit code 3 if little of it is understood; nothing is written then"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text is not None and self.text_path is not None:
            raise UsageError("the text is given twice", expected="TEXT or --text-path", found="both")
        if not 0 < self.speed < float("inf"):
            raise UsageError("--speed must be above 0", found=self.speed)
        if self.out is None and self.units_path is None:
            raise UsageError("say where the speech goes", expected="--out x.wav, --units-path x.txt, or both")


def say_text(options: SayOptions) -> None:
    """Speak a text, write its units, or both. Raises NetflipsError for files and text that cannot be used."""
    script = given_script(options.text, options.text_path, options.to)
    path = speller_path(options.text2unit_path, options.to)
    renderer = None if options.out is None else checkpoint_or_bundle(options.unit2av_path, RENDERER)
    with loading():
        from text2unit.speller import join

    speller = load_speller(path, Running(options.device, options.precision))
    speller.require_language(options.to)  # before the voice is loaded
    understood = speller_measure(speller).understanding(" ".join(script.sentences), script.spelt)
    tell_verdict(understood, options.text_path or "the text", options.strict)
    if renderer is None:
        spoken = list(speller.spell(script.sentences, options.to))
    else:
        voice = TextVoice.load(speller, renderer, options.to, 1 / options.speed, options)
        spoken = _speak(voice, script, options)
    units = join(spoken, speller.silence)
    if options.units_path is not None:
        write_unit_file(options.units_path, units.ids)
        LOG.info("%s: %s of %s", options.units_path, several(len(units), "unit"), several(len(spoken), "sentence"))


def _speak(voice: TextVoice, script: SpokenScript, options: SayOptions) -> "list[Spelling]":
    """Write the speech, sentence by sentence; returns what was said."""
    from avcore.media import write_speech_pieces

    assert options.out is not None  # else nothing is spoken
    with bars(options.quiet) as progress:
        telling = voice.tell(script, progress)
        samples = write_speech_pieces(options.out, telling)
    seconds = float(samples_to_seconds(samples))
    LOG.info("%s: %s, %.2f s of speech", options.out, several(len(telling.spellings), "sentence"), seconds)
    return telling.spellings


_COMMAND = Command(SayOptions, "netflips say", say_text)
build_parser, main = _COMMAND.parser, _COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
