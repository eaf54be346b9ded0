"""What the bundle that comes with NetfLips can do, on the clip that comes with it: a sentence, voice and head it never met."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from av2unit.sources import lips_of_video
from av2unit.trust import AUDIO, TrustedUnits
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.stages import Running
from avcore.media import read_speech, write_speech
from avcore.speech.audio import loudness_lufs
from avcore.timeline import seconds_to_samples
from netflips import cli
from netflips.bundles.describe import check_bundle
from netflips.bundles.paths import bundle_paths
from netflips.bundles.references import KnownPhrases, Reference, nearest_reference, read_references
from netflips.dub.judgement import judge_utterance
from netflips.dub.target_texts import natural_units
from netflips.models import Models, load_models
from netflips.options import RunOptions
from netflips.recording.units import Translated
from netflips.stages import SHIPPED, load_speller
from netflips.transcribe import main as transcribe
from text2unit.script import script_of
from unit2av.speaker import voice_of
from unit2text.text import character_errors

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"


@pytest.fixture(scope="module")
def korean() -> str:
    return str(json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))["korean"])


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(bundle_paths(Bundle(SHIPPED, {})), "en", "ko", RunOptions("cpu"))


@pytest.fixture(scope="module")
def known() -> list[Reference]:
    return read_references(SHIPPED / "references.jsonl")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_speech(CLIP)


def test_its_files_are_those_that_it_names() -> None:
    rows = check_bundle(SHIPPED).about["metrics"]["rows"]
    (held_out,) = (row for row in rows if (row["figure"], row["subject"]) == ("held_out.right", "dub"))
    assert held_out["low"] > 0.6  # fillings that their template never had in training


@pytest.mark.parametrize(
    ("heard", "said", "expected"),
    [
        ("My younger sister gave me this rink.", "My younger sister gave me this map.", [("ring", "map")]),
        ("My younger sister gave me this map.", "My younger sister gave me this map.", []),
        ("The moon is made of old green cheese.", "My younger sister gave me this map.", []),  # nothing that it knows
        ("", "My younger sister gave me this map.", []),
    ],
)
def test_a_translation_that_says_another_word_than_was_heard_is_found(
    heard: str, said: str, expected: list[tuple[str, str]]
) -> None:
    book = KnownPhrases(read_references(SHIPPED / "references.jsonl"))
    (translated,) = (one.units for one in book.references if one.translation == said)
    assert book.other_words(heard, translated) == expected


def test_both_sides_of_a_dub_are_read_back(models: Models, speech: np.ndarray, korean: str) -> None:
    """Of the clip's sentence its own translation is right, and that of another sentence is told."""
    extraction = models.extractor.extract_scored(speech)
    heard = TrustedUnits(replace(extraction, units=replace(extraction.units, language="en")), AUDIO)
    references = read_references(SHIPPED / "references.jsonl")
    for is_right in (True, False):
        said = next(one for one in references if (one.text == korean) == is_right)
        judged = judge_utterance(models, heard, Translated(said.units, 0.0))
        assert [one.code for one in judged.others] == ([] if is_right else ["says_other"])
        assert judged.understanding.grade == ("good" if is_right else "doubtful")


LEARNT = (
    "안녕하세요?", "안녕히 가세요.", "감사합니다.", "반갑습니다.", "네.", "아니요.", "만나서 반갑습니다. 잘 지내세요?",
    "실례합니다, 은행이 어디에 있어요?", "병원까지 십 분 걸려요.", "3시에 공원 앞에서 만나요.", "이 책은 얼마예요?",
    "제 친구는 다음 주에 도착해요.", "저는 일본어와 사진을 배우고 있어요.", "부산행 기차는 일곱 시에 떠나요.",
    "약국 근처에서 펜을 잃어버렸어요.", "대구에 가 본 적이 있어요?", "전화번호는 010-1234-5678이에요.",
    "이 거울, 빨간색으로도 있어요?", "1234", "오늘 점심에 김치찌개를 먹었어요.",
)  # fmt: skip
STRANGE = (
    "Hello", "Good morning", "BTS", "Netflix", "법원은 항소를 기각했다.", "저는 어제 양자역학 논문을 세 편 읽었습니다.",
    "새해 복 많이 받으세요.", "컴퓨터가 자꾸 꺼져서 일을 못 했어요.", "스마트폰 배터리가 거의 없어요.",
    "고양이가 소파 밑에 숨었어요.", "카드로 계산해도 될까요?", "동생은 대학교에서 화학을 전공합니다.",
    "내년 봄에 결혼하기로 했습니다.", "작년보다 물가가 많이 올랐어요.", "이 노래를 들으면 고향이 생각나요.",
    "인터넷으로 표를 미리 예약했어요.", "누구에게나 실수는 있는 법이에요.", "GDP", "뷁",
    "텔레비전 소리를 조금 줄여 주세요.",
)  # fmt: skip


