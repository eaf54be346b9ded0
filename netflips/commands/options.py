"""Options of all commands that show, speak or convert, except `netflips dub`, and the functions that do their work.

Flags, their help and the page's forms come from these fields. Libraries are loaded when the work begins.
"""

from dataclasses import KW_ONLY, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from avcore.bounds import Count, Positive
from avcore.checkpoints.stages import STORED_PRECISIONS
from avcore.errors import UsageError
from avcore.faces.select import FaceWord
from avcore.files import Input, Output
from avcore.flags import (
    Command,
    CommonOptions,
    QuietOptions,
    flag,
    flags_of,
    out_flag,
    positional,
    report_flag,
    speed_flag,
    voice_flag,
)
from avcore.loading import loading
from avcore.programs import parse_command
from netflips import stages
from netflips.dubbing.options import Modalities
from netflips.portraits.options import PortraitFlags
from netflips.provenance.options import LIPS, Generated, MarkFlags
from netflips.recognizers.language import AUTO
from unit2av.inference_options import RenderOptions
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

Speed = Annotated[float, Meta(ge=0.4, le=2.5)]
"""How fast somebody speaks, 1 = as learnt."""
Fit = Literal["speech", "hold", "video"]


@dataclass(frozen=True, kw_only=True)
class VoiceFlags(CommonOptions):
    """Whose voice speaks, and the models of it but for the renderer."""

    voice: Path | None = voice_flag(may_be_name=True, metavar="NAME|FILE")
    """the voice: a recording, a video, x.npy, x.npz, or the name of one that comes with the renderer (default: the first of them,
    else a neutral voice)"""
    text2unit_path: Path | None = flag(default=None, file=Input("the text-to-unit model"))
    """text-to-unit model (default: the bundle's, if it has one)"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """encoder.pt or x.onnx (default: resemblyzer's weights)"""


@dataclass(frozen=True, kw_only=True)
class LipsyncOptions(MarkFlags, CommonOptions):
    """How lips are moved to given speech."""

    audio_track: str | None = flag(group="files", default=None, metavar="N|LANG")
    """sound track of the speech: a number from 1, or a language (default: the first with speech)"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the result if it is longer than 20 s)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    lips: LipSyncChoice = lips_flag(group="video")
    fit: Fit = flag(default="speech")
    """if lengths differ: speech = as long as the speech, frames played forwards and backwards or cut; hold = the same, with the
    last frame held; video = as long as the video, speech cut or followed by silence (default: speech)"""
    face: FaceWord = flag(default="auto")
    """auto (the largest that speaks), largest, or N-th from the left (default: auto)"""
    av2unit_path: Path | None = flag(
        default=None,
        file=Input("the unit encoder"),
        group=("models", "both belong together; without them, the small models of the bundle are used"),
    )
    """unit encoder (not for --lips wav2lip)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer (not for --lips wav2lip)"""

    @property
    def generated(self) -> Generated:
        """Lips alone."""
        return LIPS


@dataclass(frozen=True)
class LipsyncCommand(LipsyncOptions):
    """Move the lips of a video to speech that you have: an actor's, or any synthesiser's. Only use images and voices of people
    who agreed to it."""

    video: Path = positional("VIDEO", file=Input("the video"), group="files")
    """video of somebody who talks, any container"""
    out: Path = out_flag("the result")
    """the result (.mp4, .m4v, .mov or .mkv)"""
    _: KW_ONLY
    speech: Path = flag(file=Input("the speech"))
    """the speech: any sound or video file"""


@dataclass(frozen=True, kw_only=True)
class PortraitOptions(PortraitFlags, VoiceFlags):
    """How a portrait talks."""

    work_dir: Path | None = flag(group="files", default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the result if it is longer than 20 s)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    to: str = flag(group="voice", default="ko", metavar="LANG")
    """language of the text or the units (default: ko)"""
    speed: Speed = speed_flag()
    """for --text and --units: above 1 speaks faster (default: 1)"""
    av2unit_path: Path | None = flag(
        group=("models", "both belong together; without them, the small models of the bundle are used"),
        default=None,
        file=Input("the unit encoder"),
    )
    """unit encoder (for --speech, but not for --lips wav2lip)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer (not for --speech with --lips wav2lip)"""


@dataclass(frozen=True)
class PortraitCommand(PortraitOptions):
    """Make a still portrait talk. Only use images and voices of people who agreed to it."""

    portrait: Path = positional("IMAGE", file=Input("the portrait"), group="files")
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

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("speech", "text", "units") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"--{name}" for name in given) or "none of them"
            raise UsageError("say what the portrait says", expected="one of --speech, --text, --units", found=found)


@dataclass(frozen=True)
class AvatarOptions(PortraitFlags, VoiceFlags):
    """Let a portrait answer a spoken question in Korean. Only use images and voices of people who agreed to it."""

    portrait: Path = positional("IMAGE", file=Input("the portrait"), group="files")
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
    reply_seconds: Positive = flag(default=20.0, metavar="S")
    """how long that program may take (default: 20)"""
    blocked: Path | None = flag(default=None, file=Input("the list of blocked words"), metavar="TXT")
    """words that are neither answered nor spoken, one per line"""
    speed: Speed = speed_flag()
    """above 1 speaks faster, as 1.2 (default: 1)"""
    source: str | None = flag("--from", default=None, metavar="LANG")
    """language of the question (default: the recognized one)"""
    recognizer: Path | None = flag(
        group=("models", "without a flag, the bundle's model is used"),
        default=None,
        file=Input("the recognizer", may_be_folder=True),
        metavar="DIR",
    )
    """folder of a recognizer, as of faster-whisper, for the question"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit-to-text model"))
    """or a unit recognizer (units to text), with --av2unit-path"""
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder whose units the unit recognizer knows"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer: the voice, and lips by --lips units"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reply_command is not None:
            if self.replies is not None:
                raise UsageError("answers come from --replies or from --reply-command", found="both", hint="leave one out")
            parse_command(self.reply_command, "--reply-command")
        if self.recognizer is not None and self.unit2text_path is not None:
            raise UsageError("the question is heard by --recognizer or by --unit2text-path", found="both", hint="leave one out")


