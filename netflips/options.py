"""What a user asks for when dubbing, apart from the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from avcore.checkpoints.bundle import needed_stages
from avcore.checkpoints.stages import Stage
from avcore.errors import UsageError
from avcore.units import normalise_language
from netflips.cascade.options import CascadeModels
from netflips.dub.given_speech import GivenSpeech
from netflips.dub.timing import TIMINGS, Pace
from netflips.dub.utterances import UtteranceLength
from netflips.subtitles.beside import Subtitling
from netflips.subtitles.dubbed import SOURCE
from unit2av.lipsync.backend import LipSyncChoice

AUTO, PUBLISHED = "auto", "audio,video"
MODALITIES = (PUBLISHED, "audio", "video", AUTO)
Background = Literal["keep", "mute"]
BACKGROUNDS: tuple[str, ...] = get_args(Background)
_PATH = "_path"
UnitOffset = int | Literal["auto"]


@dataclass(frozen=True)
class ModelPaths:
    """Where the weights are. av2unit, utut: None in the cascade, which has neither. speaker_encoder: None takes
    resemblyzer's weights, which come along.

    others: of stages that not every dub needs, by their names among the models of a bundle, as `recognizer` or `speller.ko`.
    """

    av2unit: Path | None
    utut: Path | None
    unit2av: Path
    speaker_encoder: Path | None = None
    others: Mapping[str, Path] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _take_paths(self, "av2unit", "utut", "unit2av", "speaker_encoder")
        object.__setattr__(self, "others", {part: Path(path) for part, path in self.others.items()})

    @classmethod
    def of(cls, needed: Mapping[Stage, Path], speaker_encoder: Path | None, others: Mapping[str, Path]) -> "ModelPaths":
        """The same from the checkpoints of the stages that a dub needs: all, or in the cascade the renderer."""
        named: dict[str, Path | None] = dict.fromkeys(stage.option.removesuffix(_PATH) for stage in needed_stages())
        named |= {stage.option.removesuffix(_PATH): path for stage, path in needed.items()}
        return cls(**named, speaker_encoder=speaker_encoder, others=others)  # type: ignore[arg-type]

    def other(self, stage: Stage, language: str = "") -> Path | None:
        """Return the checkpoint of a stage that not every dub needs, None = there is none.

        language: of a stage that has a model for each of them; one that was given with the flag serves any.
        """
        return self.others.get(stage.part_for(language)) or self.others.get(stage.part)

    @property
    def needed(self) -> dict[Stage, Path]:
        """The checkpoints of the stages that this dub needs."""
        paths = {stage: getattr(self, stage.option.removesuffix(_PATH)) for stage in needed_stages()}
        return {stage: path for stage, path in paths.items() if path is not None}

    @property
    def all(self) -> tuple[Path, ...]:
        """All files that were given."""
        return (*self.needed.values(), *filter(None, (self.speaker_encoder,)), *self.others.values())


@dataclass(frozen=True)
class RecordingOptions:
    """What matters to recordings of several utterances only.

    background: keep or mute the sound outside of speech; background_audio: music and effects, heard wherever the recording's own
    sound is not; separate_with: the words of a program that makes them. segments_out, segments_in: utterance times to write, and
    to use in place of our own. speaker_map: who says what, in which voice, with which face. start_s, end_s: the part to dub (s).
    is_preview: the first utterance only. work_dir: where finished work is kept; None = beside the output. speech: that is given.
    """

    pace: Pace = field(default_factory=Pace)
    length: UtteranceLength = field(default_factory=UtteranceLength)
    background: Background = "keep"
    background_audio: Path | None = None
    separate_with: tuple[str, ...] = ()
    segments_out: Path | None = None
    segments_in: Path | None = None
    speaker_map: Path | None = None
    start_s: float | None = None
    end_s: float | None = None
    is_preview: bool = False
    work_dir: Path | None = None
    speech: GivenSpeech = field(default_factory=GivenSpeech)

    def __post_init__(self) -> None:
        _take_paths(self, "background_audio", "segments_out", "segments_in", "speaker_map", "work_dir")
        if self.background not in BACKGROUNDS:
            raise UsageError("unknown --background", expected=" or ".join(BACKGROUNDS), found=self.background)
        start, end = self.start_s or 0.0, float("inf") if self.end_s is None else self.end_s
        if not 0 <= start < end:
            raise UsageError(
                "--start and --end must be times in order", expected="0 <= start < end", found=f"{start:g} and {end:g} s"
            )
        if self.is_preview and (self.start_s is not None or self.end_s is not None):
            raise UsageError("--preview shows the first utterance; it does not go with --start and --end")

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for that only a recording in its own time can give."""
        return self == RecordingOptions()


