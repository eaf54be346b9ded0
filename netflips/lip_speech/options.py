"""The options of `netflips lip2speech`; cheap to import."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from avcore.faces.select import parse_face_choice
from avcore.files import Input, Output
from avcore.flags import CommonOptions, flag, out_flag, positional, voice_flag


@dataclass(frozen=True)
class LipSpeechOptions(CommonOptions):
    """Make speech from the lips of a video, at its own times. The sound of the video is not used. Only use pictures and voices of
    people who agreed to it."""

    video: Path = positional("VIDEO", file=Input("the video"), group="files")
    """video of somebody who talks, with sound or without"""
    out: Path = out_flag("the speech", metavar="WAV")
    """the speech, 16 kHz 16-bit wav, as long as the video"""
    _: KW_ONLY
    out_vid_path: Path | None = flag("--out-video", default=None, file=Output("the video with speech"))
    """the video with this speech (.mp4, .m4v, .mov or .mkv)"""
    save_mel: Path | None = flag(default=None, file=Output("the mel spectrogram"), metavar="NPZ")
    """its mel spectrogram, an array `mel` [80, T], 100 columns a second"""
    source: str | None = flag("--from", group="speech", default=None, metavar="LANG")
    """language that is spoken, as ko (default: the renderer's if it has one, else the bundle's)"""
    voice: Path | None = voice_flag()
    """the voice: a recording, a video, x.npy or x.npz (default: the voice in the video's sound, else a neutral voice)"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the video: a number from 1, or a language (default: the first with speech)"""
    face: str = flag(default="auto")
    """whose lips: auto (the largest that speaks), largest, or N-th from the left"""
    av2unit_path: Path | None = flag(
        group=("models", "the first two belong together; without them, the small models of the bundle are used"),
        default=None,
        file=Input("the unit encoder"),
    )
    """unit encoder that knows lips"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer with a vocoder of the language"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """encoder.pt (default: the weights that come with NetfLips)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_face_choice(self.face)