@dataclass(frozen=True, kw_only=True)
class SayOptions(VoiceFlags):
    """How text is spoken."""

    to: str = flag(default="ko", metavar="LANG")
    """language of the text (default: ko)"""
    pronounce: Path | None = flag(default=None, file=Input("the file of readings"))
    """how words are said: lines of word, reading, as NetfLips, 넷플립스"""
    units_path: Path | None = flag(default=None, file=Output("the units"))
    """its units, one line, for `netflips speak` and `render`"""
    speed: Positive = speed_flag()
    """above 1 speaks faster (default: 1)"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit_av_renderer_withKO.pt or another renderer (default: the bundle's)"""

    strict: bool = flag(default=False)
    """stop with exit code 3 if any of it is not understood; nothing is written then"""
    verdict: Path | None = flag(default=None, file=Output("the verdict"), metavar="JSON")
    """write how much is understood"""


@dataclass(frozen=True)
class SayCommand(SayOptions):
    """Speak Korean text in a given voice."""

    text: str | None = positional("TEXT", default=None)
    """what to say (default: standard input)"""
    out: Path | None = out_flag("the speech", default=None, metavar="WAV")
    """the speech, 16-bit wav at the rate of the voice (the bundle's: 24 kHz)"""
    _: KW_ONLY
    text_path: Path | None = flag(default=None, file=Input("the text"))
    """a text file to say, UTF-8; - is standard input"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text is not None and self.text_path is not None:
            raise UsageError("the text is given twice", expected="TEXT or --text-path", found="both")
        if self.out is None and self.units_path is None:
            raise UsageError("say where the speech goes", expected="--out x.wav, --units-path x.txt, or both")


@dataclass(frozen=True, kw_only=True)
class LipSpeechOptions(CommonOptions):
    """How speech is made from lips."""

    out_vid_path: Path | None = flag("--out-video", group="files", default=None, file=Output("the video with speech"))
    """the video with this speech (.mp4, .m4v, .mov or .mkv)"""
    save_mel: Path | None = flag(default=None, file=Output("the mel spectrogram"), metavar="NPZ")
    """its mel spectrogram, an array `mel` [80, T], 100 columns a second"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the speech until it is written, if the video
    is longer than 20 s)"""
    source: str | None = flag("--from", group="speech", default=None, metavar="LANG")
    """language that is spoken, as ko (default: the renderer's if it has one, else the bundle's)"""
    voice: Path | None = voice_flag()
    """the voice: a recording, a video, x.npy or x.npz (default: the voice in the video's sound, else a neutral voice)"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the video: a number from 1, or a language (default: the first with speech)"""
    face: FaceWord = flag(default="auto")
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
    """encoder.pt or x.onnx (default: the weights that come with NetfLips)"""


@dataclass(frozen=True)
class LipSpeechCommand(LipSpeechOptions):
    """Make speech from the lips of a video, at its own times. The sound of the video is not used. Only use images and voices of
    people who agreed to it."""

    video: Path = positional("VIDEO", file=Input("the video"), group="files")
    """video of somebody who talks, with sound or without"""
    out: Path = out_flag("the speech", metavar="WAV")
    """the speech, 16-bit wav at the rate of the voice, as long as the video"""


@dataclass(frozen=True, kw_only=True)
class TranscribeOptions(CommonOptions):
    """How speech is transcribed."""

    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the transcript until it is written, if the file
    is longer than 20 s)"""
    format: Literal["srt", "vtt", "ttml", "txt", "json"] | None = flag(default=None)
    """srt; vtt; ttml; txt; json (default: by the name of --out; else srt, printed txt)"""
    modalities: Modalities = flag(default=AUTO, metavar="WHICH")
    """audio,video or audio or video, or auto: for each utterance its sound, its lips or both, as far as they are there and belong
    together (default: auto; video for a model that reads lips alone)"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the file: a number from 1, or a language (default: the first with speech)"""
    source: str | None = flag("--from", default=None, metavar="LANG")
    """language that is spoken, as en, or auto (default: auto, the one whose text is most probable)"""
    face: FaceWord = flag(default="auto")
    """whose lips: auto (who speaks), largest, or N-th from the left"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit-to-text model"))
    """unit recognizer (units to text), or a published finetuned.pt, which reads lips (default: the bundle's)"""
    av2unit_path: Path | None = flag(default=None, file=Input("the unit encoder"))
    """unit encoder whose units the unit recognizer knows (default: the bundle's)"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of a recognizer, as of faster-whisper, for the sound, in place of the unit recognizer"""
    beam: Count | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20 as published)"""

    strict: bool = flag(default=False)
    """stop with exit code 3 if any of it is not understood; nothing is written then"""
    verdict: Path | None = flag(default=None, file=Output("the verdict"), metavar="JSON")
    """write how much is understood (one file)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recognizer is not None and (self.unit2text_path or self.av2unit_path):
            raise UsageError("--recognizer stands in place of --unit2text-path and --av2unit-path", hint="leave those out")
        if self.recognizer is not None and (self.modalities not in (AUTO, "audio") or self.beam is not None):
            found = f"--modalities {self.modalities}" if self.beam is None else f"--beam {self.beam}"
            raise UsageError("--recognizer hears sound, and has a beam of its own", found=found, hint="leave it out")
        if self.source == AUTO:
            object.__setattr__(self, "source", None)


