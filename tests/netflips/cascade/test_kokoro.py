"""Natural voices: signs of a text, and the time of each phoneme; the network itself is stood in for."""

import io
import json
import sys
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError
from avcore.media import read_speech, write_speech
from avcore.speech.espeak import EspeakVoice, espeak_speech, phonemize_ipa
from netflips.cascade import kokoro
from netflips.cascade.kokoro import RATE, NaturalVoice
from netflips.cascade.speakers import SpeakerProgram, Speaking
from recipes.demo.voices.cast import cast
from recipes.demo.voices.phrasebook import phrasebook

TEXT = "Excuse me, where is the airport?"
_STEP = 600


class _Network:
    """Says each sign for 100 ms as a loud tone, a comma for 300 ms of silence; half a second of silence around."""

    calls = 0

    def knows(self, sign: str) -> bool:
        return True

    def lengths(self, signs: Sequence[tuple[str, str]], styles: object, speed: float) -> np.ndarray:
        return (self.say(signs, styles, speed)[1] / speed).astype(np.int64)

    def say(self, signs: Sequence[tuple[str, str]], styles: object, speed: float) -> tuple[np.ndarray, np.ndarray]:
        _Network.calls += 1
        steps = [20, *(12 if sign == "," else 4 for sign, _ in signs), 20]
        level = [0.0, *(0.0 if sign in " ,?" else 0.5 for sign, _ in signs), 0.0]
        sound = np.concatenate([np.full(count * _STEP, value, np.float32) for count, value in zip(steps, level, strict=True)])
        early = np.concatenate([sound[2 * _STEP :], np.zeros(2 * _STEP, np.float32)])  # as the real one: two steps early
        return early * np.sin(np.arange(len(sound))).astype(np.float32), np.array(steps) * _STEP


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    kokoro._spoken.cache_clear()
    monkeypatch.setattr(kokoro, "_network", _Network)
    _Network.calls = 0


def test_a_text_is_spelt_as_it_is_spoken() -> None:
    voice = EspeakVoice("en-us")
    for pair in phrasebook().all_pairs()[::200]:
        spelled_out = (name for clause in phonemize_ipa(pair.english, voice) for word in clause for name, _ in word)
        said = (name for name, _, _ in espeak_speech(pair.english, voice).phonemes)
        assert [name for name in spelled_out if name[:1].strip("_")] == [name for name in said if name[:1].strip("_")]


def test_phonemes_are_where_the_sound_is(network: None) -> None:
    spoken = kokoro.natural_speech(TEXT, NaturalVoice((("jf_alpha", 1.0),)))
    assert spoken.rate == RATE
    names = [name for name, _, _ in spoken.phonemes]
    reference = [name for name, _, _ in espeak_speech(TEXT, EspeakVoice("en-us")).phonemes if name[0] not in "_;"]
    assert [name for name in names if name != "_:"] == [name for name, _ in groupby(reference)]
    assert names.count("_:") == 1  # the comma; gaps between words are too short
    for name, start, end in spoken.phonemes:
        inner = spoken.samples[round((start + 0.06) * RATE) : round((end - 0.06) * RATE)]
        if name == "_:":
            assert np.abs(inner).max() < 1e-3
    assert len(spoken.samples) / RATE == pytest.approx(spoken.phonemes[-1][2] + 0.03, abs=0.02)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("빵과 토끼", "p* a- N g w a- th o k* i"),  # tense, voiced behind a nasal, aspirated
        ("국물", "k u N m u l"),
        ("거기 어디", "k V g i V d i"),
        ("시계, 씨", "S; i g e _: S;* i"),
        ("실라", "S; i l a-"),
        ("의사의 회의", "u- i s a- i h w e i"),
        ("옷 3벌", "o t- s* e b V l"),
        ("값", "k a- p-"),
        ("라디오", "* a- d i o"),
    ],
)
def test_korean_phones_keep_apart_what_korean_does(text: str, phones: str, network: None) -> None:
    spoken = kokoro.natural_speech(text, NaturalVoice((("jf_alpha", 1.0),), language="ko"))
    assert " ".join(name for name, _, _ in spoken.phonemes) == phones


