"""The options of `netflips dub` and `inference_av2av.py`, for one video, several, or a folder; cheap to import."""

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal

from avcore.checkpoints.bundle import bundle_of
from avcore.errors import UsageError
from avcore.faces.select import parse_face_choice
from avcore.files import Input, Output
from avcore.flags import CommonOptions, flag, out_flag, positional, report_flag, voice_flag
from avcore.units import normalise_language
from netflips.bulk.spread import SpreadFlags
from netflips.dub.given_speech import usual_speaker
from netflips.dub.recording_flags import RecordingFlags
from netflips.options import MODALITIES, UnitOffset
from netflips.published.store import usual_model
from netflips.subtitles.beside import Subtitling
from netflips.subtitles.dubbed import SIDES, TARGET
from unit2av.inference_options import unit_offset
from unit2av.lipsync.backend import LipSyncChoice, lips_flag


@dataclass(frozen=True, kw_only=True)
class SubtitleFlags:
    """--subtitles and what goes with it."""

    subtitles: str | None = flag(group="subtitles", default=None, metavar="WHICH")
    """write subtitles beside the dub: source, target or source,target (what was heard, is said)"""
    subtitle_format: Literal["srt", "vtt"] = flag(default="srt")
    """SubRip or WebVTT (default: srt)"""
    embed_subtitles: bool = flag(default=False)
    """also put them into the dubbed video as tracks that a player can show"""
    burn_subtitles: str = flag(default="", nargs="?", const=TARGET, choices=SIDES, metavar="WHICH")
    """draw subtitles into the picture: target or source (default: target)"""
    subtitle_font: Path | None = flag(default=None, file=Input("the font (--subtitle-font)"))
    """font of burnt-in subtitles, .ttf or .otf (default: Noto Sans KR of the extra `subtitles`)"""
    unit2text_path: Path | None = flag(default=None, file=Input("the text reader"))
    """unit recogniser (units to text) for the report and subtitles (default: the bundle's)"""

    def subtitling(self) -> Subtitling | None:
        """Return what was asked for, None = no subtitles. Raises UsageError for what cannot be."""
        if self.subtitles is None and not self.burn_subtitles and not self.embed_subtitles and self.subtitle_font is None:
            return None
        sides = () if self.subtitles is None else tuple(side.strip() for side in self.subtitles.split(","))
        return Subtitling(sides, f".{self.subtitle_format}", self.embed_subtitles, self.burn_subtitles, self.subtitle_font)