@dataclass(frozen=True)
class TranscribeCommand(TranscribeOptions):
    """Write what is said in videos and sound files, or shown by lips."""

    recordings: tuple[Path, ...] = positional("FILE", file=Input("a file to transcribe", in_turn=True))
    """videos and sound files"""
    out: Path | None = out_flag("the transcript", default=None)
    """for one file: a name that ends in .srt, .vtt, .ttml, .txt or .json (default: printed)"""
    _: KW_ONLY
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """for several: a folder for <stem>.<format>"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out is not None and self.out_dir is not None:
            raise UsageError("give either --out (one file) or --out-dir (several)")
        if self.out is not None and len(self.recordings) > 1:
            found = f"{len(self.recordings)} files"
            raise UsageError("--out is for one file", expected="--out-dir DIR for several", found=found)
        if self.verdict is not None and len(self.recordings) > 1:
            raise UsageError("--verdict belongs to one file", found=f"{len(self.recordings)} files")


@dataclass(frozen=True, kw_only=True)
class RenderCommand(MarkFlags, RenderOptions):
    """Turn units into a video: a speaker's face and voice saying them. Only use videos and voices of people who agreed to it."""

    work_dir: Path | None = flag(group="work and report", default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: beside the result if it is longer than 20 s)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""


_EXAMPLE = Path(__file__).parents[1] / "serve"
"""The folder of the example of the page: example.mp4, example.jpg, and example.json about the clip."""