@pytest.mark.parametrize(
    ("text", "language", "phone", "pieces"),
    [("가요 " * 200, "ko", "o", 2), ("네, 우리는 가요. " * 100, "ko", "o", 4), ("we go on " * 120, "en", "oU", 4)],
)
def test_a_text_of_more_sounds_than_it_takes_is_said_in_pieces(
    network: None, text: str, language: str, phone: str, pieces: int
) -> None:
    spoken = kokoro.natural_speech(text, NaturalVoice((("jf_alpha", 1.0),), language=language))
    assert _Network.calls == pieces
    assert [name for name, _, _ in spoken.phonemes].count(phone) == {"o": text.count("요"), "oU": 120}[phone]  # nothing is lost
    assert all(end == pytest.approx(start) for (_, _, end), (_, start, _) in pairwise(spoken.phonemes))
    assert kokoro.natural_seconds(text, "jf_alpha", 1.0, language) == pytest.approx(len(spoken.samples) / RATE, abs=0.1 * pieces)


def test_takes_of_one_recording_differ_by_their_vocal_tract(network: None) -> None:
    plain, high = (kokoro.natural_speech(TEXT, NaturalVoice((("jf_alpha", 1.0),), 1.0, tract)) for tract in (1.0, 1.2))
    assert _Network.calls == 1
    assert len(high.samples) / len(plain.samples) == pytest.approx(1 / 1.2, rel=0.02)
    assert high.phonemes[-1][2] == pytest.approx(plain.phonemes[-1][2] / 1.2, rel=0.03)


def test_voices_of_the_training_are_not_those_that_are_kept_out() -> None:
    rng = np.random.default_rng(0)
    learnt = {name for _ in range(50) for voice in cast().natural_voices(3, rng) for name, _ in voice.styles}
    kept_out = [cast().unheard_natural(rng) for _ in range(20)]
    assert all(not {name for name, _ in voice.styles} <= learnt for voice in kept_out)
    assert all(sum(share for _, share in voice.styles) == pytest.approx(1) for voice in (*cast().natural_voices(9, rng), *kept_out))


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="make voices"):
        kokoro.require_packages()


def test_it_answers_lines_of_json(
    network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "said.wav"
    rows = [{"text": "안녕하세요", "language": "ko", "out": str(out)}, {"text": "...", "language": "ko", "out": str(out)}]
    rows += [{"text": "가" * 600, "language": "ko", "out": str(out)}, {"text": "bonjour", "language": "fr", "out": str(out)}, {}]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(row) + "\n" for row in rows)))
    assert kokoro.main(["--style", "jf_alpha"]) == 0
    first, *others = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"ok": True, "voice": "jf_alpha"}
    assert len(read_speech(out)) > 4000
    wanted = ("nothing to say in the text", "1 to 510 sounds; found 1200", "expected en or ko; found fr", "language")
    assert [part in row["error"] for part, row in zip(wanted, others, strict=True)] == [True] * 4


def test_it_is_known_before_it_speaks_how_long_it_takes(network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "missing_voices", tuple)
    spoken = kokoro.natural_speech("거기 어디", NaturalVoice((("jf_alpha", 1.0),), language="ko"))
    found = kokoro.natural_seconds("거기 어디", "jf_alpha", 1.0, "ko")
    assert found == pytest.approx(len(spoken.samples) / RATE, abs=0.08)
    speaking = Speaking(SpeakerProgram.of(f"{sys.executable} -m netflips.cascade.kokoro --speed 0.5"))
    assert speaking.is_exact
    slow = speaking.seconds_of("거기 어디", "ko")
    assert slow is not None
    assert slow == pytest.approx(2 * (found - 0.14) + 0.14, abs=0.03)
    assert [speaking.speed_for("거기 어디", "ko", slow * share) for share in (2, 0.8, 0.1)] == [1, pytest.approx(1.25), 1.45]
    assert speaking.seconds_of("...", "ko") is None


def test_speakers_whose_sound_is_kept_get_voices_by_pitch(
    network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for speaker, voice in (("Al", "en+m3"), ("Eve", "en+f3"), ("Al", "en+m3"), ("Bo", "en+m3"), ("Mia", "en+f3")):
        said = espeak_speech(TEXT, EspeakVoice(voice))
        write_speech(tmp_path / f"{speaker}.wav", said.samples, said.rate)
        request = {"text": "거기 어디", "language": "ko", "out": str(tmp_path / "x.wav"), "speaker": speaker, "speed": 1.2}
        rows.append(request | {"reference": str(tmp_path / f"{speaker}.wav"), "keep_sound": True})
    rows.append(rows[0] | {"keep_sound": False})
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(json.dumps(row) + "\n" for row in rows)))
    assert kokoro.main([]) == 0
    voices = [json.loads(line)["voice"] for line in capsys.readouterr().out.splitlines()]
    assert voices == ["jm_kumo", "jf_gongitsune", "jm_kumo", "jm_kumo at 0.92 of its pitch", "jf_alpha", "jf_gongitsune"]
