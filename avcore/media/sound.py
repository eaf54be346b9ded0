"""Read sound as a stream on the clock of its file, also resampled, and write speech.

Channels may cancel when they are mixed (a cable with crossed wires): then only one of them is used.
"""

import os
import struct
import wave
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import LOUDEST, Samples
from avcore.errors import MediaError
from avcore.files import atomic_output
from avcore.media.frames import FileClock, clock_of, declared_end, start_of_sound
from avcore.media.media_source import AnySource, MediaSource, OnceAFile
from avcore.media.opening import (
    LOUDEST_READ,
    open_media,
    require_audio,
    require_little_missing,
    require_sane_sound,
    require_whole_sound,
)
from avcore.media.probe import probe
from avcore.notes import NoteKind
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, seconds_to_samples

_WINDOW = 2048
"""Samples of an analysis window, 40 to 130 ms."""
_CANCELLED = 0.5
"""Channels cancel where the mix has less than this share of the power that its loudest channel contributes: 3 dB. Uncorrelated
channels add up to more, and wide stereo falls below it only where its correlation is below -0.75."""
_FLOOR_DB, _BINS = -75, 80
_LOUD_DB = 20
"""Windows and channels within this distance of the loudest count."""
_AS_CLEAR_DB = 6
_SIDES = {"FL": "left", "FR": "right"}

Counts = NDArray[np.int64]


class LoneChannel(NamedTuple):
    """The channel that is used alone."""

    number: int
    """From 0."""
    channels: int
    """Number of channels of the sound."""
    name: str
    """In messages, such as `left`."""


def lone_channel(blocks: Iterable[tuple[Samples, Samples]], names: Sequence[str]) -> LoneChannel | None:
    """Return the channel to use in place of a mix in which channels cancel; None where they do not.

    blocks: samples float32 [channel, time] and their weights [channel] in the mix. All windows in which two channels are loud
    vote; memory holds only counts. The channel with the largest range above its own noise is chosen, of equal ones the louder.
    """
    votes, levels = np.zeros((2, _BINS), np.int64), None  # of windows by level, in dB above the floor
    for samples, weights in blocks:
        if levels is None:
            levels = np.zeros((len(samples), _BINS), np.int64)
        if len(samples) != len(levels):
            return None  # the reader reports that the number of channels changes

        for start in range(0, samples.shape[1] if len(samples) > 1 else 0, _WINDOW):
            part = samples[:, start : start + _WINDOW].astype(np.float64)
            powers = (part**2).mean(1)
            mix = float(((weights @ part) ** 2).mean())
            bins = np.clip(10 * np.log10(np.maximum(powers, 1e-12)) - _FLOOR_DB, 0, _BINS - 1).astype(int)
            levels[np.arange(len(bins)), bins] += 1
            # Mixed or cancelled, by the level of the second loudest channel, since it takes two to cancel.
            votes[int(mix < _CANCELLED * float((weights**2 * powers).max())), np.sort(bins)[-2]] += 1

    if levels is None or not votes.sum():
        return None

    loud = _loud(votes.sum(0), 0.95) - _LOUD_DB
    mixed, cancelled = votes[:, max(loud, 1) :].sum(1).tolist()
    if cancelled <= mixed:
        return None

    tops = np.array([_loud(level, 0.95) for level in levels])
    ranges = tops - np.array([_loud(level, 0.1) for level in levels])
    ranges[tops < tops.max() - _LOUD_DB] = -1
    clear = np.flatnonzero(ranges >= ranges.max() - _AS_CLEAR_DB)
    number = int(clear[np.argmax(tops[clear])])
    name = names[number] if number < len(names) else ""
    return LoneChannel(number, len(levels), _SIDES.get(name, f"{number + 1}."))


def _loud(counts: Counts, share: float) -> int:
    """Return the level below which a share of the windows lies."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, share * total[-1]))


# Smaller deviations of times are rounding or jitter; at larger ones sound is missing or repeated. Half a frame at 25 Hz.
_GAP_S = Fraction(1, 50)
# The usual downmix of surround sound, as by `ffmpeg -ac 1`; channels that are not named here have weight 1.
_LOUDNESS_IN_MONO = {"LFE": 0.0, "LFE2": 0.0, "FL": 0.7071, "FR": 0.7071, "BL": 0.5, "BR": 0.5, "SL": 0.5, "SR": 0.5, "BC": 0.5}
_FULL_SCALE = 32768
_AS_STORED = ("pcm_", "wavpack")
"""FFmpeg's lossless codecs: samples that are far too loud were written so, and are not damage."""
_FLOATING = ("pcm_f", "wavpack")
"""Codecs that can store samples far above full scale."""

