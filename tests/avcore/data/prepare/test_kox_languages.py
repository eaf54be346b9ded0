"""Which recordings are Korean and which English, where the corpus says so in the names of its archives."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from avcore.data.manifest import Entry, Manifest, read_manifest, write_manifest
from avcore.data.prepare.kox import main
from avcore.data.prepare.kox_layout import read_layout
from avcore.data.prepare.kox_recordings import check_lengths, syllables
from avcore.data.prepare.label_fields import spoken_form
from avcore.data.prepare.sources import CorpusFile
from tests.avcore.data.prepare.made import sound_bytes, split_file, write_zip
from tests.avcore.data.prepare.trees import kox_label

KOREAN_S, ENGLISH_S, OTHER_S = 0.5, 0.8, 1.1
"""Each language has its own length here, so that a mix-up shows."""
NAMES = [f"c_005_{number:04d}" for number in range(3)]


def _prepare(root: Path, out: Path, *more: str) -> int:
    return main(["--data-root", str(root), "--out-dir", str(out), "--workers", "1", *more])


def _tree(root: Path, archives: Mapping[str, Mapping[str, bytes]], split: str = "Training") -> Path:
    """A delivery. archives: what is in each, by its name; those beginning with TL or VL hold labels."""
    for name, files in archives.items():
        kind = "02.라벨링데이터" if name[1] == "L" else "01.원천데이터"
        write_zip(root / "01-1.정식개방데이터" / split / kind / f"{name}.zip", files)
    return root


def _sounds(seconds: float, names: list[str] = NAMES) -> dict[str, bytes]:
    return {f"여행/{name}.wav": sound_bytes(seconds, number, 48000) for number, name in enumerate(names)}


def _labels(names: list[str] = NAMES, **more: object) -> dict[str, bytes]:
    return {f"여행/{name}.json": kox_label(number, **more) for number, name in enumerate(names)}


def _lengths(out: Path, language: str) -> list[float]:
    return [round(entry.duration_s, 1) for entry in _manifest(out, language).entries]


def _manifest(out: Path, language: str) -> Manifest:
    return read_manifest(out / f"{language}.jsonl")


@pytest.mark.parametrize("words", [("ko", "en"), ("KOR", "ENG"), ("한국어", "영어"), ("korean", "English")])
@pytest.mark.parametrize("form", ["TS_{}_1", "TS{}1", "TS 1.{}", "TS_1_{}_여행"])
def test_the_language_stands_in_the_name_of_the_archive(
    words: tuple[str, str], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal names in both languages: real speech on both sides, nothing mixed up, and said before the work."""
    korean, english = (form.format(word) for word in words)
    root = _tree(tmp_path / "x", {english: _sounds(ENGLISH_S), korean: _sounds(KOREAN_S), "TL1": _labels()})
    assert _prepare(root, tmp_path / "out") == 0
    assert (_lengths(tmp_path / "out", "ko"), _lengths(tmp_path / "out", "en")) == ([KOREAN_S] * 3, [ENGLISH_S] * 3)
    folder = "01-1.정식개방데이터/Training/01.원천데이터"
    said = capsys.readouterr().err.splitlines()
    assert "recordings: 3 Korean, 3 English" in said
    assert {f"  {folder}/{korean}.zip: 3 Korean", f"  {folder}/{english}.zip: 3 English"} <= set(said)
    assert not (tmp_path / "out" / "failed.jsonl").exists()


def test_real_english_is_paired_and_only_the_missing_synthesised(tmp_path: Path) -> None:
    archives = {"VS_ko_11": _sounds(KOREAN_S), "VS_en_11": _sounds(ENGLISH_S, NAMES[:2]), "VL_ko_11": _labels()}
    root = _tree(tmp_path / "x", archives, "Validation")
    voice = tmp_path / "voice.wav"
    voice.write_bytes(sound_bytes(OTHER_S))
    copy = "import shutil, sys; shutil.copy(sys.argv[2], sys.argv[3])"
    template = f"{sys.executable} -c '{copy}' {{text_file}} {voice} {{out}}"
    assert _prepare(root, tmp_path / "out", "--synthesise-with", template) == 0
    assert _lengths(tmp_path / "out", "en") == [ENGLISH_S, ENGLISH_S, OTHER_S]
    assert [entry.extra.get("synthetic", False) for entry in _manifest(tmp_path / "out", "en").entries] == [False, False, True]
    assert {entry.extra["split"] for entry in _manifest(tmp_path / "out", "ko").entries} == {"valid"}


