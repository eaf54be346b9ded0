"""What can be asked of a dub, checked once: flags, their help, the page's form and Python come from these fields."""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta

from avcore.bounds import Amount, Count, Number, Positive
from avcore.errors import NotUnderstoodError, UsageError
from avcore.faces.select import FaceWord
from avcore.files import Input, Output, is_name, require_file
from avcore.flags import flag, shown_name, voice_flag
from avcore.programs import parse_command, takes
from avcore.units import normalise_language
from avcore.words import KOREAN
from netflips.cascade.options import CascadeModels
from netflips.cascade.program import is_chat, require_translate_with
from netflips.cascade.speakers import SpeakerProgram
from netflips.dubbing.spleeter import SPLEETER, require_spleeter
from netflips.provenance.options import SPEECH, SPEECH_AND_LIPS, Generated, MarkFlags
from netflips.published.store import usual_model
from netflips.script.files import read_script
from netflips.script.types import Script
from netflips.subtitles.beside import SIDES, TARGET, Subtitling
from netflips.subtitles.formats import SUBTITLE_SUFFIXES
from netflips.subtitles.given import is_subtitles
from unit2av.lipsync.backend import LipSyncChoice, lips_flag

if TYPE_CHECKING:
    from netflips.quality_estimation import QualityEstimate

AUTO: Final = "auto"
ALL: Final = "all"
PUBLISHED: Final = "audio,video"
Modalities = Literal["audio,video", "audio", "video", "auto"]
Timing = Literal["auto", "source", "free"]
Check = Literal["off", "tell"]
OtherSpeech = Literal["keep", "mute"]
SpeechLevel = Literal["해요체", "합니다체", "해체"]

_Faster = Annotated[float, Meta(gt=0, le=1)]
_Slower = Annotated[float, Meta(ge=1)]
_NUMBERS = Meta(pattern="^(?:all|[1-9][0-9]*(?:,[1-9][0-9]*)*|)$", description="numbers of utterances, as 3,7, or all")
_LEVEL = "-(?:[0-5]?[0-9](?:[.][0-9]+)?|60)|-?0"
_UNDER = Meta(
    pattern=f"^(?:keep|mute|under(?::(?:{_LEVEL}))?)$", description="keep, mute, under, or a level of -60 to 0 dB, as under:-24"
)
SubtitleOffset = float | Literal["auto"]


def _subtitle_offset(text: str) -> SubtitleOffset:
    """Read the value of subtitle_offset."""
    try:
        seconds = math.nan if text == AUTO else float(text)
    except ValueError:
        seconds = math.inf
    if math.isinf(seconds):
        raise argparse.ArgumentTypeError(f"expected auto or seconds, as -1.5, found {text!r}")
    return AUTO if text == AUTO else seconds


PLATFORM_LUFS: Final = -14.0
"""How loud platforms play sound, to which louder sound is turned down."""
UNDER_DB: Final = -18.0
"""How loud the original is below a voice-over, where nobody says."""
SPEECH_IN, KEEP_SOUND, SCRIPT_IN = "--speech-in", "keep_sound", "--script-in"
SEPARATE_WITH, DIARIZE_WITH = "separate_with", "diarize_with"
DUB, ORIGINAL, BACKGROUND = "dub", "original", "background"
"""Sound tracks of tracks."""
NOT_UNDERSTOOD = (
    "speech that is not understood",
    "how much is understood is printed before speech and video are made; where it is not, the dub ends there with exit code 3, "
    "unless somebody at the terminal says go on, or --yes does",
)
_LARGER: Final = "--recognizer takes another one, as a larger Whisper (netflips models list)"
_ANY_SPEECH: Final = "--cascade dubs any English speech, once its models are here: netflips models get korean-free"
"""What helps where speech is not understood over text, and over units."""


_BUILTIN = "builtin"
"""The voice of the vocoder, with the vector and the pitch of the speaker."""


