"""The voice to speak with, from whatever names it: a recording, a video, a stored vector, or a vector stored with its pitch.

python -m unit2av.voice --in-path talk.mp4 --out-path ann.npz      # measure once, speak with it often
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG, add_common_options, device_name, run
from avcore.errors import InputError, NoSpeechError, UsageError
from avcore.files import atomic_output, require_file
from avcore.media import read_speech
from avcore.pitch import Pitch, measure_pitch
from unit2av.speaker import SpeakerEncoder
from unit2av.speech import SpeakerVoice
from unit2av.voice_features import Samples

_VECTOR, _PITCH = "voice", "pitch"
_SUFFIX = ".npz"


def read_voice(path: str | Path, encoder: Callable[[], SpeakerEncoder]) -> SpeakerVoice:
    """Return the voice in a file, with its pitch where that is known.

    path: `x.npy` with the vector, `x.npz` of `write_voice`, or any video or sound file. encoder: makes the speaker encoder;
    called for sound only. Raises InputError, MediaError when there is no sound track, and NoSpeechError when there is too
    little sound.
    """
    path = require_file(path, "the voice", hint="--speaker-path takes x.wav, x.npy, x.npz or a video")
    if path.suffix.lower() == ".npy":
        return SpeakerVoice(_as_vector(_load(path, "a .npy file of numbers"), path))
    if path.suffix.lower() == _SUFFIX:
        return _read_stored(path)
    speech = read_speech(path)
    try:
        return voice_of(speech, encoder())
    except NoSpeechError as error:
        raise NoSpeechError(error.what, path=path, expected=error.expected, found=error.found, hint=error.hint) from error


def voice_of(speech: Samples, encoder: SpeakerEncoder) -> SpeakerVoice:
    """The voice of float32 [S] speech at 16 kHz. Raises NoSpeechError when there is too little of it."""
    return SpeakerVoice(encoder.embed(speech), measure_pitch(speech))


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
    content = _load(path, f"an .npz file with {_VECTOR} and {_PITCH}")
    if not isinstance(content, dict) or _VECTOR not in content:
        found = ", ".join(content) if isinstance(content, dict) else "one array"
        raise InputError("this is no stored voice", path=path, expected=f"an array {_VECTOR}", found=found or "no arrays")
    vector, stored = _as_vector(content[_VECTOR], path), content.get(_PITCH)
    if stored is None:
        return SpeakerVoice(vector)
    is_pitch = stored.shape == (2,) and stored.dtype.kind in "fiu" and bool(np.isfinite(stored).all()) and stored[1] > 0
    if not is_pitch:
        raise InputError(
            "this is no pitch of a voice", path=path, expected="the median and the spread of ln F0, above 0", found=stored.tolist()
        )
    return SpeakerVoice(vector, Pitch(float(stored[0]), float(stored[1])))


def _load(path: Path, expected: str) -> Any:
    """The array of an .npy file, or the arrays of an .npz file by name; nothing is unpickled."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return {name: content[name] for name in content.files}
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        raise InputError("the speaker vector cannot be read", path=path, expected=expected, found=error) from error


def _as_vector(vector: NDArray[Any] | dict[str, Any], path: Path) -> Samples:
    is_row = isinstance(vector, np.ndarray) and vector.size == max(vector.shape, default=0) > 0
    if not isinstance(vector, np.ndarray) or not is_row or vector.dtype.kind not in "fiu" or not np.isfinite(vector).all():
        found = f"{vector.dtype} of shape {list(vector.shape)}" if isinstance(vector, np.ndarray) else "an archive"
        raise InputError("this is no speaker vector", path=path, expected="a row of finite numbers", found=found)
    return np.asarray(vector.reshape(-1), dtype=np.float32)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="voice", description="Measure a voice once, to speak with it often.")
    parser.add_argument("--in-path", type=Path, required=True, help="a recording of one speaker: any sound or video file")
    parser.add_argument("--out-path", type=Path, required=True, help="the voice, x.npz, for --speaker-path")
    parser.add_argument("--speaker-encoder-path", type=Path, help="encoder.pt (default: the weights that come with NetfLips)")
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