@dataclass(frozen=True)
class DubCommand(SubtitleFlags, RecordingFlags, SpreadFlags, CommonOptions):
    """Dub videos of someone speaking into another language, in the speaker's own voice, with lips that fit."""

    videos: tuple[Path, ...] = positional("VIDEO", default=(), nargs="*", type=Path, group="files")
    """video, several videos, or a folder of them"""
    out: Path | None = out_flag("the dubbed video", default=None)
    """the dubbed video (.mp4, .m4v, .mov or .mkv), for one input"""
    _: KW_ONLY
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """folder for the dubbed videos, named <stem>_<language>.mp4 (default: beside each video)"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    verdict: Path | None = flag(default=None, file=Output("the verdict"), metavar="JSON")
    """write how much is understood before speech and pictures are made"""
    draft: Path | None = flag(default=None, file=Output("the draft"), metavar="JSON")
    """write the utterances and their translation as a script and stop; --script-in continues from it"""
    audio_track: str | None = flag(default=None, metavar="N|LANG")
    """sound track of the video: a number from 1, or a language (default: the first with speech)"""
    video_track: int | None = flag(default=None, metavar="N")
    """picture track of the video, from 1 (default: the one with a face)"""
    ask: bool = flag(
        group=(
            "speech that is not understood",
            "how much is understood is printed before speech and pictures are made; --yes goes on without asking",
        ),
        default=False,
    )
    """ask before going on if little is understood (default on a terminal)"""
    strict: bool = flag(default=False)
    """stop with exit code 3 if little is understood"""
    source: str | None = flag("--from", group="languages and translation", default=None, metavar="LANG")
    """language that is spoken, as en or eng, or auto with --cascade (default: the only one that the models allow)"""
    to: str | None = flag(default=None, metavar="LANG")
    """language to dub into, as ko or kor (default: the same)"""
    modalities: str | None = flag(default=None, choices=MODALITIES, metavar="WHICH")
    """source of the units: audio,video, audio, video, or auto, decided for each utterance by whether the lips belong to
    the sound (default: auto where the unit encoder can tell, as the bundle's; else audio,video)"""
    translator_unit_offset: int | None = flag(default=None)
    """the translator counts units from N (default: 0)"""
    av2unit_path: Path | None = flag(
        group=("models", "the first three belong together; without them, the small models of the bundle are used"),
        default=None,
        file=Input("the unit encoder"),
    )
    """unit encoder, mavhubert_large_noise.pt"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"))
    """unit translator, utut_sts_ft.pt or a fine-tuned one"""
    unit2av_path: Path | None = flag(default=None, file=Input("the renderer"))
    """unit AV renderer, unit_av_renderer_withKO.pt"""
    speaker_encoder_path: Path | None = flag(default=None, file=Input("the speaker encoder"))
    """speaker encoder, encoder.pt (default: resemblyzer's weights)"""
    voice: Path | None = voice_flag()
    """voice to use instead of the source's: a recording or an .npy vector"""
    vocoder_unit_offset: UnitOffset = flag(default="auto", type=unit_offset, metavar="N|auto")
    """row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)"""
    face: str = flag(group="picture", default="auto")
    """auto (largest that speaks), largest, or N-th from the left (default: auto)"""
    in_lip_path: Path | None = flag(default=None, file=Input("the lip video"))
    """existing 96x96 lip video at 25 fps, in place of finding the lips"""
    in_bbox_path: Path | None = flag(default=None, file=Input("the face boxes"))
    """existing face boxes (.bbox.pkl), in place of finding the face"""
    lips: LipSyncChoice = lips_flag()
    hard_paste: bool = flag(default=False)
    """paste the whole face with hard edges, as published"""
    label: str = flag("--burn-label", default="", nargs="?", const="synthetic speech and lips", metavar="TEXT")
    """burn a visible label into the picture"""
    ray: bool = flag(group="many files", default=False)
    """dub the videos of --out-dir in parallel; after a stop, the same command continues"""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_face_choice(self.face)
        if self.ask + self.yes + self.strict > 1:
            raise UsageError("--ask, --yes and --strict do not go together", hint="give one of them")
        if not self.videos:
            raise UsageError("give a video to dub", hint="as in: netflips dub talk.mp4")
        if self.out is not None and self.out_dir is not None:
            raise UsageError("give either --out (one input) or --out-dir (several inputs or a folder)")

    def with_fetched(self) -> "DubCommand":
        """The same with what the cascade is not given: the models of the set `korean` where they were fetched, and who speaks.

        The fetched models dub from English into Korean where no languages are given. With an encoder and a renderer, and neither
        a text-to-unit model nor other speech, a program speaks; a bundle has its own. Raises CheckpointError for a model that
        has changed.
        """
        if not self.cascade or self.text2unit_path:
            return self
        encoder, renderer = self.av2unit_path, self.unit2av_path
        source, to = self.source, self.to
        if encoder is None and renderer is None:
            encoder, renderer = usual_model("--av2unit-path"), usual_model("--unit2av-path")
            source, to = source or "en", to or "ko"
        if encoder is None or renderer is None or bundle_of(renderer) is not None:
            return self
        speaker = self.speak_with or (None if self.speech_in else usual_speaker(normalise_language(to or "ko")))
        return replace(self, source=source, to=to, av2unit_path=encoder, unit2av_path=renderer, speak_with=speaker)