@dataclass(frozen=True, kw_only=True)
class DubOptions(MarkFlags):
    """What one dub depends on, apart from its files and models. Raises UsageError for what does not go together.

    source, to: None = as the models were loaded.
    """

    keys: ClassVar[frozenset[str]] = frozenset((
        "address", "ask", "background_audio", "check", "diarize_with", "freeze_frame", "gpus_per_worker", "hard_paste",
        "keep_sound", "leave_faulty", "loudness", "one_file", "operator", "other_speech", "pace", "people", "pronounce", "ray",
        "retry_failed", "revoice", "separate_with", "sign_certificate", "sign_key", "speaker_encoder_path", "speech_level",
        "stems", "subtitle_font", "subtitle_offset", "timeline", "tracks", "translator_unit_offset", "unit2text_path",
        "utterance_length", "video_track", "vocoder_unit_offset", "workers",
    ))  # fmt: skip
    """Options that few people ask for."""

    audio_track: str | None = flag(group="files", default=None, metavar="N|LANG")
    """sound track of the video: a number from 1, or a language (default: the first with speech)"""
    video_track: Count | None = flag(default=None, metavar="N")
    """video track, from 1 (default: the one with a face)"""
    script_in: Path | None = flag(default=None, file=Input("the script (--script-in)"))
    """what to say, and who says it: a script (.json), as --draft and --report write it; or your subtitles (.srt, .vtt, .ttml, .ass,
    .smi):
    Korean texts are spoken, English ones are what is heard"""
    subtitle_offset: SubtitleOffset | None = flag(default=None, type=_subtitle_offset, metavar="SECONDS|auto")
    """move the subtitles of --script-in by so many seconds, as -1.5; auto: to where the speech is, if it is sure how far that is"""
    draft: Path | None = flag(default=None, file=Output("the draft"), metavar="JSON")
    """write the utterances and their translation as a script and stop; --script-in continues from it"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: <output>.work beside the output of a recording)"""
    strict: bool = flag(group=NOT_UNDERSTOOD, default=False)
    """stop there, too, if any of it is unsure"""
    source: str | None = flag("--from", group="languages and translation", default=None, metavar="LANG")
    """language that is spoken, as en or eng, or auto with --cascade (default: the only one that the models allow)"""
    to: str | None = flag(default=None, metavar="LANG[,LANG]")
    """language to dub into, as ko or kor (default: the only one that the models allow); several, as ko,es: speech, faces and
    speakers are found once, and each gets files of its own, as out_ko.mp4"""
    modalities: Modalities | None = flag(default=None, metavar="WHICH")
    """source of the units: audio,video, audio, video, or auto, decided for each utterance by whether the lips belong to
    the sound (default: auto where the unit encoder can tell, as the bundle's; else audio,video)"""
    beam: Count | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says, 20; quicker: 5, a dub of a minute by published models then
    takes 0.8 of its time on a CPU)"""
    max_target_units: Number | None = flag(default=None)
    """limit of the units of a translation, 0 = none (default: none)"""
    cascade: bool = flag(
        group=("cascade", "dub without a unit translator; needs the extra asr, and a text-to-unit model or --speak-with"),
        default=False,
    )
    """recognize the speech, translate its text and speak the translation, in place of translating units"""
    recognizer: Path | None = flag(default=None, file=Input("the recognizer", may_be_folder=True), metavar="DIR")
    """folder of a recognizer, as of faster-whisper, or a name of netflips models"""
    text_translator: Path | None = flag(default=None, file=Input("the text translator", may_be_folder=True), metavar="DIR")
    """CTranslate2 folder of a translator, or such a name"""
    translate_with: str | None = flag(default=None, metavar="COMMAND|URL")
    """translator in place of --text-translator: a program that answers lines of JSON, an address on this machine, or a server of
    language models, as http://127.0.0.1:11434/v1"""
    translate_model: str | None = flag(default=None, metavar="NAME")
    """language model of --translate-with (default: the only one that its server has)"""
    speech_level: SpeechLevel | None = flag(default=None, metavar="LEVEL")
    """Korean level of speech that a language model writes for all whose level the script does not say: 해요체, 합니다체 or 해체
    (default: 해요체)"""
    retranslate: Annotated[str, _NUMBERS] = flag(default="", nargs="?", const=ALL, metavar="N,N")
    """translate what --script-in says once more, of all utterances or those with these numbers; without it texts and units that
    nobody corrected are said as they stand"""
    glossary: Path | None = flag(default=None, file=Input("the glossary"))
    """how words are translated: lines of English<TAB>Korean; Korean particles are corrected"""
    leave_faulty: bool = flag(default=False)
    """leave sentences in the original whose translation still lacks an amount, a name, a term or a negation, or has others, after
    all tries; without it they are said, and told"""
    check: Check | None = flag(group="check of what is spoken", default=None)
    """hear and measure what is spoken, and report faults (default: tell for recordings where a recognizer is installed,
    else off)"""
    voice: Path | None = voice_flag(may_be_name=True, group="voice")
    """voice to use instead of the source's: a recording or a stored voice; builtin: the source's as the vocoder has it, without the
    colour, breath and melody that are measured on the speaker"""
    people: Path | None = flag(default=None, file=Input("the people (people)", may_be_folder=True), metavar="DIR")
    """people who are known from other recordings, a folder with a sound of each, as netflips script speakers writes it: who surely
    is one of them gets the name and that voice"""
    speak_with: str | None = flag(
        group=("speech that is given", "lips fit to it; what a program speaks keeps its sound"), default=None, metavar="COMMAND"
    )
    """text-to-speech program for the texts of --script-in or --cascade. With {text} or {text_file}, and {out}, it runs once for
    each text ({language}, {speaker}, {reference}: the speaker's own voice, {seconds}: of the original); without them it is started
    once and answers lines of JSON"""
    pronounce: Path | None = flag(default=None, file=Input("the file of readings"))
    """how words of texts are said: lines of word, reading, as NetfLips, 넷플립스; subtitles keep the words"""
    speech_in: Path | None = flag(default=None, file=Input("the speech (--speech-in)", may_be_folder=True), metavar="DIR|FILE")
    """an actor's or interpreter's speech: files named by the number of the utterance, or one file along the recording"""
    keep_sound: bool = flag(default=False)
    """keep the sound of --speech-in, too; lips and times follow it (default: it is said in the speaker's voice)"""
    revoice: bool = flag(default=False)
    """say what --speak-with speaks in the speaker's voice, by its units, which is less well understood"""
    face: FaceWord = flag(group="video", default="auto")
    """auto (largest that speaks), largest, or N-th from the left (default: auto)"""
    in_lip_path: Path | None = flag(default=None, file=Input("the lip video"))
    """existing 96x96 lip video at 25 fps, in place of finding the lips"""
    in_bbox_path: Path | None = flag(default=None, file=Input("the face boxes"))
    """existing face boxes (.bbox.pkl), in place of finding the face"""
    lips: LipSyncChoice = lips_flag(can_be_none=True)
    hard_paste: bool = flag(default=False)
    """paste the whole face with hard edges, as published"""
    timing: Timing = flag(group="recordings of several utterances", default="auto")
    """source: each utterance at its time in the recording, which keeps its frames and length; free: one utterance, as long as it
    takes; auto: a clip of one clean utterance lasts as long as its speech, and no less than before (default)"""
    pace: tuple[_Faster, _Slower] = flag(default=(0.8, 1.25), metavar=("MIN", "MAX"))
    """how much speech may be shortened and lengthened to fit its place (default: 0.8 1.25)"""
    freeze_frame: bool = flag(default=False)
    """freeze the last frame while speech is still too long, so that the output grows longer"""
    utterance_length: tuple[Amount, Positive] = flag(default=(2.0, 12.0), metavar=("MIN", "MAX"))
    """seconds that an utterance should last (default: 2 12)"""
    background: Annotated[str, _UNDER] = flag(default="keep", metavar="keep|mute|under[:DB]")
    """keep or mute the sound outside of speech and behind it; under: a voice-over, with the original heard below the new speech, at
    -18 dB or as in under:-24 (default: keep)"""
    other_speech: OtherSpeech = flag(default="keep")
    """keep or mute speech that no subtitle or utterance of --script-in has (default: keep)"""
    background_audio: Path | None = flag(default=None, file=Input("the background audio"))
    """music and effects without voices, to play behind the new speech"""
    loudness: Annotated[float, Meta(ge=-40, le=-8)] | None = flag(default=None, metavar="LUFS")
    """make all of the sound so loud, as -14 for YouTube, -23 for European television: ITU-R BS.1770, true peaks below -1 dB"""
    separate_with: str | None = flag(default=None, metavar="COMMAND")
    """program that separates music and effects from voices: spleeter, once it is installed, or a program as demucs, with {in}, and
    {dir} or {background}"""
    diarize_with: str | None = flag(default=None, metavar="COMMAND")
    """program that says who speaks when, as pyannote does: with {in}, a wav file, and {out}, where it writes RTTM, else it prints
    that"""
    stems: Path | None = flag(default=None, metavar="DIR")
    """folder for the sound of the dub in parts: speech, background and mix, as files of equal length"""
    timeline: Path | None = flag(default=None, file=Output("the timeline"), metavar="OTIO")
    """write the dub for a video editor as OpenTimelineIO (.otio): dub, original and stems on tracks, each utterance a clip, markers
    at faults"""
    publish: Path | None = flag(default=None, metavar="DIR")
    """folder for all that a platform asks for: the video, its sound and the original's alone, both as loud as --loudness (default:
    -14), subtitles, title, description and chapters in both languages, a picture, the label"""
    tracks: str | None = flag(default=None, metavar="WHICH")
    """sound tracks of the output, of which players play the first and offer the others: dub, and original, background or both, as
    dub,original (default: the dub alone)"""
    start: Amount | None = flag(default=None, metavar="SECONDS")
    """dub from here, output only the part"""
    end: Amount | None = flag(default=None, metavar="SECONDS")
    """dub up to here, output only the part"""
    preview: bool = flag(default=False)
    """dub and output the first utterance only"""
    subtitles: str | None = flag(group="subtitles", default=None, metavar="WHICH")
    """write subtitles beside the dub: source, target or source,target (what was heard, is said); with vtt or ttml, as target,ttml,
    in that format (default: srt)"""
    embed_subtitles: bool = flag(default=False)
    """also put them into the dubbed video as tracks that a player can show"""
    burn_subtitles: Literal["", "source", "target"] = flag(default="", nargs="?", const=TARGET, choices=SIDES, metavar="WHICH")
    """draw subtitles into the video: target or source (default: target)"""
    subtitle_font: Path | None = flag(default=None, file=Input("the font (subtitle_font)"))
    """font of burnt-in subtitles, .ttf or .otf (default: Noto Sans KR of the extra `subtitles`)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The dataclass is frozen, so `object.__setattr__` is how a field gets its normal form.
        for name in ("source", "to"):
            if (given := getattr(self, name)) is not None:
                names = (normalise_language(one) for one in given.split(",") if one.strip())
                object.__setattr__(self, name, ",".join(dict.fromkeys(names)))
        self._check_numbers()
        self._check_cascade()

        if self.revoice and (self.speak_with is None or self.keep_sound):
            expected = f"--speak-with COMMAND, without {KEEP_SOUND}"
            raise UsageError("revoice says a program's speech in another voice", expected=expected, hint="leave it out")
        if self.speak_with is not None and not self.revoice:
            object.__setattr__(self, "keep_sound", True)
        if self.keep_sound and not self.is_speech_given:
            raise UsageError(f"{KEEP_SOUND} keeps speech that is given", hint=f"add {SPEECH_IN} or --speak-with")
        if self.speech_in is not None and not self.speech_in.is_dir():
            require_file(self.speech_in, f"the speech of {SPEECH_IN}")
        if self.separate_with is not None and self.background_audio is not None:
            raise UsageError("separate_with makes what background_audio gives", hint="leave one of them out")
        if self.script_in is not None and self.script_in.suffix.lower() not in (".json", *SUBTITLE_SUFFIXES):
            raise UsageError(f"{SCRIPT_IN} takes .json, {', '.join(SUBTITLE_SUFFIXES)}", found=self.script_in)
        if self.subtitle_offset is not None and (self.script_in is None or not is_subtitles(self.script_in)):
            raise UsageError("subtitle_offset belongs to subtitles", hint=f"add {SCRIPT_IN} talk.srt, or leave it out")
        if self.other_speech != "keep" and self.script_in is None:
            raise UsageError("other_speech belongs to --script-in", hint=f"add {SCRIPT_IN} talk.srt, or leave it out")
        if self.people is not None and self.voice is not None:
            raise UsageError("people has a voice for each, --voice is one for all", hint="leave one of them out")
        if self.retranslate and self.script_in is None:
            raise UsageError("--retranslate belongs to --script-in", hint=f"add {SCRIPT_IN} draft.json, or leave it out")
        if self.timeline is not None and self.timeline.suffix.lower() != ".otio":
            raise UsageError("timeline writes OpenTimelineIO", expected="a name that ends in .otio", found=self.timeline)
        if self.timeline is not None and self.is_draft:
            raise UsageError("timeline shows a dub, and --draft makes none", hint="leave one of them out")
        if self.timing == "free" and self.is_of_recordings:
            raise UsageError("options for recordings of several utterances do not go with --timing free")
        _ = self.subtitling, self.separation_command, self.diarization_command, self.speaker  # each is refused here
        if BACKGROUND in self.alternates and self.background != "keep":
            hint = "leave one of them out"
            raise UsageError("tracks background is of a dub that keeps it", found=f"--background {self.background}", hint=hint)

    # Checks

    def _check_numbers(self) -> None:
        least, most = self.utterance_length
        if 2 * least > most:
            found, expected = f"{least:g} to {most:g} s", "a greatest length of at least twice the least"
            raise UsageError("these lengths of an utterance cannot be kept", expected=expected, found=found)

        if self.end is not None and not (start := self.start or 0.0) < self.end:
            found = f"{start:g} and {self.end:g} s"
            raise UsageError("--start and --end must be times in order", expected="0 <= start < end", found=found)
        if self.preview and (self.start is not None or self.end is not None):
            raise UsageError("--preview shows the first utterance; it does not go with --start and --end")

    def _check_cascade(self) -> None:
        if not self.cascade:
            names = (
                "recognizer",
                "text_translator",
                "translate_with",
                "translate_model",
                "speech_level",
                "glossary",
                "leave_faulty",
            )
            asked = [shown_name(type(self), name) for name in names if getattr(self, name) not in (None, False)]
            if asked:
                belong = "belongs" if len(asked) == 1 else "belong"
                raise UsageError(f"{' and '.join(asked)} {belong} to the cascade", hint="add --cascade, or leave it out")
            return

        if self.translate_with is not None:
            require_translate_with(self.translate_with, self.translate_model)
            if self.text_translator is not None:
                raise UsageError("--translate-with stands in place of --text-translator", hint="leave one of them out")
        elif self.translate_model is not None:
            raise UsageError("--translate-model belongs to --translate-with", hint="add --translate-with http://127.0.0.1:11434/v1")

        if self.speech_level is not None and not is_chat(self.translate_with or "", self.translate_model):
            hint = "add --translate-with http://127.0.0.1:11434/v1; other translators write as they were trained"
            raise UsageError("speech_level belongs to a language model", hint=hint)
        if self.speech_level is not None and self.to is not None and KOREAN not in self.to.split(","):
            raise UsageError("speech_level is of Korean", expected="--to ko", found=f"--to {self.to}")

        if self.beam is not None or self.max_target_units is not None:
            raise UsageError("--beam and --max-target-units belong to the unit pipeline", hint="leave them out")
        if self.timing == "free":
            raise UsageError("--timing free belongs to the unit pipeline", hint="over text each utterance is spoken in its place")
        if self.modalities not in (None, "audio"):
            raise UsageError("the cascade hears sound", expected="--modalities audio", found=self.modalities)
        object.__setattr__(self, "modalities", "audio")

    # What follows from the fields

    @property
    def generated(self) -> Generated:
        """What is generated."""
        return SPEECH_AND_LIPS if self.lips.draws else SPEECH

    def require_understood(self, quality: "QualityEstimate", path: str | Path | None = None) -> None:
        """Raise NotUnderstoodError if the words are not understood, or with --strict unsure. A draft goes on: it is to be read.

        path: of the video, for the message.
        """
        from netflips.quality_estimation import require_sure  # with NumPy, for which the help need not wait

        if self.strict:
            require_sure(quality, path, ("without --strict it goes on all the same", *self._ways_out))
        if quality.words == "not_understood" and not self.is_draft:
            hint = "\n".join((self._going_on, *self._ways_out))
            raise NotUnderstoodError("it is not understood, and nothing is written", path=path, hint=hint)

    _going_on: ClassVar[str] = "decide=lambda quality: None goes on all the same"

    @property
    def _ways_out(self) -> tuple[str, str]:
        """What a user can do about speech that is not understood."""
        given = "--draft talk.json writes what was understood, to be corrected; --script-in says that, or your own talk.ko.srt"
        return given, _LARGER if self.cascade else _ANY_SPEECH

    @property
    def has_builtin_voice(self) -> bool:
        """Whether a speaker's voice is left as the vocoder has it."""
        return self.voice is not None and is_name(self.voice) and self.voice.name == _BUILTIN

    @property
    def is_draft(self) -> bool:
        """Whether the dub ends when what is said is known."""
        return self.draft is not None

    @property
    def uses_audio(self) -> bool:
        """Whether units are taken from the sound, where there is any."""
        return self.modalities != "video"

    @property
    def uses_video(self) -> bool:
        """Whether units are taken from the lips, where they are seen."""
        return self.modalities != "audio"

    @property
    def is_speech_given(self) -> bool:
        """Whether a program, a person's files or a track of speech say what is said."""
        return self.speak_with is not None or self.speech_in is not None

    @cached_property
    def speaker(self) -> SpeakerProgram | None:
        """The program that speaks. Raises UsageError."""
        return None if self.speak_with is None else SpeakerProgram.of(self.speak_with)

    @cached_property
    def under(self) -> float:
        """How loud the original is heard below new speech, as a factor of its own level."""
        word, _, level = self.background.partition(":")
        return float(10 ** (float(level or UNDER_DB) / 20)) if word == "under" else 0.0

    def stem_files(self, out: Path) -> list[Path]:
        """Return the files of stems for an output: speech, background and mix; none where nobody asks for them."""
        return [] if self.stems is None else [self.stems / f"{out.stem}.{name}.wav" for name in ("speech", "background", "mix")]

    @property
    def target_loudness(self) -> float | None:
        """How loud the sound is made (LUFS); None = as it is."""
        return PLATFORM_LUFS if self.loudness is None and self.publish is not None else self.loudness

    def published(self, out: Path, source: str, target: str) -> list[Path]:
        """Return the files of `publish` for an output: video, its sound, the original's, a picture, then for source and target
        subtitles and description. None where nobody asks for them."""
        if self.publish is None:
            return []
        sounds = (f"{target}.m4a", f"{source}.m4a") if source != target else (f"{target}.m4a", "original.m4a")
        endings = (*sounds, "jpg", f"{source}.srt", f"{source}.txt", f"{target}.srt", f"{target}.txt")
        return [self.publish / out.name, *(self.publish / f"{out.stem}.{ending}" for ending in endings)]

    def own_name(self, out: Path) -> Path:
        """Return what no two outputs of a run may share: their path, without its ending where subtitles, stems or a manifest are
        named after it."""
        return out.with_suffix("") if self.subtitles or self.stems or self.publish or self.sign else out

    @cached_property
    def alternates(self) -> tuple[str, ...]:
        """The sound tracks beside the dub: `ORIGINAL`, `BACKGROUND`, both or none. Raises UsageError."""
        first, *others = (one.strip() for one in (self.tracks or DUB).split(","))
        if first != DUB or not set(others) <= {ORIGINAL, BACKGROUND} or len(set(others)) != len(others):
            expected = "dub first, then original, background or both, as dub,original"
            raise UsageError("tracks cannot be used", expected=expected, found=self.tracks)
        return tuple(others)

    @cached_property
    def separation_command(self) -> tuple[str, ...]:
        """The words of the program that separates voices from the rest; none where nothing does. Raises UsageError."""
        if self.separate_with is None:
            return ()
        if self.separate_with == SPLEETER:
            require_spleeter()
            return (sys.executable, "-m", "netflips.dubbing.separation", "{in}", "{background}")

        words = parse_command(self.separate_with, SEPARATE_WITH)
        if not takes(words, "in") or not takes(words, "dir", "background"):
            raise UsageError(
                f"{SEPARATE_WITH} says nowhere what is read, or where it is written",
                expected='{in}, and {dir} or {background}, as "demucs --two-stems=vocals --clip-mode clamp -o {dir} {in}"',
                found=" ".join(words),
            )
        return words

    @cached_property
    def diarization_command(self) -> tuple[str, ...]:
        """The words of the program that says who speaks when; none where nothing does. Raises UsageError."""
        if self.diarize_with is None:
            return ()
        words = parse_command(self.diarize_with, DIARIZE_WITH)
        if not takes(words, "in"):
            expected = '{in}, as "python diarize.py {in} {out}"'
            raise UsageError(f"{DIARIZE_WITH} says nowhere what is read", expected=expected, found=" ".join(words))
        return words

    @cached_property
    def subtitling(self) -> Subtitling | None:
        """The subtitles that are asked for, None = none. Raises UsageError."""
        if self.subtitles is None and not self.burn_subtitles and not self.embed_subtitles and self.subtitle_font is None:
            return None
        return Subtitling.of(self.subtitles or "", self.embed_subtitles, self.burn_subtitles, self.subtitle_font)

    @cached_property
    def cascade_models(self) -> CascadeModels | None:
        """The models of the cascade, where that is asked for: those that are given, else those of the set `korean`.

        Raises UsageError for models that are missing.
        """
        if not self.cascade:
            return None

        given = {"--recognizer": self.recognizer}
        if self.translate_with is None:
            given["--text-translator"] = self.text_translator
        used = {flag: path or usual_model(flag) for flag, path in given.items()}
        missing = [f"{flag} DIR" for flag, path in used.items() if path is None]
        if missing or (recognizer := used["--recognizer"]) is None:
            hint = "run: netflips models get korean-free"
            raise UsageError("--cascade needs models that are not here", expected=" and ".join(missing), hint=hint)

        program, level = self.translate_with or "", self.speech_level or ""
        return CascadeModels(recognizer, used.get("--text-translator"), program, self.glossary, self.translate_model, level)

    @cached_property
    def script(self) -> Script | None:
        """The script of --script-in; None where there is none, or it is a file of subtitles. Raises InputError."""
        return None if self.script_in is None or is_subtitles(self.script_in) else read_script(self.script_in)

    @cached_property
    def retranslated(self) -> frozenset[int]:
        """Numbers of the script's utterances that --retranslate names. Raises UsageError for one that it does not have."""
        there = frozenset(() if self.script is None else (utterance.number for utterance in self.script.utterances))
        if self.retranslate == ALL:
            return there
        asked = frozenset(int(number) for number in self.retranslate.split(",") if number)
        if asked - there:
            expected = f"numbers from 1 to {max(there)}" if there else "a script (.json)"
            raise UsageError("--retranslate names an utterance that is not there", expected=expected, found=min(asked - there))
        return asked

    @property
    def is_of_recordings(self) -> bool:
        """Whether something is asked for that only a recording in its own time can give."""
        names = (
            "script_in", "speak_with", "speech_in", "pace", "freeze_frame", "utterance_length", "background",
            "background_audio", "separate_with", "diarize_with", "stems", "tracks", "start", "end", "preview",
        )  # fmt: skip
        return bool(set(names) & set(self.asked))

    @property
    def asked(self) -> dict[str, Any]:
        """What is not as it is by default, by the names of the fields, as JSON has it: for reports and the names of kept work."""
        ours = {field.name: getattr(self, field.name) for field in fields(DubOptions)}
        default = {
            field.name: field.default if field.default_factory is MISSING else field.default_factory()
            for field in fields(DubOptions)
        }
        return {name: _plain(value) for name, value in ours.items() if value != default[name]}


def settings_as_json(options: object, *names: str) -> dict[str, Any]:
    """Return some options by name, as JSON holds them."""
    return {name: _plain(getattr(options, name)) for name in names}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
