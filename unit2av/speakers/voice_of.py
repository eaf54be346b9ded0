"""The voice to speak with, from whatever names it: a recording, a video, a stored vector, or a vector stored with its pitch.

python -m unit2av.voice --in-path talk.mp4 --out-path ann.npz      # measure once, speak with it often
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.answers import SpeakerVoice
from avcore.arrays import Samples, load_array, load_arrays
from avcore.command import LOG, Parser, add_common_options, device_name, run
from avcore.contracts import Speaker
from avcore.errors import InputError, NoSpeechError, UsageError
from avcore.files import atomic_output, require_file
from avcore.media import probe, read_speech
from avcore.media.tracks import chosen_number
from avcore.outputs import Input, Output
from avcore.speech.pitch import Pitch, measure_pitch
from avcore.speech.tracks import settle_track
from unit2av.speaker import SpeakerEncoder

_VECTOR, _PITCH = "voice", "pitch"
_SUFFIX = ".npz"
_LARGEST = 1000.0
"""Numbers of a voice are of the order of 1; from what is far larger a vocoder makes no sound but numbers that are none."""


def read_voice(path: str | Path, encoder: Callable[[], Speaker]) -> SpeakerVoice:
    """Return the voice in a file, with its pitch where that is known.

    path: `x.npy` with the vector, `x.npz` of `write_voice`, or any video or sound file. encoder: makes the speaker encoder;
    called for sound only. Raises InputError, MediaError when there is no sound track, and NoSpeechError when there is too
    little sound.
    """
    path = require_file(path, "the voice", hint="--speaker-path takes x.wav, x.npy, x.npz or a video")
    if path.suffix.lower() == ".npy":
        return SpeakerVoice(_as_vector(load_array(path, "the speaker vector"), path))
    if path.suffix.lower() == _SUFFIX:
        return _read_stored(path)
    if chosen_number(path) is None:  # else it is the video that is dubbed, too
        settle_track(path)
    probe(path)  # says that it ends early, which reading it does not
    speech = read_speech(path)
    try:
        return voice_of(speech, encoder())
    except NoSpeechError as error:
        raise NoSpeechError(error.what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def voice_of(speech: Samples, encoder: Speaker) -> SpeakerVoice:
    """Return the voice of float32 [S] speech at 16 kHz. Raises NoSpeechError when there is too little of it."""
    return SpeakerVoice(encoder.embed(speech), measure_pitch(speech))


def neutral_voice(size: int) -> SpeakerVoice:
    """Return a neutral voice, the middle of all: a vector float32 [size] of unit length, without a pitch of its own."""
    return SpeakerVoice(np.full(size, size**-0.5, dtype=np.float32))


def write_voice(path: str | Path, voice: SpeakerVoice) -> Path:
    """Write a voice as `x.npz`, and return its path. Raises UsageError for another suffix, OutputError."""
    path = Path(path)
    if path.suffix != _SUFFIX:
        raise UsageError(f"the name of a stored voice must end in {_SUFFIX}", found=path.name)
    pitch = {} if voice.pitch is None else {_PITCH: np.array([voice.pitch.median, voice.pitch.spread])}
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{_VECTOR: voice.vector}, **pitch)
    return path


def _read_stored(path: Path) -> SpeakerVoice:
    content = load_arrays(path, "the stored voice")
    if _VECTOR not in content:
        raise InputError(
            "this is no stored voice", path=path, expected=f"an array {_VECTOR}", found=", ".join(content) or "no arrays"
        )
    vector, stored = _as_vector(content[_VECTOR], path), content.get(_PITCH)
    if stored is None:
        return SpeakerVoice(vector)
    is_pitch = stored.shape == (2,) and stored.dtype.kind in "fiu" and bool(np.isfinite(stored).all()) and stored[1] > 0
    if not is_pitch:
        raise InputError(
            "this is no pitch of a voice", path=path, expected="the median and the spread of ln F0, above 0", found=stored.tolist()
        )
    return SpeakerVoice(vector, Pitch(float(stored[0]), float(stored[1])))


def _as_vector(vector: NDArray[Any], path: Path) -> Samples:
    if vector.size != max(vector.shape, default=0) or not vector.size or vector.dtype.kind not in "fiu":
        found = f"{vector.dtype} of shape {list(vector.shape)}"
        raise InputError("this is no speaker vector", path=path, expected="a row of numbers", found=found)
    largest = np.abs(vector.astype(np.float64)).max()
    if not largest <= _LARGEST:
        raise InputError("this is no speaker vector", path=path, expected=f"numbers up to {_LARGEST:g}", found=f"{largest:g}")
    return np.asarray(vector.reshape(-1), dtype=np.float32)


def build_parser() -> Parser:
    """Return the command line."""
    parser = Parser(prog="voice", description="Measure a voice once, to speak with it often.")
    parser.add_argument(
        "--in-path", type=Input("the recording"), required=True, help="a recording of one speaker: any sound or video file"
    )
    parser.add_argument("--out-path", type=Output("the stored voice"), required=True, help="the voice, x.npz, for --speaker-path")
    parser.add_argument(
        "--speaker-encoder-path",
        type=Input("the speaker encoder"),
        help="encoder.pt (default: the weights that come with NetfLips)",
    )
    add_common_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    device = device_name(options)
    voice = read_voice(options.in_path, lambda: SpeakerEncoder.from_checkpoint(options.speaker_encoder_path, device))
    path = write_voice(options.out_path, voice)
    LOG.info("%s: %s", path, "no pitch was found" if voice.pitch is None else f"median pitch {voice.pitch.hz:.0f} Hz")


if __name__ == "__main__":
    sys.exit(main())
