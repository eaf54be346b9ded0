"""The schedules of a dub: at which rates it is written, how long it lasts, and what it takes over from the recording.

A script stores a schedule's name; the job has its value, once its utterances are known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from avcore.media import MediaInfo, MediaSource
from avcore.media.passthrough import PassthroughMetadata
from avcore.media.writer import synthetic_comment
from avcore.timeline import FRAME_RATE, SAMPLE_RATE
from netflips.dubbing.part import OutputClock, Part, fitted
from netflips.dubbing.sound import Sound
from netflips.models import Models
from netflips.provenance.options import LIPS, VIDEO, Generated
from netflips.script.targets import UnitList
from netflips.script.types import Script
from unit2av.voice.speech import rate_of


@dataclass(frozen=True)
class Schedule:
    """That of a clip: its frames go forwards and backwards, or the last one stays, for as long as its utterance takes."""

    keeps_voice = False
    """whether nothing is said in a speaker's voice: speech is heard in the voice that it has, or nothing is spoken"""
    without_face = "use --modalities audio to dub the speech and leave the video as it is"
    """what a user can do about a video in which no face is found"""
    without_speech = "give the times of the utterances with --script-in"
    """what a user can do about a recording in which nobody speaks"""

    def of(self, script: Script) -> "Schedule":
        """Return the schedule of a script whose utterances are known: a recording is source-timed."""
        return SourceTimed() if script.is_source_timed else self

    def frame_rate(self, info: MediaInfo) -> Fraction:
        """Return the frame rate of the output in Hz. It is the published model's."""
        return Fraction(FRAME_RATE)

    def sound_rate(self, info: MediaInfo, models: Models) -> int:
        """Return the sample rate of the new speech in Hz."""
        return rate_of(models.vocoder)

    def length_s(self, part: Part) -> Fraction | None:
        """Return the length of the output without its freeze frames (s); None: as long as its utterance takes."""
        return None

    def end_s(self, script: Script, clock: OutputClock) -> float:
        """Return when the output ends (s)."""
        return max(fit.output.end_s for _, fit in fitted(script))

    def carried(self, script: Script, source: MediaSource, clock: OutputClock) -> PassthroughMetadata | None:
        """Return what the output copies from the video: titles, and chapters and subtitles if times stay the same."""
        return PassthroughMetadata(source, titles=script.titles)

    def comment(self, script: Script, made_by: Iterable[str], lips: str) -> str:
        """Return what the output says of itself. made_by: fingerprints of the models. lips: name of the lip-sync backend."""
        return synthetic_comment(script.target, made_by, script.source)

    def generated(self, script: Script) -> Generated | None:
        """Return what is generated in the output; None: as the options say."""
        return None


@dataclass(frozen=True)
class SourceTimed(Schedule):
    """That of a recording: each utterance in its place, each frame at its own time; a frame is held where speech is too long."""

    def frame_rate(self, info: MediaInfo) -> Fraction:
        """Return the recording's frame rate in Hz; 25 for sound."""
        return info.frame_rate or Fraction(FRAME_RATE)

    def sound_rate(self, info: MediaInfo, models: Models) -> int:
        """Return the recording's sample rate in Hz."""
        return info.audio_rate or SAMPLE_RATE

    def length_s(self, part: Part) -> Fraction:
        """Return the length of the part (s)."""
        return part.stop - part.start

    def end_s(self, script: Script, clock: OutputClock) -> float:
        """Return when the part ends in the output (s)."""
        return float(clock.at(clock.part.stop))

    def carried(self, script: Script, source: MediaSource, clock: OutputClock) -> PassthroughMetadata:
        """Return all that the video has, at the times of the output."""
        return PassthroughMetadata(source, clock.at, clock.at(clock.part.stop), script.titles)


@dataclass(frozen=True)
class Unspoken(Schedule):
    """That of a recording that is only transcribed: there is no output."""

    keeps_voice = True
    without_face = "use --modalities audio"
    without_speech = "use --modalities video to read the lips alone"

    def of(self, script: Script) -> Schedule:
        """Return this schedule."""
        return self


@dataclass(frozen=True)
class GivenAudio(Schedule):
    """Speech of any length that becomes the sound of the output unchanged. Frames and speech keep their own rates."""

    source: MediaSource
    """its file"""
    sound: Sound
    """the same speech in mono at 16 kHz"""
    seconds: Fraction
    """length of the output: longer speech is cut, shorter speech is followed by silence"""
    before_s: Fraction = Fraction(0)
    """silence before it in the output"""
    is_audio_given: bool = False
    """whether the video keeps its times, so that its subtitles and chapters still fit"""
    units: UnitList | None = None
    """units that the speech was made from; None: they are not known yet"""

    keeps_voice = True
    without_face = "there must be a face whose lips can be moved"

    def frame_rate(self, info: MediaInfo) -> Fraction:
        """Return the frame rate of the video in Hz."""
        return info.steady_rate

    def sound_rate(self, info: MediaInfo, models: Models) -> int:
        """Return the sample rate of `sound`."""
        return SAMPLE_RATE

    def length_s(self, part: Part) -> Fraction:
        """Return `seconds`."""
        return self.seconds

    def end_s(self, script: Script, clock: OutputClock) -> float:
        """Return `seconds`."""
        return float(self.seconds)

    def carried(self, script: Script, source: MediaSource, clock: OutputClock) -> PassthroughMetadata | None:
        """Return what the video has; an image has nothing."""
        if script.schedule == "still":
            return None
        if not self.is_audio_given:
            return super().carried(script, source, clock)
        return PassthroughMetadata(source, Fraction, self.seconds)

    def comment(self, script: Script, made_by: Iterable[str], lips: str) -> str:
        """Return what the output says of itself: that the lips are made, and the speech if it was made of units."""
        return synthetic_comment("lips" if self.units is None else "speech and lips", [lips])

    def generated(self, script: Script) -> Generated:
        """Return that the lips are generated, or of a portrait the whole video."""
        return VIDEO if script.schedule == "still" else LIPS
