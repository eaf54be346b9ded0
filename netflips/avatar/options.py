"""The options of `netflips avatar`."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import Input, Output
from avcore.flags import flag, out_flag, positional, speed_flag
from avcore.programs import parse_command
from netflips.portrait.flags import PictureFlags, duration_scale
from netflips.text_voice import VoiceFlags


@dataclass(frozen=True)
class AvatarOptions(PictureFlags, VoiceFlags):
    """Let a portrait answer a spoken question in Korean. Only use pictures and voices of people who agreed to it."""

    portrait: Path = positional("PICTURE", file=Input("the portrait"), group="files")
    """who answers: a face from the front"""
    out: Path = out_flag("the answer")
    """the answer (.mp4, .m4v, .mov or .mkv), 25 fps"""
    _: KW_ONLY
    listen: Path = flag(file=Input("the question"))
    """the question: any sound or video file"""
    report: Path | None = flag(default=None, file=Output("the report"))
    """what was heard, what is answered, and how long each step took (JSON)"""
    replies: Path | None = flag(group="talk", default=None, file=Input("the replies"), metavar="YAML")
    """questions with their answers (default: those of the demo's phrasebook)"""
    reply_command: str | None = flag(default=None, metavar="COMMAND")
    """program that reads the question from standard input and prints the answer"""
    reply_seconds: float = flag(default=20.0, metavar="S")
    """how long that program may take (default: 20)"""
    blocked: Path | None = flag(default=None, file=Input("the list of blocked words"), metavar="TXT")
    """words that are neither answered nor spoken, one per line"""
    speed: float = speed_flag()
    """above 1 speaks faster, as 1.2 (default: 1)"""
    source: str | None = flag("--from", default=None, metavar="LANG")
    """language of the question (default: the recognised one)"""
    recognizer: Path | None = flag(
        group=("models", "without a flag, the bundle's model is used"),
        default=None,
        file=Input("the recognizer", may_be_folder=True),
        metavar="DIR",
    )
    """folder of faster-whisper, which recognises the question"""
    unit2text_path: Path | None = flag(default=None, file=Input("the text reader"))
    """or a unit recogniser (units to text), with --av2unit-path"""
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder whose units the unit recogniser knows"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer: the voice, and lips by --lips units"""

    def __post_init__(self) -> None:
        super().__post_init__()
        duration_scale(self.speed)
        if not 0 < self.reply_seconds < float("inf"):
            raise UsageError("--reply-seconds must be above 0", found=self.reply_seconds)
        if self.reply_command is not None:
            if self.replies is not None:
                raise UsageError("answers come from --replies or from --reply-command", found="both", hint="leave one out")
            parse_command(self.reply_command, "--reply-command")
        if self.recognizer is not None and self.unit2text_path is not None:
            raise UsageError("the question is heard by --recognizer or by --unit2text-path", found="both", hint="leave one out")
