"""Put the encoded pictures and the new sound together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avcore.media import MediaInfo, VideoJoiner, iter_sound_at, iter_sound_blocks
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.options import Background
from netflips.recording.pictures import Encoded
from netflips.recording.plan import OutputClock
from netflips.recording.sound import Line, Mixer, Samples, SoundReader, output_blocks


@dataclass(frozen=True)
class SoundPlan:
    """lines: the new speech. background, effects: what is heard beside it. end: of the output's picture (s). is_part: nothing
    of the recording's sound is wanted behind that.
    """

    lines: Sequence[Line]
    background: Background
    effects: Path | None
    end: Fraction
    is_part: bool


def output_rate(info: MediaInfo) -> int:
    """The sample rate of the output: the recording's own, in Hz."""
    return info.audio_rate or SAMPLE_RATE


def mixed_sound(info: MediaInfo, clock: OutputClock, plan: SoundPlan) -> Iterator[Samples]:
    """The sound of the output as a stream of float32 [time, channel]."""
    rate, num_channels = output_rate(info), max(info.audio_channels, 1)
    end = seconds_to_samples(plan.end, rate)
    cut_at = end if plan.is_part else None
    own = iter_sound_blocks(info.path) if info.has_audio else iter(())
    effects = None
    if plan.effects is not None:
        placed = output_blocks(iter_sound_at(plan.effects, rate), clock, rate, end, cut_at)
        effects = SoundReader((block for _, block in placed), num_channels)
    mixer = Mixer(plan.lines, rate, num_channels, plan.background)
    for start, block in output_blocks(own, clock, rate, end, cut_at):
        yield mixer.mix(start, block, None if effects is None else effects.take(len(block)))


def write_video(path: Path, info: MediaInfo, comment: str, pieces: Sequence[Encoded], sound: Iterator[Samples]) -> VideoJoiner:
    """Write the output: pictures as they were encoded, and sound in step with them."""
    rate, num_channels = output_rate(info), max(info.audio_channels, 1)
    writer = VideoJoiner(
        path, info.width, info.height, info.frame_rate, rate, num_channels, comment,
        pixel_aspect=info.pixel_aspect, first_piece=pieces[0].path,
    )  # fmt: skip
    with writer:
        heard = 0
        for piece in pieces:
            writer.write_piece(piece.path, piece.times)
            while heard < seconds_to_samples(piece.times[-1], rate) and (block := next(sound, None)) is not None:
                writer.write_sound(block)
                heard += len(block)
        for block in sound:
            writer.write_sound(block)
    return writer