def test_the_speller_knows_what_it_says_right() -> None:
    """Of 40 sentences at most 2 are taken for the other kind, in `say` and in corrections alike."""
    speller = load_speller(SHIPPED / "speller.ko.safetensors", Running())
    wrong = []
    for text in (*LEARNT, *STRANGE):
        spoken = speller.spell(script_of(text).sentences)
        share, note = speller.knows(text)
        is_warned = any(speller.outside(one) is not None for one in spoken)
        assert is_warned == (note is not None) == (share < 1)
        wrong += [text] if is_warned != (text in STRANGE) else []
    assert len(LEARNT) == len(STRANGE) == 20
    assert len(wrong) <= 2, wrong


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_it_finds_the_translation_of_a_new_sentence(
    modalities: str, models: Models, known: list[Reference], speech: np.ndarray, korean: str
) -> None:
    lips = lips_of_video(CLIP, speech=speech) if "video" in modalities else None
    units = models.extractor.extract(speech if "audio" in modalities else None, lips)
    assert nearest_reference(models.translator.translate(units, "en", "ko").units, known).reference.text == korean


def test_what_it_says_is_heard_again_and_half_of_the_units_do_not_do_as_well(
    models: Models, known: list[Reference], speech: np.ndarray, korean: str
) -> None:
    """Order alone proves little here: in so small a phrasebook the units of a sentence tell most of it in any order."""
    units = models.extractor.extract(speech)
    translation = models.translator.translate(units, "en", "ko").units
    said = models.vocoder.synthesize(translation, voice_of(speech, models.speaker_encoder)).samples
    assert nearest_reference(models.extractor.extract(said), known).reference.text == korean
    merged = units.merged()
    half = np.ascontiguousarray(merged.ids[: len(merged.ids) // 2])
    cut = models.translator.translate(type(units)(half, None, "en", units.vocabulary), "en", "ko")
    assert nearest_reference(cut.units, known).reference.text != korean


@pytest.mark.parametrize("pause_s", [0.0, 0.28])
def test_two_sentences_without_a_pause_between_are_both_read(
    pause_s: float, models: Models, speech: np.ndarray, tmp_path: Path
) -> None:
    """Said by the bundle itself; the reader has learnt single sentences only."""
    speller, voice = load_speller(SHIPPED / "speller.ko.safetensors", Running()), voice_of(speech, models.speaker_encoder)
    sentences = "열한 시에 기차역 앞에서 만나요.", "월요일 저녁에 볶음밥을 먹었어요."
    units = (natural_units(one, "ko", speller, models.vocoder) for one in sentences)
    first, second = (_sounding(models.vocoder.synthesize(one, voice).samples) for one in units)
    write_speech(tmp_path / "two.wav", np.concatenate([first, np.zeros(seconds_to_samples(pause_s), np.float32), second]))
    out = tmp_path / "two.txt"
    assert transcribe([str(tmp_path / "two.wav"), "--from", "ko", "--out", str(out), "--cpu", "--quiet"]) == 0
    errors = character_errors(" ".join(sentences), " ".join(out.read_text(encoding="utf-8").split()))
    assert errors.errors <= 0.35 * errors.length  # words may be read wrong; a sentence that is lost is half of it


def _sounding(samples: np.ndarray) -> np.ndarray:
    """Speech without the silence around it, float32 [S] at 16 kHz."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return samples[loud[0] : loud[-1]]


def test_a_clip_is_what_a_recording_of_one_utterance_is(tmp_path: Path) -> None:
    (tmp_path / "whole.json").write_text("[[0, 2.44]]")
    made: dict[str, dict[str, Any]] = {}
    sound: dict[str, np.ndarray] = {}
    own_time = ["--timing", "source", "--segments-in", str(tmp_path / "whole.json"), "--pace", "1", "1.1", "--hold-picture"]
    for name, more in (("clip", []), ("recording", [*own_time, "--work-dir", str(tmp_path / "work")])):
        out, report = tmp_path / f"{name}.mp4", tmp_path / f"{name}.report.json"
        words = [
            "dub",
            str(CLIP),
            "-o",
            str(out),
            "--report",
            str(report),
            "--lips",
            "units",
            "--cpu",
            "--precision",
            "float32",
            "-q",
        ]
        assert cli.main([*words, *more]) == 0
        script = json.loads(report.read_text())
        (made[name],), sound[name] = script["utterances"], read_speech(out)
        assert script["understood"] == made[name]["understood"]
    clip, recording = made["clip"], made["recording"]
    assert {name: clip[name] for name in ("heard", "target", "understood", "place")} == {
        name: recording[name] for name in ("heard", "target", "understood", "place")
    }
    assert clip["seen"]["quality"] == recording["seen"]["quality"]
    assert clip["drawn"]["drawn"] == clip["drawn"]["pictures"] == 64
    inside = slice(640, len(sound["clip"]) - 640)  # a recording's speech comes in and goes out
    assert np.corrcoef(sound["clip"][inside], sound["recording"][inside])[0, 1] > 0.999  # AAC tells a little of what was before
    assert loudness_lufs(sound["clip"]) == pytest.approx(loudness_lufs(read_speech(CLIP)), abs=0.2)
