"""What can be asked of a live dub. Libraries are loaded when the work begins."""

from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from avcore.errors import UsageError
from avcore.files import Input, Output
from avcore.flags import CommonOptions, flag, positional, voice_flag
from netflips.dubbing.options import DubOptions, SpeechLevel
from netflips.subtitles.beside import SIDES, SOURCE, TARGET

_UNDER = Meta(pattern="^(?:mute|under(?::-?[0-9]{1,2}(?:[.][0-9]+)?)?)$", description="mute, under, or a level, as under:-24")
_Delay = Annotated[float, Meta(ge=0, le=30)]
"""Seconds. Frames wait in memory: 30 s of 1080p take 2.3 GB."""
_OF_DUBS = (
    "source", "to", "cascade", "recognizer", "text_translator", "translate_with", "translate_model", "speech_level", "glossary",
    "voice", "speak_with", "pronounce", "background",
)  # fmt: skip
"""Options that mean the same for every dub."""
PICTURE_S = 6.0
"""Delay with which the dub of most turns is known when they are seen."""


@dataclass(frozen=True, kw_only=True)
class LiveOptions(CommonOptions):
    """What a live dub depends on, apart from where it is read and written. Raises UsageError for what does not go together."""

    source: str | None = flag("--from", group="languages and translation", default=None, metavar="LANG")
    """language that is spoken (default: the only one that the models allow)"""
    to: str | None = flag(default=None, metavar="LANG")
    """language to dub into (default: the only one that the models allow)"""
    cascade: bool = flag(group="over text, as of netflips dub", default=False)
    """recognize the speech, translate its text and speak the translation, in place of translating units"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of a recognizer, as of faster-whisper, or a name of netflips models"""
    text_translator: Path | None = flag(default=None, file=Input("the text translator", may_be_folder=True), metavar="DIR")
    """CTranslate2 folder of a translator, or such a name"""
    translate_with: str | None = flag(default=None, metavar="COMMAND|URL")
    """translator in its place: a program that answers lines of JSON, or an address"""
    translate_model: str | None = flag(default=None, metavar="NAME")
    """language model of --translate-with (default: the only one that its server has)"""
    speech_level: SpeechLevel | None = flag(default=None, metavar="LEVEL")
    """Korean level of speech: 해요체, 합니다체 or 해체 (default: 해요체)"""
    glossary: Path | None = flag(default=None, file=Input("the glossary"))
    """how words are translated: lines of English<TAB>Korean"""
    voice: Path | None = voice_flag(may_be_name=True, group="voice and sound")
    """one voice for all, by file or name (default: each speaker's own, once they spoke for 3 s)"""
    speak_with: str | None = flag(default=None, metavar="COMMAND")
    """text-to-speech program for what is said over text"""
    pronounce: Path | None = flag(default=None, file=Input("the file of readings"))
    """how words of texts are said: lines of word, reading"""
    background: Annotated[str, _UNDER] = flag(default="under", metavar="under[:DB]|mute")
    """how the original is heard while it is dubbed: at -18 dB, as loud as in under:-24, or not (default: under)"""
    delay: _Delay | None = flag(group="what is written", default=None, metavar="SECONDS")
    """by how much the output is behind the source (at most 30), so that a picture and its dub fit (default: 6 with one, else 0)"""
    subtitles: str = flag(default="", metavar="WHICH")
    """write subtitles that grow: source, target or source,target, each beside the output as OUT.LANG.vtt"""
    record: Path | None = flag(default=None, file=Output("the record"), metavar="JSON")
    """write all that was said as a script; netflips dub --script-in makes the careful dub of it, and one that is there goes on"""
    clock: Literal["real", "virtual"] = flag(default="real")
    """virtual: dub a file in no time and tell the delay that this machine would have (default: real)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not set(self.sides) <= set(SIDES):
            raise UsageError("--subtitles cannot be used", expected=f"{SOURCE}, {TARGET} or both", found=self.subtitles)
        _ = self.of_dub

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the subtitles."""
        return tuple(filter(None, (side.strip() for side in self.subtitles.split(","))))

    @property
    def of_dub(self) -> DubOptions:
        """The same as options of a dub. What is not translated rightly is shown and not said. Raises UsageError."""
        return DubOptions(**{name: getattr(self, name) for name in _OF_DUBS}, leave_faulty=self.cascade)


@dataclass(frozen=True)
class LiveCommand(LiveOptions):
    """Dub while somebody speaks: sound a few seconds later, with the picture if there is one, subtitles, and a record of it all."""

    given: str = positional("INPUT")
    """a file, fed at its own pace; - (a pipe); rtmp://, rtsp:// or https://...m3u8; mic or mic:NAME"""
    out: str = flag("-o", "--out")
    """what is written: a file (.mkv, .mp4, .mka, .m4a, .ts), a folder (HLS), - (a pipe), or rtmp://"""
    _: KW_ONLY
    av2unit_path: Path | None = flag(group="models", default=None, file=Input("the unit encoder"))
    """unit encoder (default: the bundle's)"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"))
    """unit translator (default: the bundle's)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """renderer, which has the voice (default: the bundle's)"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """speaker encoder (default: resemblyzer's weights)"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit-to-text model"))
    """unit-to-text model, for subtitles over units (default: the bundle's)"""
    text2unit_path: Path | None = flag(default=None, file=Input("the text-to-unit model"))
    """text-to-unit model (default: the bundle's)"""

    @property
    def settings(self) -> LiveOptions:
        """The options alone."""
        return LiveOptions(**{field.name: getattr(self, field.name) for field in fields(LiveOptions)})
