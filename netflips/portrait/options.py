"""The options of `netflips portrait`; cheap to import but for the voice's."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from avcore.errors import UsageError
from avcore.files import Input
from avcore.flags import flag, out_flag, positional, report_flag, speed_flag
from netflips.portrait.flags import PictureFlags, duration_scale
from netflips.text_voice import VoiceFlags


@dataclass(frozen=True)
class PortraitOptions(PictureFlags, VoiceFlags):
    """Make a still portrait talk. Only use pictures and voices of people who agreed to it."""

    portrait: Path = positional("PICTURE", file=Input("the portrait"), group="files")
    """a face from the front: JPEG, PNG, WebP, TIFF ..."""
    out: Path = out_flag("the result")
    """the result (.mp4, .m4v, .mov or .mkv), 25 fps"""
    _: KW_ONLY
    speech: Path | None = flag(default=None, file=Input("the speech"))
    """what is said: any sound or video file"""
    text: str | None = flag(default=None)
    """what is said: Korean text, spoken as by `netflips say`"""
    units: Path | None = flag(default=None, file=Input("the unit file"))
    """what is said: units, one line, as `netflips say` writes them"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the result if it is longer than 20 s)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    to: str = flag(group="voice", default="ko", metavar="LANG")
    """language of the text or the units (default: ko)"""
    speed: float = speed_flag()
    """for --text and --units: above 1 speaks faster (default: 1)"""
    av2unit_path: Path | None = flag(
        group=("models", "both belong together; without them, the small models of the bundle are used"),
        default=None,
        file=Input("the unit encoder"),
    )
    """unit encoder (for --speech, but not for --lips wav2lip)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer (not for --speech with --lips wav2lip)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        duration_scale(self.speed)
        given = [name for name in ("speech", "text", "units") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"--{name}" for name in given) or "none of them"
            raise UsageError("say what the portrait says", expected="one of --speech, --text, --units", found=found)