@dataclass(frozen=True)
class DubOptions:
    """One dub: languages, what the unit encoder sees, and where pieces come from that are not made here.

    modalities: what the units are taken from (the lips are rendered whenever there is a face); auto = decided for each
    utterance; None = auto with a unit encoder that says how far lips and sound agree, else both, as published. beam:
    None = as the checkpoint says. max_target_units: None, 0 = no limit. face: `auto` (the largest that speaks),
    `largest` or a number. speaker: a recording or .npy vector in place of the source's voice. hard_paste: the published
    paste, of the whole face without a feathered edge. mouth: what moves the lips. label: text burnt into the picture, "" = none.
    timing: source = each utterance in its own place and the recording's own pictures; free = one utterance, as long as it takes
    (the published behaviour); auto = free for a clip of one utterance. subtitles: text beside, in or on the dub, None = none.
    road: over text, None = over units; over text all is dubbed in its own time, by what is heard. audio_track: which
    one is heard, a number from 1 or a language; None = the first in which somebody speaks. video_track: which pictures are taken,
    from 1; None = those with a face. strict: what is hardly understood is not
    dubbed.
    """

    source: str = "en"
    target: str = "ko"
    modalities: str | None = None
    beam: int | None = None
    max_target_units: int | None = None
    face: str = "auto"
    speaker: Path | None = None
    lips: Path | None = None
    boxes: Path | None = None
    hard_paste: bool = False
    mouth: LipSyncChoice = field(default_factory=LipSyncChoice)
    label: str = ""
    timing: str = "auto"
    recording: RecordingOptions = field(default_factory=RecordingOptions)
    subtitles: Subtitling | None = None
    road: CascadeModels | None = None
    audio_track: str | None = None
    video_track: int | None = None
    strict: bool = field(default=False, repr=False)  # it changes no dub, and dubs of many videos are known by all that does

    def __post_init__(self) -> None:
        _take_paths(self, "speaker", "lips", "boxes")
        object.__setattr__(self, "source", normalise_language(self.source))
        object.__setattr__(self, "target", normalise_language(self.target))
        if self.modalities is not None and self.modalities not in MODALITIES:
            raise UsageError("unknown modalities", expected=" or ".join(MODALITIES), found=self.modalities)
        if self.beam is not None and self.beam < 1:
            raise UsageError("--beam must be 1 or more", found=self.beam)
        if self.max_target_units is not None and self.max_target_units < 0:
            raise UsageError("--max-target-units must be 0 (no limit) or more", found=self.max_target_units)
        if self.timing not in TIMINGS:
            raise UsageError("unknown --timing", expected=" or ".join(TIMINGS), found=self.timing)
        if self.road is not None:
            self._settle_for_text()
        if self.timing == "free" and not self.recording.is_default:
            raise UsageError("options for recordings of several utterances do not go with --timing free")

    def _settle_for_text(self) -> None:
        if self.timing == "free":
            raise UsageError("--timing free belongs to the unit pipeline", hint="over text each utterance is spoken in its place")
        if self.modalities not in (None, "audio"):
            raise UsageError("the cascade hears sound", expected="--modalities audio", found=self.modalities)
        object.__setattr__(self, "modalities", "audio")

    def language_of(self, side: str) -> str:
        """Return the language of a side of the dub, `source` or `target`."""
        return self.source if side == SOURCE else self.target

    @property
    def uses_audio(self) -> bool:
        """Whether units are taken from the sound, where there is any."""
        return self.modalities != "video"

    @property
    def uses_video(self) -> bool:
        """Whether units are taken from the lips, where they are seen."""
        return self.modalities != "audio"

    @property
    def decides(self) -> bool:
        """Whether sound and lips are compared, and one of them may be left out."""
        return self.modalities == AUTO

    def settled_for(self, can_compare: bool) -> "DubOptions":
        """The same options with modalities chosen, for a unit encoder that can or cannot compare lips and sound.

        Raises UsageError for `auto` with one that cannot.
        """
        if self.modalities is None:
            return replace(self, modalities=AUTO if can_compare else PUBLISHED)
        if self.decides and not can_compare:
            raise UsageError(
                "the unit encoder does not say how far its lips and its sound agree, so nothing can be decided by it",
                hint=f"give --modalities {PUBLISHED}, audio or video (av2unit.train export --judge-lips makes one that does)",
            )
        return self


@dataclass(frozen=True)
class RunOptions:
    """How the models run: device, number format, unit offsets.

    puts_away: stages leave memory when a dub has done with them, and are read again for the next one.
    """

    device: str = "auto"
    precision: str = "float32"
    vocoder_unit_offset: UnitOffset = "auto"
    translator_unit_offset: int | None = None
    puts_away: bool = False


def _take_paths(options: object, *names: str) -> None:
    """Let a path be given as text. Raises UsageError for what is neither."""
    for name in names:
        given = getattr(options, name)
        if given is not None and not isinstance(given, str | Path):
            raise UsageError(f"{name} is no path", expected="a path or text", found=type(given).__name__)
        object.__setattr__(options, name, None if given is None else Path(given))
