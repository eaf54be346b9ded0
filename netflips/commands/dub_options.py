"""The options of `netflips dub`: those of any dub (`DubOptions`), and its files, models and languages."""

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from avcore.checkpoints.bundle import bundle_of
from avcore.errors import Message, UsageError
from avcore.files import Input, Output
from avcore.flags import CommonOptions, files_written, flag, out_flag, positional, report_flag, shown_name
from avcore.words import KOREAN
from netflips.bulk.flags import SpreadFlags
from netflips.cascade.speakers import usual_speaker
from netflips.dubbing.options import NOT_UNDERSTOOD, SCRIPT_IN, SPEECH_IN, DubOptions
from netflips.model_paths import UnitOffset
from netflips.published.store import usual_model
from unit2av.inference_options import unit_offset

if TYPE_CHECKING:
    from netflips.quality_estimation import QualityEstimate


@dataclass(frozen=True)
class DubCommand(DubOptions, SpreadFlags, CommonOptions):
    """Dub videos of someone speaking into another language, with lips that fit.

    The voice is a built-in one at the speaker's pitch; a published renderer imitates the speaker's own."""

    videos: tuple[Path, ...] = positional("VIDEO", default=(), nargs="*", type=Path, group="files")
    """video or sound file, several of them, or a folder of them"""
    out: Path | None = out_flag("the dubbed video", default=None)
    """the dubbed video (.mp4, .m4v, .mov or .mkv), or sound (.m4a, .mp3, .wav, .flac, .opus or .ogg), for one input"""
    _: KW_ONLY
    out_dir: Path | None = flag(default=None, metavar="DIR")
    """folder for the dubbed videos, named <stem>_<language>.mp4, or with a sound's own ending (default: beside each input)"""
    one_file: bool = flag(default=False)
    """also write one file with all languages of --to, as out_ko_es.mp4: frames and lips are the first one's, each has a sound
    track"""
    report: tuple[Path, ...] = report_flag()
    """write what was done: .html is a page to read, any other name is JSON; may be given for each"""
    verdict: Path | None = flag(default=None, file=Output("the verdict"), metavar="JSON")
    """write how much is understood before speech and video are made"""
    ask: bool = flag(group=NOT_UNDERSTOOD, default=False)
    """ask before going on if it is not understood (default on a terminal)"""
    translator_unit_offset: int | None = flag(group="languages and translation", default=None)
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
    """speaker encoder, encoder.pt or x.onnx (default: resemblyzer's weights)"""
    unit2text_path: Path | None = flag(default=None, file=Input("the unit-to-text model"))
    """unit recognizer (units to text) for the report and subtitles (default: the bundle's)"""
    text2unit_path: Path | None = flag(default=None, file=Input("the text-to-unit model"))
    """text-to-unit model for --script-in and --cascade (default: the bundle's)"""
    vocoder_unit_offset: UnitOffset = flag(default="auto", type=unit_offset, metavar="N|auto")
    """row of unit 0 in the vocoder's table (default: auto, as the checkpoint shows)"""
    ray: bool = flag(group="many files", default=False)
    """dub the videos of --out-dir in parallel; after a stop, the same command continues"""

    _going_on: ClassVar[str] = "--yes goes on all the same"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ask + self.yes + self.strict > 1:
            raise UsageError("ask, --yes and --strict do not go together", hint="give one of them")
        if not self.videos:
            raise UsageError("give a video to dub", hint="as in: netflips dub talk.mp4")
        if self.out is not None and self.out_dir is not None:
            raise UsageError("give either --out (one input) or --out-dir (several inputs or a folder)")
        if self.text2unit_path is not None and self.script_in is None and not self.cascade:
            raise UsageError("--text2unit-path belongs to --script-in", hint="add --script-in script.json, or --cascade")

    def require_understood(self, quality: "QualityEstimate", path: str | Path | None = None) -> None:
        """Raise NotUnderstoodError as for any dub, unless --yes goes on."""
        if not self.yes:
            super().require_understood(quality, path)

    def in_each_language(self) -> "tuple[DubCommand, ...]":
        """The same for each language of --to, with what the cascade is not given.

        Of several languages, each names its files after it. Raises UsageError for options that only one language can have, and
        what `with_fetched` raises.
        """
        languages = (self.to or "").split(",")
        if self.one_file and len(languages) == 1:
            raise UsageError("one_file belongs to several languages", expected="--to ko,es", found=self.to)
        if len(languages) == 1:
            return (self.with_fetched(),)

        names = ("tracks", "sign", "draft", "freeze_frame", "burn_subtitles", "embed_subtitles")
        apart = [shown_name(type(self), name) for name in names if getattr(self, name)]
        apart += ["--timing free"] if self.timing == "free" else []
        if self.one_file and apart:
            raise UsageError(Message("{what} does not go with one_file", what=apart[0]), hint="leave one of them out")

        of_one = {"--glossary": self.glossary, "pronounce": self.pronounce, SPEECH_IN: self.speech_in, SCRIPT_IN: self.script}
        if one := next((flag for flag, given in of_one.items() if given is not None), None):
            hint = "dub each language by itself; with the same --work-dir all that is found in the video is found once"
            raise UsageError(f"{one} holds words of one language", expected="one language in --to", found=self.to, hint=hint)

        def named(given: Any, language: str) -> Any:
            if isinstance(given, tuple):
                return tuple(with_language(one, language) for one in given)
            return None if given is None else with_language(given, language)

        return tuple(
            replace(
                self,
                to=one,
                timing="source" if self.one_file else self.timing,
                speech_level=self.speech_level if one == KOREAN else None,
                **{name: named(path, one) for name, path in files_written(self).items()},
            ).with_fetched()
            for one in languages
        )

    def with_fetched(self) -> "DubCommand":
        """The same with what the cascade is not given: the models of the set `korean` where they were fetched, and who speaks.

        The fetched models dub from English into Korean where no languages are given. With an encoder and a renderer, and neither
        a text-to-unit model nor other speech, a program speaks; a bundle has its own. Raises CheckpointError for a model that
        has changed.
        """
        if not self.cascade or self.text2unit_path:
            return self

        encoder, renderer = self.av2unit_path, self.unit2av_path
        to = self.to
        if encoder is None and renderer is None:
            encoder, renderer = usual_model("--av2unit-path"), usual_model("--unit2av-path")
            to = to or "ko"
        if encoder is None or renderer is None or bundle_of(renderer) is not None:
            return self

        speaker = self.speak_with or (None if self.speech_in else usual_speaker(to or "ko"))
        # These renderers imitate the speaker's voice, which is what they are chosen for.
        is_usual = speaker is not None and self.speak_with is None
        return replace(
            self, to=to, av2unit_path=encoder, unit2av_path=renderer, speak_with=speaker, revoice=self.revoice or is_usual
        )


def with_language(path: Path, language: str) -> Path:
    """Return the name that a file has in one of several languages: `out_ko.mp4` for `out.mp4`."""
    return path.with_name(f"{path.stem}_{language}{path.suffix}")