@dataclass(frozen=True)
class DemoOptions(CommonOptions):
    """Dub the clip that comes with NetfLips, and let a portrait say it."""

    video: Path = positional("VIDEO", default=_EXAMPLE / "example.mp4", file=Input("the video"))
    """default: the demo clip"""
    out_dir: Path = flag("-o", "--out-dir", default=Path("outputs", "demo"), metavar="DIR")
    """default: outputs/demo"""

    @property
    def portrait(self) -> Path:
        """A photograph that says the dub."""
        return _EXAMPLE / "example.jpg"

    @property
    def stem(self) -> str:
        """Of the dub's name."""
        return "clip" if self.video.parent == _EXAMPLE else self.video.stem


def _add_kind(group: Any) -> None:
    kinds = ["auto", *(stage.part for stage in stages.STAGES)]
    group.add_argument("--kind", default="auto", choices=kinds, help="what the input must be (default: auto)")


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(QuietOptions):
    """Convert a published checkpoint to safetensors and a readable JSON configuration, to a folder with a card, or to transformers,
    and back."""

    in_path: Path = positional("FILE", file=Input("the checkpoint", may_be_folder=True))
    """published .pt file, our own .safetensors, a folder for a hub, or a translator's folder of transformers"""
    out_path: Path = flag("-o", "--out", file=Output("the output", is_folder=True))
    """x.safetensors; x.json is written beside it; a folder with --to hub or transformers"""
    to: str = flag(default="netflips", choices=("netflips", "hub", "transformers"))
    """what reads it; hub: a folder of our own format with a model card, of any model; transformers holds a translator
    (M2M100ForConditionalGeneration) and a HiFi-GAN voice (SeamlessM4TCodeHifiGan) (default: netflips)"""
    source_lang: str = flag(default="", metavar="LANG")
    """with --to transformers: language of the source (default: that of its training)"""
    target_lang: str = flag(default="", metavar="LANG")
    """with --to transformers: language of the target (default: that of its training), or of the voice (default: the only one)"""
    kind: str = flags_of(_add_kind, lambda given: given.kind, lambda: "auto")
    dtype: str = flag(default="keep", choices=STORED_PRECISIONS)
    """number format of the weights (default: keep)"""
    add_vocoder: tuple[str, ...] = flag(default=(), action="append", nargs=None, metavar="LANGUAGE=PATH")
    """put a vocoder training checkpoint (g_XXXXXXXX) into a renderer, such as ko=g_00500000; may be repeated"""


def _command(options: type[Any], name: str, module: str, work: str) -> Command[Any]:
    def run(asked: Any) -> int | None:
        with loading():
            function = getattr(import_module(module), work)
        done = function(asked)
        return done if isinstance(done, int) else None  # a script is for Python

    return Command(options, f"netflips {name}", run)


lipsync = _command(LipsyncCommand, "lipsync", "netflips.commands.given_audio", "sync_lips")
portrait = _command(PortraitCommand, "portrait", "netflips.commands.portrait", "animate")
avatar = _command(AvatarOptions, "avatar", "netflips.dialogue.work", "answer_question")
say = _command(SayCommand, "say", "netflips.commands.say", "say_text")
lip2speech = _command(LipSpeechCommand, "lip2speech", "netflips.commands.lip2speech", "speak_video")
transcribe = _command(TranscribeCommand, "transcribe", "netflips.commands.transcribe", "transcribe_files")
render = _command(RenderCommand, "render", "netflips.commands.given_audio", "render_units")
demo = _command(DemoOptions, "demo", "netflips.commands.demo", "run_demo")
convert = _command(ConvertOptions, "convert", "netflips.commands.convert", "convert")
