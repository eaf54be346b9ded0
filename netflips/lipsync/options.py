"""The options of `netflips lipsync`; cheap to import."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from avcore.faces.select import parse_face_choice
from avcore.files import Input
from avcore.flags import CommonOptions, flag, out_flag, positional, report_flag
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

Fit = Literal["speech", "hold", "video"]


@dataclass(frozen=True)
class LipsyncOptions(CommonOptions):
    """Move the lips of a video to speech that you have: an actor's, or any synthesiser's. Only use pictures and voices of people
    who agreed to it."""

    video: Path = positional("VIDEO", file=Input("the video"), group="files")
    """video of somebody who talks, any container"""
    out: Path = out_flag("the result")
    """the result (.mp4, .m4v, .mov or .mkv)"""
    _: KW_ONLY
    speech: Path = flag(file=Input("the speech"))
    """the speech: any sound or video file"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the speech: a number from 1, or a language (default: the first with speech)"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the result if it is longer than 20 s)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    lips: LipSyncChoice = lips_flag(group="picture")
    fit: Fit = flag(default="speech")
    """if lengths differ: speech = as long as the speech, pictures played to and fro or cut; hold = the same, with the last picture
    held; video = as long as the video, speech cut or followed by silence (default: speech)"""
    face: str = flag(default="auto")
    """auto (the largest that speaks), largest, or N-th from the left (default: auto)"""
    label: str = flag("--burn-label", default="", nargs="?", const="synthetic lips", metavar="TEXT")
    """burn a visible label into the picture"""
    av2unit_path: Path | None = flag(
        default=None,
        file=Input("the unit encoder"),
        group=("models", "both belong together; without them, the small models of the bundle are used"),
    )
    """unit encoder (not for --lips wav2lip)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer (not for --lips wav2lip)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_face_choice(self.face)
