"""Speech from the espeak-ng that pip installs: the same on every machine, with the time of every phoneme."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.media import read_speech
from avdata.prepare import say as say_command
from avdata.prepare.espeak import EspeakVoice, espeak_speech, library_folder
from recipes.demo.heads.motion import VISEMES, visemes_of
from recipes.demo.voices.cast import cast, require_synthesisers

ROOT = Path(__file__).resolve().parents[4]
_LIBRARIES_OF_OTHERS = ("libespeak", "libflite", "libpcaudio", "libsonic", "libavcodec", "libavformat", "libsndfile")


def test_every_library_that_speaks_or_decodes_is_one_that_pip_installed() -> None:
    program = """
import sys
from avdata.prepare.espeak import EspeakVoice, espeak_speech
import av, soundfile
espeak_speech("hello", EspeakVoice("en-us"))
print(*{line.split()[-1] for line in open("/proc/self/maps") if "/" in line}, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    mapped = [Path(line) for line in done.stdout.splitlines()]
    theirs = [path for path in mapped if path.name.startswith(_LIBRARIES_OF_OTHERS)]
    installed = Path(find_spec("espeakng_loader").origin).resolve().parent.parent  # type: ignore[union-attr, arg-type]
    assert any(path.name.startswith("libespeak-ng") for path in theirs)
    assert [path for path in theirs if not path.resolve().is_relative_to(installed)] == []


@pytest.mark.parametrize(("voice", "text"), [("en-us", "Where is the airport, please?"), ("ko", "공항이 어디에 있습니까?")])
def test_phonemes_follow_one_another_through_the_speech(voice: str, text: str) -> None:
    spoken = espeak_speech(text, EspeakVoice(voice))
    assert 1 < len(spoken.samples) / spoken.rate < 4
    assert np.abs(spoken.samples).max() > 0.1
    names, starts, ends = zip(*spoken.phonemes, strict=True)
    assert len(names) > 12
    assert list(starts) == sorted(starts)
    assert ends[:-1] == starts[1:]
    assert ends[-1] == pytest.approx(len(spoken.samples) / spoken.rate)
    for name in names:
        visemes_of(name, voice[:2])
    assert {name.lstrip(";:'%,=|~") for name in names} & VISEMES[voice[:2]].keys()


def test_every_voice_of_the_cast_is_there() -> None:
    settings = cast().settings
    names = [*settings["espeak"]["en"]["names"], "ko"]
    variants = [*settings["espeak"]["en"]["variants"], *settings["held_out"]["variants"]]
    voices = [*names, *(f"en-us+{variant}" for variant in variants)]
    assert all(len(espeak_speech("oh", EspeakVoice(name)).samples) for name in voices)


def test_a_text_file_becomes_a_wav_file(tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "a.wav"
    text.write_text("Good morning.\n", encoding="utf-8")
    command = [sys.executable, "-m", "avdata.prepare.say", "--text-file", str(text), "--out", str(out)]
    subprocess.run(command, cwd=tmp_path, check=True)
    speech = read_speech(out)
    assert 0.4 < len(speech) / 16_000 < 3
    assert np.abs(speech).max() > 0.1


def test_what_cannot_be_spoken_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, complaint in (
        ([], "one of --text and --text-file is needed"),
        (["--text", "a", "--voice", "nobody"], "no such voice; found nobody"),
        (["--text", "  "], "no text to speak"),
        (["--text-file", "nowhere.txt"], "nowhere.txt: the text is not there"),
    ):
        assert say_command.main([*arguments, "--out", str(tmp_path / "x.wav")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert complaint in line
        assert not (tmp_path / "x.wav").exists()


def test_a_synthesiser_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    require_synthesisers(with_flite=False, with_natural=False)
    with pytest.raises(InputError, match="flite is not installed; apt-get install flite"):
        require_synthesisers(with_flite=True, with_natural=False)
    monkeypatch.setattr("avdata.prepare.espeak.find_spec", lambda name: None)
    with pytest.raises(InputError, match="espeak-ng is not installed; pip install espeakng-loader"):
        library_folder()


def test_the_demos_training_says_what_it_needs_before_it_does_anything(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train_demo.py"), "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "flite is not installed; apt-get install flite" in done.stderr
    assert not (tmp_path / "run").exists()
