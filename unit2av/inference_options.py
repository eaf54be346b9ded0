"""The options of `unit2av.inference_unit2a` (`netflips speak`) and `unit2av.inference_unit2av` (with more, `netflips render`)."""

import argparse
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal

from avcore.errors import Message, UsageError
from avcore.faces.select import FaceWord
from avcore.files import Input
from avcore.flags import CommonOptions, flag, out_flag, positional, speed_flag, voice_flag
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

_NEEDED = {"units": "UNITS", "voice": "--voice", "out": "--out"}
_NEEDED_AS_PUBLISHED = {"checkpoint": "--checkpoint", "input_file": "--input_file"}


def unit_offset(text: str) -> int | Literal["auto"]:
    """Read the value of --vocoder-unit-offset."""
    if text == "auto":
        return "auto"
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected auto or a whole number of 0 or more, found {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class RenderingFlags(CommonOptions):
    """How units become speech: their language, the renderer, its voice encoder and offset, the durations."""

    to: str = flag(default="ko", metavar="LANG")
    """the language of the units (default: ko)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """encoder.pt or x.onnx (default: resemblyzer's weights)"""
    vocoder_unit_offset: int | Literal["auto"] = flag(default="auto", type=unit_offset, metavar="N|auto")
    """row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)"""
    durations: bool = flag("--no-durations", default=True)
    """the ids are frames of 20 ms; do not predict durations"""
    speed: float = speed_flag()
    """above 1 speaks faster (default: 1)"""


@dataclass(frozen=True)
class SpeakOptions(RenderingFlags):
    """Turn units into speech in a given voice."""

    units: Path | None = positional("UNITS", default=None, file=Input("the unit file"))
    """units as text: ids 0..999 with blanks between"""
    out: Path | None = out_flag("the output wav", default=None, metavar="WAV")
    """the speech, 16-bit wav at the rate of the voice"""
    _: KW_ONLY
    voice: Path | None = voice_flag()
    """the voice: x.wav, any other sound or video file, x.npy or x.npz"""
    checkpoint: Path | None = flag(
        group="as the published command (units and voice in one .pt, frames of 20 ms)", default=None, file=Input("the checkpoint")
    )
    """vocoder training checkpoint, g_XXXXXXXX"""
    config: Path | None = flag(default=None, file=Input("its configuration"))
    """its config.json"""
    input_file: Path | None = flag("--input_file", default=None, file=Input("the units"))
    """X_preprocessed.pt with code and spkr"""
    output_folder: Path = flag("--output_folder", default=Path("output/unit2a"), metavar="DIR")
    """default: output/unit2a"""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = _NEEDED_AS_PUBLISHED if self.is_as_published else _NEEDED
        if missing := [flag for name, flag in names.items() if getattr(self, name) is None]:
            raise UsageError(Message("missing: {flags}", flags=", ".join(missing)), hint="see --help")

    @property
    def is_as_published(self) -> bool:
        """Whether it is asked as the published command is."""
        return self.checkpoint is not None or self.input_file is not None


@dataclass(frozen=True)
class RenderOptions(RenderingFlags):
    """Turn units into a video: a speaker's face and voice saying them."""

    units: Path = positional("UNITS", file=Input("the unit file"))
    """units as text: ids 0..999 with blanks between"""
    out: Path = out_flag("the output video")
    """the result, mp4"""
    _: KW_ONLY
    video: Path = flag(file=Input("the video"))
    """video of the speaker; played forwards and backwards when it is too short"""
    in_bbox_path: Path | None = flag(default=None, file=Input("the face boxes"))
    """face boxes x.bbox.pkl, one row per frame (default: faces are detected)"""
    voice: Path | None = voice_flag()
    """another voice: x.wav, any sound or video file, or x.npy (default: the video's)"""
    face: FaceWord = flag(default="auto")
    """auto (the largest that speaks), largest, or N-th from the left (default: auto)"""
    hard_paste: bool = flag(default=False)
    """paste the whole box without a soft edge, as published"""
    lips: LipSyncChoice = lips_flag(group="lips")

    def __post_init__(self) -> None:
        super().__post_init__()
        # The options are frozen, and backends ask their choice alone whether patches are pasted hard.
        object.__setattr__(self, "lips", replace(self.lips, is_hard=self.hard_paste))
