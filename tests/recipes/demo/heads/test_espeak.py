"""Speech from the espeak-ng that pip installs, with the time of every phoneme, and the mouths of its phonemes."""

import logging
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.media import read_speech
from avcore.speech import say as say_command
from avcore.speech.espeak import EspeakVoice, Phoneme, espeak_speech, in_clauses, library_folder, phonemize_ipa
from avcore.timeline import frame_at, frames_to_seconds
from netflips.cascade.kokoro import PHONES
from recipes.demo.heads.motion import VISEMES, mouth_track, visemes_of
from recipes.demo.voices.cast import cast, require_synthesisers

ROOT = Path(__file__).resolve().parents[4]
_LIBRARIES_OF_OTHERS = ("libespeak", "libflite", "libpcaudio", "libsonic", "libavcodec", "libavformat", "libsndfile")


def test_every_library_that_speaks_or_decodes_comes_from_pip() -> None:
    program = """
import sys
from avcore.speech.espeak import EspeakVoice, espeak_speech
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


def test_the_first_phoneme_is_there_after_many_spelt_words() -> None:
    voice = EspeakVoice("en-us")
    for _ in range(40):  # each left an event in the library's queue; 27 were too many
        phonemize_ipa("Where", voice)
    assert [name for name, _, _ in espeak_speech("Excuse me", voice).phonemes[:3]] == ["E", "k", "s"]


def test_every_voice_of_the_cast_is_there() -> None:
    settings = cast().settings
    names = [*settings["espeak"]["en"]["names"], "ko"]
    variants = [*settings["espeak"]["en"]["variants"], *settings["held_out"]["variants"]]
    voices = [*names, *(f"en-us+{variant}" for variant in variants)]
    assert all(len(espeak_speech("oh", EspeakVoice(name)).samples) for name in voices)


def test_a_text_file_becomes_a_wav_file(tmp_path: Path) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "a.wav"
    text.write_text("Good morning.\n", encoding="utf-8")
    command = [sys.executable, "-m", "avcore.speech.say", "--text-file", str(text), "--out", str(out)]
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


def test_a_missing_synthesiser_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    require_synthesisers(with_flite=False, with_natural=False)
    with pytest.raises(InputError, match="flite is not installed; apt-get install flite"):
        require_synthesisers(with_flite=True, with_natural=False)
    monkeypatch.setattr("avcore.speech.espeak.find_spec", lambda name: None)
    with pytest.raises(InputError, match="espeak-ng is not installed; pip install espeakng-loader"):
        library_folder()


def test_the_demo_s_training_says_first_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train_demo.py"), "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "flite is not installed; apt-get install flite" in done.stderr
    assert not (tmp_path / "run").exists()


ENGLISH = (
    "0 3 3: ? @ @- @2 @5 @L A: A@ D E I I# I2 IR N O O2 O: O@ OI S T U U@ V VR Z _ _: a a# aI aI2 aI3 aI@ aU aa b d dZ "
    "e@ eI f g h i i: i@ i@3 j k l m n n- o@ oU p r r- s t t# t2 tS t[ u: v w w# x z"
)
KOREAN = "* @ E L N _ _: a b d d- dZ; e g h i j k k- kh m n o p p- ph q q- s s- t t- th tS tS; tS;- tSh u u- w"
"""What espeak-ng 1.51 reports for a few thousand words in English of six accents, and in Korean, without its marks."""


@pytest.mark.parametrize(("language", "names"), [("en", ENGLISH), ("ko", KOREAN), ("ko", " ".join(PHONES))])
def test_every_phoneme_has_a_mouth_shape(language: str, names: str, caplog: pytest.LogCaptureFixture) -> None:
    visemes_of.cache_clear()
    for name in names.split():
        for viseme in visemes_of(name, language):
            assert 0 <= viseme.opening <= 1
            assert -1 <= viseme.width <= 1
            assert viseme.strength > 0
    assert not caplog.records


def test_an_unknown_phoneme_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    visemes_of.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert len(visemes_of("Q!", "en")) == len(visemes_of("Q!", "en")) == 1
    assert len(caplog.records) == 1
    assert "Q!" in caplog.text


def speak(*names: str, each: float = 0.12, start: float = 0.2) -> list[Phoneme]:
    return [(name, start + number * each, start + (number + 1) * each) for number, name in enumerate(names)]


def at(values: np.ndarray, phonemes: list[Phoneme], number: int) -> float:
    return float(values[frame_at((phonemes[number][1] + phonemes[number][2]) / 2)])


def test_lips_close_for_lip_consonants_and_open_for_vowels() -> None:
    for language, names in (("en", ["m", "A:", "b", "A:", "p", "V", "m"]), ("ko", ["m", "a", "b", "a", "ph", "a", "p-"])):
        phonemes = speak(*names)
        opening, _ = mouth_track(phonemes, 40, language)

        assert all(at(opening, phonemes, number) < 0.06 for number in (0, 2, 4, 6))
        assert all(at(opening, phonemes, number) > 0.25 for number in (1, 3, 5))
        assert np.abs(np.diff(opening)).max() < 0.3  # lips take 100 ms from wide open to shut


def test_lips_are_round_for_u_spread_for_i_and_closed_in_silence() -> None:
    for language, names in (("en", ["u:", "t", "i:"]), ("ko", ["u", "t", "i"])):
        phonemes = speak(*names)
        _, width = mouth_track(phonemes, 30, language)

        assert at(width, phonemes, 0) < -0.7
        assert at(width, phonemes, 2) > 0.6
    opening, width = mouth_track([("A:", 1.0, 1.2)], 60, "en")

    assert opening.shape == width.shape == (60,)
    assert opening.dtype == width.dtype == np.float32
    assert np.abs(opening[:19]).max() < 0.02
    assert np.abs(opening[37:]).max() < 0.02
    assert opening[frame_at(1.1)] > 0.8
    assert not mouth_track([], 5, "ko")[0].any()
    assert len(mouth_track([("a", 0.0, 1.0)], 0, "ko")[0]) == 0


def test_movement_has_no_jumps() -> None:
    names = np.random.default_rng(0).choice([name for name in VISEMES["en"] if not name.startswith("_")], 60)
    phonemes = speak(*names, each=0.09)
    opening, width = mouth_track(phonemes, frame_at(phonemes[-1][2]), "en")

    assert float(frames_to_seconds(len(opening))) > 5
    assert np.abs(np.diff(opening)).max() < 0.75
    assert np.abs(np.diff(width)).max() < 1.2
    assert opening.max() > 0.7


def test_softened_phonemes_have_their_signs() -> None:
    spelled_out = phonemize_ipa("the University of Bologna", EspeakVoice("en-us"))
    assert {("n;", "nʲ"), (";", "")} <= {pair for clause in spelled_out for word in clause for pair in word}


@pytest.mark.parametrize("words", [42, 120, 400])
def test_a_long_korean_sentence_is_said_to_its_end(words: int) -> None:
    said = ["오늘", "아침에", "일찍", "일어나서", "친구와", "시장에", "갔고"] * words
    text = " ".join([*said[: words - 1], "끝났습니다."])
    clauses = in_clauses(text).split(",")
    voice = EspeakVoice("ko")
    parts = [name for clause in clauses for name, _ in _sounds(clause, voice)]
    assert [name for name, _ in _sounds(text, voice)] == parts
    assert parts[-6:] == [name for name, _ in _sounds("끝났습니다.", voice)][-6:]
    assert [name for name, _, _ in espeak_speech(text, voice).phonemes if name[0] != "_"][-6:] == parts[-6:]
    lengths = [len(clause) for clause in clauses]
    assert (len(clauses), max(lengths) < 1.3 * min(lengths)) == ({42: 2, 120: 4, 400: 12}[words], True)


def test_what_is_short_enough_or_has_no_blank_stays_as_it_is() -> None:
    for text in ("어디예요? 저기요.", "가" * 300, ("Where is it, please? " * 80).strip(), ("아주 긴 말이 있다면, " * 60).strip()):
        assert in_clauses(text) == text


def _sounds(text: str, voice: EspeakVoice) -> list[tuple[str, str]]:
    return [pair for clause in phonemize_ipa(text, voice) for word in clause for pair in word if pair[0][:1] != "_"]
