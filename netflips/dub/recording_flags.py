"""The options of `netflips dub` for recordings of several utterances."""

from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError, UsageError
from avcore.files import Input, Output
from avcore.flags import flag
from avcore.programs import parse_command, takes
from avcore.texts import read_json
from netflips.cascade.options import CascadeFlags
from netflips.dub.given_speech import SpeechFlags
from netflips.dub.segments import READ_SUFFIXES, require_segment_name
from netflips.dub.timing import TIMINGS, Pace
from netflips.dub.utterances import UtteranceLength
from netflips.options import BACKGROUNDS, Background, RecordingOptions
from netflips.script.files import read_script
from netflips.script.imports import is_script
from netflips.script.types import FORMAT

SEPARATE_WITH = "--separate-with"


@dataclass(frozen=True, kw_only=True)
class RecordingFlags(SpeechFlags, CascadeFlags):
    """--timing and all that goes with recordings in their own time."""

    timing: str = flag(group="recordings of several utterances", default="auto", choices=TIMINGS)
    """source: each utterance at its time in the recording, which keeps its pictures and length; free: one utterance, as long as it
    takes; auto: free for a clip of one utterance (default)"""
    pace: tuple[float, float] = flag(default=(0.8, 1.25), metavar=("MIN", "MAX"))
    """how much speech may be shortened and lengthened to fit its place (default: 0.8 1.25)"""
    hold_picture: bool = flag(default=False)
    """hold the picture while speech is still too long, so that the output grows longer"""
    utterance_length: tuple[float, float] = flag(default=(2.0, 12.0), metavar=("MIN", "MAX"))
    """seconds that an utterance should last (default: 2 12)"""
    background: Background = flag(default="keep", choices=BACKGROUNDS)
    """keep or mute the sound outside of speech (default: keep)"""
    background_audio: Path | None = flag(default=None, file=Input("the background audio"))
    """music and effects without voices, to play behind the new speech"""
    separate_with: str | None = flag(default=None, metavar="COMMAND")
    """program that separates them from the recording's sound, as demucs does: with {in}, and {dir} or {background}"""
    segments: Path | None = flag(default=None, file=Output("the segments file (--segments)"))
    """write the times of the utterances (.json or .srt)"""
    segments_in: Path | None = flag(default=None, file=Input("the segments file (--segments-in)"))
    """your subtitles (.srt, .vtt, .ass, .smi): Korean texts are spoken, English ones are what is heard; or the .json of --segments,
    where a target_text is spoken"""
    text2unit_path: Path | None = flag(default=None, file=Input("the speller"))
    """text-to-unit model for --segments-in and --cascade (default: the bundle's)"""
    speaker_map: Path | None = flag(default=None, file=Input("the speaker map"))
    """speaker, voice and face of each utterance (.json)"""
    script_in: Path | None = flag(default=None, file=Input("the script (--script-in)"))
    """a script (.json), as --report writes one: places, speakers and texts are taken from it"""
    start: float | None = flag(default=None, metavar="SECONDS")
    """dub from here, output only the part"""
    end: float | None = flag(default=None, metavar="SECONDS")
    """dub up to here, output only the part"""
    preview: bool = flag(default=False)
    """dub and output the first utterance only"""
    work_dir: Path | None = flag(default=None, metavar="DIR")
    """folder of finished work, so that a stopped run can continue (default: <output>.work beside the output)"""

    def recording(self) -> RecordingOptions:
        """Return what was asked for. Raises UsageError for what cannot be."""
        if self.segments is not None:
            require_segment_name(self.segments, "--segments")
        if self.segments_in is not None:
            require_segment_name(self.segments_in, "--segments-in", READ_SUFFIXES)
        if self.script_in is not None:
            if self.segments_in is not None or self.speaker_map is not None:
                raise UsageError("--script-in says what --segments-in and --speaker-map say", hint="give one of them")
            if not is_script(read_json(self.script_in, "the script")):
                raise InputError("this is no script", path=self.script_in, expected=f'"format": "{FORMAT}"')
            read_script(self.script_in)
        if self.separate_with is not None and self.background_audio is not None:
            raise UsageError("--separate-with makes what --background-audio gives", hint="leave one of them out")
        if self.text2unit_path is not None and self.segments_in is None and self.script_in is None and not self.cascade:
            hint = "add --segments-in times.json with a target_text, or --cascade"
            raise UsageError("--text2unit-path belongs to --segments-in", hint=hint)
        return RecordingOptions(
            pace=Pace(*self.pace, self.hold_picture),
            length=UtteranceLength(*self.utterance_length),
            background=self.background,
            background_audio=self.background_audio,
            separate_with=() if self.separate_with is None else _separation_command(self.separate_with),
            segments_out=self.segments,
            segments_in=self.segments_in or self.script_in,
            speaker_map=self.speaker_map or self.script_in,
            start_s=self.start,
            end_s=self.end,
            is_preview=self.preview,
            work_dir=self.work_dir,
            speech=self.given_speech(),
        )


def _separation_command(text: str) -> tuple[str, ...]:
    """Return the words of a command that separates. Raises UsageError."""
    words = parse_command(text, SEPARATE_WITH)
    if not takes(words, "in") or not takes(words, "dir", "background"):
        raise UsageError(
            f"{SEPARATE_WITH} says nowhere what is read, or where it is written",
            expected='{in}, and {dir} or {background}, as "demucs --two-stems=vocals --clip-mode clamp -o {dir} {in}"',
            found=" ".join(words),
        )
    return words