def test_english_of_other_names_never_passes_for_korean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels on both sides, other names: no English sound in ko.jsonl, and what has no partner is said."""
    others = [f"d_007_{number:04d}" for number in range(3)]
    archives = {"TS_ko_1": _sounds(KOREAN_S), "TL_ko_1": _labels()}
    archives |= {"TS_en_1": _sounds(ENGLISH_S, others), "TL_en_1": _labels(others)}
    assert _prepare(_tree(tmp_path / "x", archives), tmp_path / "out") == 0
    assert [entry.id for entry in _manifest(tmp_path / "out", "ko").entries] == NAMES
    assert not (tmp_path / "out" / "en.jsonl").exists()
    assert "3 English recordings belong to no Korean one by their names" in capsys.readouterr().err


@pytest.mark.parametrize("with_labels", [True, False])
def test_names_that_differ_in_the_language_belong_together(with_labels: bool, tmp_path: Path) -> None:
    """en_c_... and ko_c_...; what is said in English comes from the English labels where the Korean ones have none."""
    names = {language: [f"{language}_{name}" for name in NAMES] for language in ("ko", "en")}
    archives = {"TS1": {**_sounds(KOREAN_S, names["ko"]), **_sounds(ENGLISH_S, names["en"])}}
    if with_labels:
        archives["TL_ko_1"] = _labels(names["ko"], en="")
        archives["TL_en_1"] = _labels(names["en"], ko="")
    assert _prepare(_tree(tmp_path / "x", archives), tmp_path / "out") == 0
    assert (_lengths(tmp_path / "out", "ko"), _lengths(tmp_path / "out", "en")) == ([KOREAN_S] * 3, [ENGLISH_S] * 3)
    first = _manifest(tmp_path / "out", "en").entries[0]
    assert first.id == _manifest(tmp_path / "out", "ko").entries[0].id == names["ko"][0]
    assert (first.text, first.translation) == (("English sentence 0", "한국어 문장 0") if with_labels else ("", ""))


def test_other_languages_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives = {"TS_ko_1": _sounds(KOREAN_S), "TL_ko_1": _labels()}
    for language in ("ja", "es"):
        archives |= {f"TS_{language}_1": _sounds(OTHER_S), f"TL_{language}_1": _labels()}
    assert _prepare(_tree(tmp_path / "x", archives), tmp_path / "out") == 0
    assert _lengths(tmp_path / "out", "ko") == [KOREAN_S] * 3
    assert "recordings: 3 Korean, 0 English, 6 of other languages" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("how", ["archive", "parts", "folder", "unpacked beside its archive", "through a link"])
def test_nothing_below_the_english_root_is_korean(how: str, tmp_path: Path) -> None:
    """Archives whose names say nothing, which --english-root tells apart."""
    root = _tree(tmp_path / "x", {"TS1": _sounds(KOREAN_S), "TS2": _sounds(ENGLISH_S), "TL1": _labels()})
    archive = next(root.rglob("TS2.zip"))
    english = archive
    if how == "parts":
        english = archive.parent / "more"
        english.mkdir()
        split_file(archive.rename(english / archive.name), 3)
    elif how != "archive":
        shutil.unpack_archive(archive, archive.with_suffix(""))
        english = archive.with_suffix("")
        if how != "unpacked beside its archive":
            archive.unlink()
        if how == "through a link":
            (tmp_path / "link").symlink_to(english)
            english = tmp_path / "link"
    assert _prepare(root, tmp_path / "out", "--english-root", str(english)) == 0
    assert (_lengths(tmp_path / "out", "ko"), _lengths(tmp_path / "out", "en")) == ([KOREAN_S] * 3, [ENGLISH_S] * 3)


@pytest.mark.parametrize("kinds", [("TS1", "TS2"), ("TS_en_1", "TS_en_2")])
def test_two_recordings_of_one_name_stop(kinds: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives = {kind: _sounds(KOREAN_S) for kind in kinds} | {"TS_ko_1": _sounds(KOREAN_S), "TL1": _labels()}
    if kinds[0] == "TS1":
        del archives["TS_ko_1"]
    assert _prepare(_tree(tmp_path / "x", archives), tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "there are two recordings of one name" in said
    assert all(f"01.원천데이터/{kind}/여행/{NAMES[0]}.wav" in said for kind in kinds)
    assert not (tmp_path / "out" / "ko.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a/en/x.wav", "en"),
        ("en/ko/x.wav", "ko"),
        ("x_en.wav", "en"),
        ("ko/x_en.wav", "ko"),
        ("영어/x.wav", "en"),
        ("x.wav", ""),
        ("TS_EN_1/02.여행/x.wav", "en"),
        ("VSen11/x.wav", "en"),
        ("01. 한국어-영어/x.wav", ""),
        ("TS_ko_1/영어교육/x.wav", "ko"),
        ("Ko-X/TS1/x_en.wav", "en"),
        ("TS_jp_1/x.wav", "other"),
        ("et_c_005_002.wav", ""),
        ("1.IT/men_de.wav", ""),
    ],
)
def test_the_words_that_say_a_language(name: str, language: str) -> None:
    assert read_layout().language(CorpusFile(name, (Path(name),))) == language


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("모두 (70%)/(칠십 퍼센트) 입니다", "모두 칠십 퍼센트 입니다"),
        ("(칠십 퍼센트)/(70%)", "칠십 퍼센트"),
        ("(EU)/(이유)의 (3)/(세) 나라", "이유의 세 나라"),
        ("the (3rd)/(third) one", "the third one"),
        ("(괄호) 안의 말", "(괄호) 안의 말"),
        ("b/ 아/ 그래서 n/ 갔어요.", "아 그래서 갔어요."),
        ("(70%)/(칠십 퍼센트) 정도+ 그니까 좋아요.", "칠십 퍼센트 정도 그니까 좋아요."),
        ("o/안녕하세요 l/.", "안녕하세요."),
        ("n/b/ 모+ 몬 소리*야, 뭐지/?", "모 몬 소리야, 뭐지?"),
        ("b/ u/ *", ""),
        ("남/여, A/B 테스트, A+ 학점, 3*4", "남/여, A/B 테스트, A+ 학점, 3*4"),
        ("C++ 언어, km/h", "C++ 언어, km/h"),
        ("black/white b/w, w/o it, 2*3 +1", "black/white b/w, w/o it, 2*3 +1"),
    ],
)
def test_transcripts_are_as_they_are_said(text: str, said: str) -> None:
    assert spoken_form(text) == said


def test_what_is_said_is_what_is_synthesised(tmp_path: Path) -> None:
    label = _labels(NAMES[:1], en="It is (70%)/(seventy percent).", ko="(70%)/(칠십 퍼센트)입니다")
    root = _tree(tmp_path / "x", {"TS1": _sounds(KOREAN_S, NAMES[:1]), "TL1": label})
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    template = f"{sys.executable} -c '{copy}' {{reference}} {{out}} {{text}}"
    assert _prepare(root, tmp_path / "out", "--synthesise-with", template) == 0
    entry = _manifest(tmp_path / "out", "en").entries[0]
    assert (entry.text, entry.translation) == ("It is seventy percent.", "칠십 퍼센트입니다")


def _spoken(out: Path, share_english: float, count: int = 150) -> dict[tuple[str, str], str]:
    """A ko.jsonl in which a share of the recordings is as long as the English text is, at speeds that differ."""
    generator = np.random.default_rng(4)
    entries = []
    for number in range(count):
        own, other = (int(one) for one in generator.integers(6, 40, 2))
        other = (own + other) // 2
        spoken = other if generator.random() < share_english else own
        seconds = 0.2 * spoken * generator.uniform(0.7, 1.3) + generator.uniform(0.3, 1.2)
        entries.append(Entry(str(number), "x.wav", duration_s=seconds, text="가" * own, translation="la " * other))
    write_manifest(out / "ko.jsonl", entries)
    return {("ko", entry.id): "TS_ko_1.zip" for entry in entries}


@pytest.mark.parametrize(("share", "is_warned"), [(0.0, False), (1.0, True)])
def test_lengths_tell_a_wrong_language(share: float, is_warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_lengths(tmp_path, _spoken(tmp_path, share))
    assert ("TS_ko_1.zip: its 150 Korean recordings last as their translations would" in caplog.text) == is_warned


def test_lengths_that_follow_no_text_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = [Entry(str(n), "x.wav", duration_s=1 + n % 7, text="가" * (10 + n % 3), translation="la " * 9) for n in range(120)]
    write_manifest(tmp_path / "ko.jsonl", entries)
    check_lengths(tmp_path, {("ko", entry.id): "TS1.zip" for entry in entries})
    assert caplog.text == ""
    generator = np.random.default_rng(1)
    entries = [
        Entry(str(n), "x.wav", duration_s=generator.uniform(1, 9), text="가" * int(generator.integers(5, 40))) for n in range(120)
    ]
    write_manifest(tmp_path / "ko.jsonl", entries)
    check_lengths(tmp_path, {("ko", entry.id): "TS1.zip" for entry in entries})
    assert "do not last as their text would" in caplog.text


def test_the_check_of_lengths_is_part_of_the_preparation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """120 recordings as long as their English labels: the archive is named."""
    generator = np.random.default_rng(2)
    counts = [(int(one), int(other)) for one, other in generator.integers(4, 30, (120, 2))]
    sounds = {f"여행/s_{n:03d}.wav": sound_bytes(0.2 + 0.05 * other) for n, (_, other) in enumerate(counts)}
    labels = {f"s_{n:03d}.json": kox_label(n, ko="가" * own, en="la " * other) for n, (own, other) in enumerate(counts)}
    assert _prepare(_tree(tmp_path / "x", {"TS1": sounds, "TL1": labels}), tmp_path / "out") == 0
    assert "01.원천데이터/TS1.zip: its 120 Korean recordings last as their translations would" in capsys.readouterr().err


def test_syllables_of_both_languages() -> None:
    assert (syllables("한국어 문장 3"), syllables("English sentence"), syllables("")) == (6, 5, 0)