_OWN_CLOCK = NoteKind("own_sound_clock", "{error}; its sound is read from its own beginning")
_DAMAGED = NoteKind("bad_sound_packets", "{count} damaged sound packets were skipped")
_SCALED = NoteKind("scaled_sound", "its samples reach {loudest}, and are scaled to 1")
_LONE_CHANNEL = NoteKind("lone_channel", "its channels are out of phase and cancel in the mix, so the {channel} one is heard alone")


class _Block(NamedTuple):
    """A block of decoded sound."""

    samples: Samples
    """float32 [channel, time]."""
    rate: int
    """Hz."""
    weights: Samples
    """float32 [channel], of the mix to mono."""
    clock: Fraction
    """Time of its first sample in the container (s)."""


def read_speech(given: AnySource, rate: int = SAMPLE_RATE) -> Samples:
    """Read the whole sound track as mono, float32 [time] in [-1, 1] at `rate` Hz.

    Sample 0 is at the beginning of the file's clock (see `FileClock`): silence fills the time before the sound, and gaps. Takes any
    codec, rate and number of channels; resamples once. Raises InputError, or MediaError when there is no sound track.
    """
    source = MediaSource.of(given)
    plain = _read_plain_wav(source.path, rate)
    if plain is not None:
        return plain
    blocks = list(iter_speech_blocks(source, rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _read_plain_wav(path: Path, rate: int) -> Samples | None:
    """Return the samples of a plain wav file, mono of 16 bits at `rate` Hz; None for any other, and for a damaged one.

    Opening a decoder takes 7 ms a file, this 0.4 ms: with 20,000 clips, training begins 2 minutes earlier.
    """
    if not path.is_file():  # opening a pipe would block, and consume its beginning
        return None

    try:
        with path.open("rb") as stream, wave.open(stream) as file:
            found = file.getparams()
            content = file.readframes(found.nframes)
    except (OSError, EOFError, wave.Error, RuntimeError):  # the last for a chunk that is longer than the file
        return None

    is_plain = (found.nchannels, found.sampwidth, found.framerate) == (1, 2, rate) and 0 < len(content) == 2 * found.nframes
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(_FULL_SCALE) if is_plain else None


def iter_speech_blocks(given: AnySource, rate: int = SAMPLE_RATE) -> Iterator[Samples]:
    """Yield the sound of `read_speech` in blocks of float32 [time], of any length; one block is held at a time."""
    source, resampler = MediaSource.of(given), None

    @cache
    def alone() -> LoneChannel | None:
        found = _lone_channel(source)
        if found is not None:
            source.note(_LONE_CHANNEL(channel=found.name))
        return found

    for block in _placed_blocks(source):
        channels = len(block.samples)
        lone = alone() if channels > 1 else None
        if lone is not None and lone.channels == channels:
            mono: Samples = block.samples[lone.number]
        else:
            mono = block.samples[0] if channels == 1 else np.asarray(block.weights @ block.samples, np.float32)

        if block.rate == rate:
            yield mono
            continue
        resampler = resampler or av.AudioResampler(format="fltp", layout="mono", rate=rate)
        yield from (resampled.to_ndarray()[0] for resampled in resampler.resample(_frame(mono, block.rate)))

    if resampler is not None:
        yield from (resampled.to_ndarray()[0] for resampled in resampler.resample(None))


@OnceAFile
def _lone_channel(source: MediaSource) -> LoneChannel | None:
    """Return the `lone_channel` of a file; its sound is decoded once for that."""
    with open_media(source) as container:
        stream = require_audio(container, source)
        names = [channel.name for channel in stream.codec_context.layout.channels]
        return lone_channel(((one.samples, one.weights) for one in _decode(container, stream, source, is_reported=False)), names)


def read_sound(given: AnySource) -> tuple[Samples, int]:
    """Read the whole sound track unmixed: float32 [time, channel], and its rate in Hz. Starts as `read_speech` does."""
    source = MediaSource.of(given)
    blocks = list(_same_channels(_placed_blocks(source), source.path))
    if not blocks:
        raise MediaError("its sound track is empty", path=source.path)
    return np.concatenate([block.samples.T for block in blocks]), blocks[0].rate


def iter_sound_blocks(given: AnySource) -> Iterator[Samples]:
    """Yield the sound of `read_sound` in blocks of float32 [time, channel]; the rate is in `probe`."""
    source = MediaSource.of(given)
    for block in _same_channels(_placed_blocks(source), source.path):
        yield np.ascontiguousarray(block.samples.T)


def write_speech(path: str | Path, samples: Samples, rate: int = SAMPLE_RATE) -> None:
    """Write mono speech as a PCM_16 wav file, complete or not at all.

    samples: float [time] in [-1, 1], quantized by floor(x * 32768) and clipped. Raises OutputError when it cannot be
    written, ValueError for samples that are not finite.
    """
    write_speech_pieces(path, [samples], rate)


def write_speech_pieces(
    path: str | Path, pieces: Iterable[Samples], rate: int = SAMPLE_RATE, num_channels: int = 1, comment: str = ""
) -> int:
    """Write sound in pieces, as `write_speech` does; memory holds one piece. Returns the number of samples.

    pieces: float [time], or [time, num_channels]. comment: the tag, ASCII; "" = none.
    """
    written = 0
    with atomic_output(path) as temporary, ExitStack() as stack:
        if comment:
            stack.callback(_add_comment, temporary, comment)  # once the header is complete
        file = stack.enter_context(wave.open(str(temporary), "wb"))
        file.setnchannels(num_channels)
        file.setsampwidth(np.dtype("<i2").itemsize)
        file.setframerate(rate)
        for samples in pieces:
            if not np.all(np.isfinite(samples)):
                raise ValueError("speech holds values that are not finite")
            pcm = np.clip(np.floor(np.asarray(samples, np.float64) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
            file.writeframes(pcm.tobytes())
            written += len(pcm)

    return written


def _add_comment(path: Path, comment: str) -> None:
    """Add a comment to a wav file as its last chunk."""
    text = comment.encode("ascii") + b"\0"
    text += b"\0" * (len(text) % 2)
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(struct.pack("<4sI4s4sI", b"LIST", len(text) + 12, b"INFO", b"ICMT", len(text)) + text)
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def _placed_blocks(source: MediaSource) -> Iterator[_Block]:
    """Yield the sound without gaps or overlaps, from the beginning of the file's clock on."""
    num_given, missing_s, path = 0, Fraction(0), source.path
    with open_media(path) as container:
        stream = require_audio(container, source)
        require_whole_sound(container, path)
        clock = _clock(source)
        loudest = _loudest(source) if stream.codec_context.name.startswith(_FLOATING) else 0.0
        if loudest > LOUDEST:
            source.note(_SCALED(loudest=round(loudest, 1)))

        for block in _trimmed(_decode(container, stream, source), declared_end(stream)):
            if loudest > LOUDEST:
                block = block._replace(samples=block.samples / np.float32(loudest))

            begin = seconds_to_samples(clock.at(block.clock), block.rate)

            # Jitter between blocks is ignored, but the first one begins exactly where the clock says.
            missing = begin - num_given
            if abs(missing) <= _GAP_S * block.rate and (num_given or missing == 0):
                missing = 0
            missing_s += samples_to_seconds(max(0, missing), block.rate)
            require_little_missing(missing_s, path)
            # Second by second: an hour of silence at once would take 700 MB a channel at 48 kHz.
            for start in range(0, missing, block.rate):
                yield block._replace(samples=np.zeros((len(block.samples), min(block.rate, missing - start)), np.float32))
            samples = block.samples[:, max(0, -missing) :]
            if samples.shape[1]:
                yield block._replace(samples=samples)
            num_given += max(0, missing) + samples.shape[1]


@OnceAFile
def _loudest(source: MediaSource) -> float:
    """Return the largest sample of a file's sound, which is decoded once for that."""
    with open_media(source) as container:
        stream = require_audio(container, source)
        peaks = (float(np.abs(one.samples).max(initial=0.0)) for one in _decode(container, stream, source, is_reported=False))
        return max(peaks, default=0.0)


def _same_channels(blocks: Iterator[_Block], path: str | Path) -> Iterator[_Block]:
    num_channels = None
    for block in blocks:
        num_channels = num_channels or len(block.samples)
        if len(block.samples) != num_channels:
            what = "its sound changes its channels on the way"
            raise MediaError(what, path=path, expected=num_channels, found=len(block.samples))
        yield block


def _clock(source: MediaSource) -> FileClock:
    """Return the clock of a file. Where its frames cannot be decoded, the sound may still be useful: then it is the sound's."""
    try:
        return clock_of(source)
    except MediaError as error:
        source.note(_OWN_CLOCK(error=str(error)))
        return FileClock.between(None, start_of_sound(source))


def _trimmed(blocks: Iterator[_Block], end: Fraction | None) -> Iterator[_Block]:
    """Cut the last block at the declared end: encoders pad their last block."""
    last = None
    for block in blocks:
        if last is not None:
            yield last
        last = block
    if last is not None:
        keep = last.samples.shape[1] if end is None else seconds_to_samples(end - last.clock, last.rate)
        yield last._replace(samples=last.samples[:, :keep]) if keep > 0 else last


def _decode(container: Any, stream: Any, source: MediaSource, is_reported: bool = True) -> Iterator[_Block]:
    """Decode the sound track; damaged packets are skipped, with one note if is_reported."""
    path, num_damaged, rate, clock = source.path, 0, 0, Fraction(0)
    is_coded = not stream.codec_context.name.startswith(_AS_STORED)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            num_damaged += 1
            continue

        for frame in frames:
            if rate not in (0, frame.sample_rate):
                raise MediaError("its sound changes its sample rate on the way", path=path, expected=rate, found=frame.sample_rate)
            if not rate:
                require_sane_sound(frame.sample_rate, frame.layout.nb_channels, path)
            rate = frame.sample_rate
            clock = clock if frame.pts is None else frame.pts * frame.time_base
            samples = _as_float(frame, path)
            if is_coded and np.abs(samples).max(initial=0.0) > LOUDEST:  # damaged AAC decodes to this
                num_damaged += 1
            else:
                yield _Block(samples, rate, _mono_weights(frame), clock)
            clock += samples_to_seconds(frame.samples, rate)

    if num_damaged and is_reported:
        source.note(_DAMAGED(count=num_damaged))


def _as_float(frame: Any, path: str | Path) -> Samples:
    """Convert any sample format to float32 [channel, time] in [-1, 1]. Raises MediaError for values that are no sound."""
    samples: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "u":
        samples = (samples.astype(np.float32) - 128) / 128

    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    elif samples.dtype.kind == "f" and samples.size and not np.abs(samples).max() <= LOUDEST_READ:  # `not <=` also catches NaN
        odd = samples[~(np.abs(samples) <= LOUDEST_READ)][0]
        raise MediaError("its sound holds values that are no sound", path=path, expected="samples around -1 to 1", found=f"{odd:g}")
    return samples.astype(np.float32, copy=False)


def _mono_weights(frame: Any) -> Samples:
    """Return mixing weights float32 [channel] that add up to 1: the mean for stereo, the usual downmix for surround."""
    weights = np.array([_LOUDNESS_IN_MONO.get(channel.name, 1.0) for channel in frame.layout.channels], np.float32)
    if len(weights) != frame.layout.nb_channels or weights.sum() == 0:
        weights = np.ones(frame.layout.nb_channels, np.float32)
    return np.asarray(weights / weights.sum(), np.float32)


def iter_sound_at(given: AnySource, rate: int) -> Iterator[Samples]:
    """Yield a file's sound in blocks of float32 [time, channel] at `rate` Hz; one block is held at a time.

    Raises InputError or MediaError, at the first block, when there is no sound track.
    """
    source = MediaSource.of(given)
    own = probe(source).audio_rate
    if not own:
        raise MediaError("it has no sound track", path=source.path, expected="sound", found="video only")
    if own == rate:
        yield from iter_sound_blocks(source)
        return

    resamplers: list[Any] = []
    for block in iter_sound_blocks(source):
        if not resamplers:
            resamplers = [av.AudioResampler(format="fltp", layout="mono", rate=rate) for _ in range(block.shape[1])]
        frames = [_frame(channel, own) for channel in block.T]
        yield from _resampled([one.resample(frame) for one, frame in zip(resamplers, frames, strict=True)])
    yield from _resampled([resampler.resample(None) for resampler in resamplers])


def _frame(channel: Samples, rate: int) -> Any:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[None], np.float32), "fltp", "mono")
    frame.sample_rate = rate
    return frame


def _resampled(channels: list[list[Any]]) -> Iterator[Samples]:
    """Join the resampled frames of all channels to blocks; they have equal lengths."""
    for frames in zip(*channels, strict=True):
        yield np.ascontiguousarray(np.concatenate([frame.to_ndarray() for frame in frames]).T)
