"""Subtitles as other programs wrote them: what is read of each, whose language it is in, and what is told of it."""

from pathlib import Path
from time import process_time

import pytest

from avcore.errors import InputError
from avcore.notes import json_text, sentence
from avcore.words import KOREAN
from netflips.subtitles.given import GivenSubtitles, read_subtitles

SRT = "1\n00:00:01,000 --> 00:00:02,000\n안녕\n\n2\n00:00:03,000 --> 00:00:04,000\n둘\n"
SAMI = (
    "<SAMI><HEAD><STYLE><!-- .KRCC {lang:ko-KR} --></STYLE></HEAD><BODY>\n<SYNC Start=1000><P Class=KRCC>안녕<br>하세요\n"
    "<SYNC Start=2000><P Class=KRCC>&nbsp;\n<SYNC Start=3000><P Class=KRCC>A&amp;B 둘\n"
    "<SYNC Start=900><P Class=ENCC>Hello everybody\n<SYNC Start=3500><P Class=ENCC>Two of them\n</BODY></SAMI>"
)
ASS = (
    "[Script Info]\nTitle: x\n[V4+ Styles]\nStyle: odd\n[Events]\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}안녕{\\i0}\\N하세요, 네\n"
    "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,주석\n"
    "Dialogue: 0,soon,0:00:02.00,Default,,0,0,0,,둘\nDialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}\n"
)
VTT = (
    "WEBVTT - title\n\nNOTE of\ntwo lines\n\n"
    "STYLE\n::cue{}\n\nintro\n00:01.000 --> 00:02.5 align:start\n<v 철수>안녕 &amp; 네</v>\n\n"
    "2\n00:00:03.000 --> 00:04.000\n<c.yellow>- 네</c>\n- 아니요\n"
)


def read(tmp_path: Path, name: str, content: str, encoding: str = "utf-8") -> GivenSubtitles:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return read_subtitles(path, "en", "ko").within(12.0)


def times(*rows: tuple[str, str, str]) -> str:
    return "\n".join(f"{number}\n00:00:{start} --> 00:00:{end}\n{text}\n" for number, (start, end, text) in enumerate(rows, 1))


@pytest.mark.parametrize(
    ("name", "content", "cues", "notice"),
    [
        ("a.srt", SRT, [(1, 2, "안녕"), (3, 4, "둘")], ""),
        ("a.smi", SAMI, [(1, 2, "안녕 하세요"), (3, 4, "A&B 둘")], ""),
        ("a.ass", ASS, [(1, 2.5, "안녕 하세요, 네")], "a.ass: left out: 1 without times that can be read (2)"),
        ("a.vtt", VTT, [(1, 2.5, "안녕 & 네"), (3, 4, "네. 아니요.")], "a.vtt: left out of what is said: - (2)"),
        (
            "overlap.srt",
            times(("00,1", "02,4", "하나"), ("02,0", "06,4", "둘"), ("06,3", "08", "셋")),
            [(0.1, 2, "하나"), (2, 6.3, "둘"), (6.3, 8, "셋")],
            "overlap.srt: 2 of 3 cues were put right: 2 overlapped (1-2)",
        ),
        (
            "two.srt",
            times(("01", "04", "하나"), ("01,1", "03", "둘")),
            [(1, 4, "하나 둘")],
            "two.srt: 1 of 2 cues was put right: 1 overlapped (1)",
        ),
        (
            "end.srt",
            times(("01", "14,9", "하나"), ("13", "15", "둘")),
            [(1, 12, "하나")],
            "end.srt: 1 of 2 cues was put right: 1 overlapped (1), 1 ended after the recording (1); "
            "left out: 1 after the recording (2)",
        ),
        (
            "sort.srt",
            times(("05", "06", "둘"), ("01", "01", "하나")),
            [(1, 2, "하나"), (5, 6, "둘")],
            "sort.srt: 1 of 2 cues was put right: 1 stood out of order (2), 1 had no length (2)",
        ),
        (
            "music.srt",
            times(("01", "02", "[음악]"), ("03", "04", "♪ 사랑해 ♪"), ("05", "06", "(웃음)\n<i>네</i> {\\an8}")),
            [(3, 4, "사랑해"), (5, 6, "네")],
            "music.srt: left out: 1 with nothing to say (1); left out of what is said: [음악], ♪ (2), {\\an8}, (웃음)",
        ),
        (
            "names.srt",
            times(("01", "02", "철수: 네"), ("03", "04", "철수: 그래"), ("05", "06", "주의: 3:30 출발")),
            [(1, 2, "네"), (3, 4, "그래"), (5, 6, "주의: 3:30 출발")],
            "names.srt: speakers, who are not said: 철수 (2)",
        ),
        (
            "year.srt",
            "00:00:01 --> 00:00:02\n올림픽\n1988\n\n9\n00:00:03,5 -> 00:00:04\n\n둘째 줄\n2002",
            [(1, 2, "올림픽 1988"), (3.5, 4, "둘째 줄 2002")],
            "",
        ),
        ("packed.srt", "1\n00:00:01 --> 00:00:02\n하나\n2\n00:00:03 --> 00:00:04\n둘\n", [(1, 2, "하나"), (3, 4, "둘")], ""),
        ("written.srt", times(("01", "02", "[1]"), ("03", "04", "")), [(1, 2, ""), (3, 4, "")], ""),
        (
            "61.srt",
            times(("01", "02", "하나")) + "\n2\n00:61:01,0 --> 00:62:02,0\n둘\n",
            [(1, 2, "하나")],
            "61.srt: left out: 1 without times that can be read (2)",
        ),
    ],
)  # fmt: skip
def test_what_is_read_and_told(tmp_path: Path, name: str, content: str, cues: list[tuple[float, float, str]], notice: str) -> None:
    given = read(tmp_path, name, content)
    assert [(round(one.start_s, 3), round(one.end_s, 3), one.text) for one in given.cues] == cues
    assert ("" if given.note is None else sentence(given.note)) == notice


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", "UTF-16-LE"), ("utf-16-be", "UTF-16-BE"), ("cp949", "CP949")],
)
def test_encodings(tmp_path: Path, encoding: str, told: str) -> None:
    given = read(tmp_path, "a.srt", SRT.replace("\n", "\r\n"), encoding)
    assert [one.text for one in given.cues] == ["안녕", "둘"]
    assert ("" if given.note is None else sentence(given.note)) == (f"a.srt: read as {told}" if told else "")


@pytest.mark.parametrize(
    ("text", "encoding", "side"),
    [
        ("네, OK, let's go", "utf-8", "source"), ("안녕하세요, Tom", "cp949", "target"),
        ("I don\u2019t know, café", "cp1252", "source"),
        ("Привет", "utf-8", ""), ("123", "utf-8", ""),
    ],
)  # fmt: skip
def test_letters_say_whose_texts_they_are(tmp_path: Path, text: str, encoding: str, side: str) -> None:
    given = read(tmp_path, "a.srt", times(("01", "02", text)), encoding)
    assert (given.side, given.cues[0].text) == (side, text)


BOTH = [("Where is the airport?", "공항이 어디예요?"), ("The iPhone 15 Pro is out.", "iPhone 15 Pro 출시."), ("", "네.")]
BOTH_ASS = "".join(
    f"Dialogue: 0,0:00:0{at}.{late}0,0:00:0{at + 1}.00,Default,,0,0,0,,{text}\n"
    for at, pair in enumerate(BOTH[:2], 1)
    for late, text in enumerate(pair)
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", times(*((f"0{at}", f"0{at},9", "\n".join(filter(None, pair))) for at, pair in enumerate(BOTH, 1)))),
        ("b.srt", times(*((f"0{at}", f"0{at},9", "\n".join(filter(None, pair[::-1]))) for at, pair in enumerate(BOTH, 1)))),
        ("c.srt", times(("01", "02", "- Where is\n- the airport?\n- 공항이\n- 어디예요?"), ("03", "04", "1984\nNineteen\n1984년"))),
        ("d.ass", f"[Events]\n{BOTH_ASS}"),
    ],
)
def test_of_subtitles_in_both_languages_each_line_is_heard_or_said(tmp_path: Path, name: str, content: str) -> None:
    given = read(tmp_path, name, content)
    found = [(one.source_text, one.text) for one in given.cues]
    if name == "c.srt":
        assert found == [("Where is. the airport?", "공항이. 어디예요?"), ("1984 Nineteen", "1984년")]
        return
    assert (given.side, found) == ("target", BOTH[: len(found)])
    assert given.note is None
    french = read_subtitles(tmp_path / name, "ko", "fr").within(12.0)
    assert (french.side, french.cues[0].text, french.cues[0].source_text) == ("source", "공항이 어디예요?", "")


def test_a_line_in_latin_letters_makes_no_subtitles_of_two_languages(tmp_path: Path) -> None:
    rows = (("01", "02", "애플\nApple Park"), ("03", "04", "네, 맞아요."), ("05", "06", "가요."))
    given = read(tmp_path, "a.srt", times(*rows))
    assert [(one.source_text, one.text) for one in given.cues] == [("", "애플 Apple Park"), ("", "네, 맞아요."), ("", "가요.")]


def test_entities_are_read_and_languages_of_like_letters_not_parted(tmp_path: Path) -> None:
    text = "네&hellip; A&amp;B &#44032; &unknown;"
    rows = {
        "a.srt": times(("01", "02", text)),
        "a.vtt": f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n",
        "a.ass": f"[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{text}\n",
    }
    for name, content in rows.items():
        assert read(tmp_path, name, content).cues[0].text == "네… A&B 가 &unknown;"
    path = tmp_path / "a.srt"
    path.write_text(times(("01", "02", "hello")))
    assert [read_subtitles(path, *pair).side for pair in (("en", "es"), ("en", "ko"), ("ko", "en"))] == ["", "source", "target"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.srt", times(("01", "02", "[음악]"), ("03", "04", "♪")).encode(), r"nothing is spoken in .*found \[음악\]"),
        ("x.srt", b"just a text\nof two lines\n", "no subtitles with times in it; expected 00:00:01,500 --> .*say --text-path"),
        ("x.srt", b"1\n00:61:01,0 --> 00:62:02,0\n", "found line 2: 00:61"),
        ("x.smi", b"<SAMI><BODY><P>x</BODY>", "expected <SYNC Start=1500>"),
        ("x.ass", b"[Events]\nDialogue: 0,x\n", "found line 2: Dialogue"),
        ("x.ass", b"[Events]\nDialogue: 0,9999999999:00:00.00,99999999999:00:00.00,D,,0,0,0,,x\n", "found line 2: Dialogue"),
        ("x.ass", b"Dialogue: 0,100:00:00.00,100:00:01.00,D,,0,0,0,,x\n", "behind the recording; .*found the first at 360000 s"),
        ("x.srt", b"1\n00:00:13,0 --> 00:00:14,0\nx\n", "behind the recording; expected 12.000 s; found the first at 13 s"),
        ("x.srt", b"\xff\xfe\x00", "no text; expected UTF-8, UTF-16 or CP949"),
        ("x.srt", b"a" * (9 << 20), "too large"),
    ],
)
def test_what_is_none_is_one_line(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_subtitles(path, "en", "ko").within(12.0)


@pytest.mark.parametrize(
    ("name", "head", "many", "count"),
    [
        ("x.ass", "Dialogue: 0,0:00:00.10,0:00:02.30,Default,,0,0,0,,네 ", "{", 400_000),
        ("x.ass", "Dialogue: 0,0:00:00.10,0:00:02.30,Default,,0,0,0,,네 ", "{\\i1}", 50_000),
        ("x.ass", "Dialogue: 0,0:00:00.10,0:00:02.30,Default,,0,0,0,,네 ", "\\N", 100_000),
        ("x.smi", "<SAMI><BODY><SYNC Start=100><P>네", "\n<SYNC Start=200><P>&nbsp;\n<SYNC Start=200><P>", 40_000),
        ("x.smi", "<SAMI><BODY><SYNC Start=100><P>네", "\n<SYNC Start=200><P>", 40_000),
    ],
)
def test_the_time_of_reading_grows_with_the_length_only(tmp_path: Path, name: str, head: str, many: str, count: int) -> None:
    began = process_time()
    assert read(tmp_path, name, head + many * count).cues[0].text.startswith("네")
    assert process_time() - began < 3


def test_each_of_many_cues_lasts_until_the_next_of_another_time(tmp_path: Path) -> None:
    content = "<SAMI><BODY>" + "".join(f"<SYNC Start={100 * (number // 2)}><P>{number}번" for number in range(2, 8000))
    began = process_time()
    path = tmp_path / "x.smi"
    path.write_text(content)
    cues = read_subtitles(path, "en", "ko").cues
    found = [(round(one.start_s, 3), round(one.end_s, 3), one.text) for one in cues[:2]]
    assert found == [(0.1, 0.2, "2번 3번"), (0.2, 0.3, "4번 5번")]
    assert process_time() - began < 4


def test_a_note_of_many_cues_names_the_first_and_how_many(tmp_path: Path) -> None:
    rows = [("01", "01", "하나"), ("01,1", "03", "둘")] * 3000
    note = read(tmp_path, "a.srt", times(*rows)).note
    told = sentence(note)
    assert "3000 had no length (1, 3, 5," in told
    assert ", 199, ...)" in told
    assert len(told) < 2000
    assert len(json_text(note.values)) < 4000
    assert "6000개" in sentence(note, KOREAN)


def test_who_speaks_is_read_before_the_text(tmp_path: Path) -> None:
    said = "[SPEAKER_01]: 안녕", "[SPEAKER_00] 둘", "[Ann Lee]:셋", "[음악] 넷"
    found = read(tmp_path, "a.srt", times(*((f"0{k}", f"0{k + 1}", text) for k, text in enumerate(said, 1))))
    speakers = [(one.speaker, one.text) for one in found.cues]
    assert speakers == [("SPEAKER_01", "안녕"), ("SPEAKER_00", "둘"), ("Ann Lee", "셋"), ("", "넷")]


ROLLING = (
    "WEBVTT\nKind: captions\n\n00:00:00.100 --> 00:00:02.390 align:start position:0%\n \n안녕하세요<00:00:00.600><c> 여러분</c>\n\n"
    "00:00:02.390 --> 00:00:02.400 align:start position:0%\n안녕하세요 여러분\n \n\n"
    "00:00:02.400 --> 00:00:04.090 align:start position:0%\n안녕하세요 여러분\n저쪽에<00:00:02.900><c> 있어요</c>\n\n"
    "00:00:04.090 --> 00:00:04.100 align:start position:0%\n저쪽에 있어요\n \n\n"
    "00:00:04.100 --> 00:00:06.000 align:start position:0%\n저쪽에 있어요\n감사합니다<00:00:05.000>\n"
)
SAID = [(0.1, 2.39, "안녕하세요 여러분"), (2.4, 4.09, "저쪽에 있어요"), (4.1, 6.0, "감사합니다")]


@pytest.mark.parametrize(
    ("name", "content", "cues"),
    [
        ("youtube.vtt", ROLLING, SAID),
        (
            "made_of_it.srt",
            times(
                ("00,1", "02,39", "\n안녕하세요 여러분"), ("02,39", "02,4", "안녕하세요 여러분\n "),
                ("02,4", "04,09", "안녕하세요 여러분\n저쪽에 있어요"), ("04,09", "04,1", "저쪽에 있어요\n "),
                ("04,1", "06", "저쪽에 있어요\n감사합니다"),
            ),
            SAID,
        ),
        (
            "rolled_up_by_three.srt",
            times(("01", "02", "하나"), ("02", "03", "하나\n둘"), ("03", "04", "하나\n둘\n셋"), ("04", "05", "둘\n셋\n넷")),
            [(1, 2, "하나"), (2, 3, "둘"), (3, 4, "셋"), (4, 5, "넷")],
        ),
        (
            "live.srt",
            times(
                ("01", "02", "the airport"), ("02", "03", "the airport is"), ("03", "04", "the airport is there\nso"),
                ("05", "06", "so go"),
            ),
            [(1, 3, "the airport is there"), (3, 6, "so go")],
        ),
        (
            "part.srt",
            times(
                ("01", "02", "네."), ("02", "03", "네."), ("03", "04", "가\n나"), ("04", "05", "나\n다"), ("05", "06", "다\n라"),
                ("06", "07", "자"), ("07", "08", "카"), ("08", "09", "파"),
            ),
            [(1, 2, "네."), (2, 3, "네."), (3, 4, "가 나"), (4, 5, "다"), (5, 6, "라"), (6, 7, "자"), (7, 8, "카"), (8, 9, "파")],
        ),
        (
            "twice.srt",
            times(
                ("01", "02", "안 돼!"), ("02", "03", "안 돼!"), ("03", "04", "네."), ("04", "05", "네.\n알겠습니다."),
                ("05", "06", "가요."),
            ),
            [(1, 2, "안 돼!"), (2, 3, "안 돼!"), (3, 4, "네."), (4, 5, "네. 알겠습니다."), (5, 6, "가요.")],
        ),
    ],
)  # fmt: skip
def test_a_line_shown_again_is_said_once(tmp_path: Path, name: str, content: str, cues: list[tuple[float, float, str]]) -> None:
    given = read(tmp_path, name, content)
    assert [(round(one.start_s, 3), round(one.end_s, 3), one.text) for one in given.cues] == cues
    is_rolling = name not in ("part.srt", "twice.srt")
    assert ("4 of 5 cues were put right: 4 showed lines of the one before (2-5)" in str(given.note and sentence(given.note))) == (
        len(given.cues) == 3 and is_rolling
    )


WORDS = ["저쪽에", "공항이", "있어요."]


def marked(before: str, behind: str) -> list[str]:
    """A sentence of three words, each marked in turn."""
    return [" ".join(f"{before}{one}{behind}" if one == word else one for one in WORDS) for word in WORDS]


def at(texts: list[str], step: float, gap: float = 0.0) -> list[tuple[str, str, str]]:
    return [(f"{1 + step * k:06.3f}".replace(".", ","), f"{1 + step * (k + 1) - gap:06.3f}".replace(".", ","), one)
            for k, one in enumerate(texts)]  # fmt: skip


SENTENCE = "저쪽에 공항이 있어요."


@pytest.mark.parametrize(
    ("name", "content", "times_said"),
    [
        ("a.srt", times(*at(marked("<u>", "</u>"), 0.5)), 1),  # whisper
        ("a.srt", times(*at([f"[SPEAKER_00]: {one}" for one in marked("<u>", "</u>")], 0.5, 0.02)), 1),
        ("a.srt", times(*at([WORDS[0], *marked("<b>", "</b>")], 0.5)), 1),
        ("a.srt", times(*at([f"<font>{one}</font>" for one in marked("<font color=red>", "</font>")], 0.5)), 1),
        ("a.srt", times(*at([*marked("<u>", "</u>"), SENTENCE, *marked("<u>", "</u>")], 0.5)), 2),
        ("a.srt", times(*at([SENTENCE] * 2, 1.0)), 2),  # nothing moves
        ("a.srt", times(*at(WORDS * 2, 0.5)), 2),  # one word a cue
        ("a.vtt", "WEBVTT\n\n" + times(*at(marked("<c.now>", "</c>"), 0.5)).replace(",", "."), 1),
        (
            "a.ass",
            "[Events]\n"
            + "".join(
                f"Dialogue: 0,0:00:0{k}.00,0:00:0{k + 1}.00,Default,,0,0,0,,{one}\n"
                for k, one in enumerate(marked(r"{\1c&HFF&}", r"{\r}"))
            ),
            1,
        ),
        (  # a sign that moves with the frames
            "a.ass",
            "[Events]\n"
            + "".join(f"Dialogue: 0,0:00:01.{k}0,0:00:01.{k + 1}0,Sign,,0,0,0,,{{\\pos({k},9)}}{SENTENCE}\n" for k in range(1, 8)),
            1,
        ),
    ],
)
def test_a_sentence_whose_words_are_marked_is_said_once(tmp_path: Path, name: str, content: str, times_said: int) -> None:
    assert [one.text for one in read(tmp_path, name, content).cues] == [SENTENCE] * times_said


@pytest.mark.parametrize("texts", [["네.", "가요.", "왜요?", "그냥."], ["네", "가요", "왜요", "그냥"]])
def test_short_sentences_are_not_joined(tmp_path: Path, texts: list[str]) -> None:
    assert [one.text for one in read(tmp_path, "a.srt", times(*at(texts, 0.7))).cues] == texts


def test_two_who_speak_at_one_time_are_both_kept(tmp_path: Path) -> None:
    rows = (("01", "03", "민수: 감사합니다."), ("01", "03", "영희: 네."), ("05", "06", "민수: 좋아요.\n영희: 그래요."))
    given = read(tmp_path, "a.srt", times(*rows))
    found = [(one.number, round(one.start_s, 2), round(one.end_s, 2), one.speaker, one.text) for one in given.cues]
    assert found == [
        (1, 1.0, 2.5, "민수", "감사합니다."), (2, 2.5, 3.0, "영희", "네."),
        (3, 5.0, 5.5, "민수", "좋아요."), (3, 5.5, 6.0, "영희", "그래요."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"안녕하세요.\N반갑습니다.", "안녕하세요. 반갑습니다."),
        (r"저쪽에\n있어요.", "저쪽에 있어요."),
        (r"저쪽에\h있어요.", "저쪽에 있어요."),
        (r"좋아요.\nok 가요.", "좋아요. ok 가요."),
        (r"폴더는 C:\new예요.", r"폴더는 C:\new예요."),
        ("Subtitles by Ann Lee", ""),
        ("Synced & corrected by MAX\nwww.addic7ed.com", ""),
        ("자막 제작: 홍길동", ""),
        ("번역: 홍길동", ""),
        ("Downloaded from www.opensubtitles.org", ""),
        ("Translated and captioned by the Amara community", ""),
        ("자막by 영희", ""),
        ("한글자막 수정: sub99", ""),
        ("Advertise your product or brand here\ncontact us", ""),
        ("Subtitles by default are off.", "Subtitles by default are off."),
        ("자막을 켜 주세요.", "자막을 켜 주세요."),
        ("번역: 문을 닫으세요.", "번역: 문을 닫으세요."),
        ("The files were downloaded from NASA.", "The files were downloaded from NASA."),
        ("Timing is everything, said by Ann.", "Timing is everything, said by Ann."),
    ],
)
def test_what_programs_and_sites_leave_in_texts(tmp_path: Path, text: str, said: str) -> None:
    given = read(tmp_path, "a.srt", times(("01", "02", text), ("03", "04", "네.")))
    assert [one.text for one in given.cues] == [*filter(None, [said]), "네."]
    assert ("that say who made the subtitles (1)" in str(given.note and sentence(given.note))) == (not said)


TTML = '<tt xmlns="http://www.w3.org/ns/ttml"><body{}><div>{}</div></body></tt>'


@pytest.mark.parametrize(
    ("content", "cues"),
    [
        (
            TTML.format("", '<p timeContainer="seq"><span dur="2s">하나</span><span begin="1s" dur="2s">둘<br/>셋</span></p>'),
            [(0, 2, "하나"), (3, 5, "둘 셋")],
        ),
        (
            TTML.format("", '<p><span begin="6s" end="7s">넷</span> <span begin="7s" end="8s">둘</span></p>'),
            [(6, 7, "넷"), (7, 8, "둘")],
        ),
        (
            TTML.format("", '<p begin="1s" end="3s"><span begin="0s">하나</span> <span begin="1s">둘</span></p>'),
            [(1, 3, "하나 둘")],
        ),
        (
            TTML.format("", "").replace("<div></div>", '<div timeContainer="seq"><p dur="2s">하나</p><p dur="1s">둘</p></div>'),
            [(0, 2, "하나"), (2, 3, "둘")],
        ),
    ],
)  # fmt: skip
def test_times_of_ttml_on_spans_and_in_sequences(tmp_path: Path, content: str, cues: list[tuple[float, float, str]]) -> None:
    assert [(one.start_s, one.end_s, one.text) for one in read(tmp_path, "a.ttml", content).cues] == cues


def dialogue(*rows: tuple[str, str, str, str, str], form: str = "") -> str:
    head = f"[Events]\n{form}"
    return head + "".join(
        f"Dialogue: 0,0:00:{start},0:00:{end},{style},{name},0,0,0,,{text}\n" for start, end, style, name, text in rows
    )


@pytest.mark.parametrize(
    ("content", "said", "told"),
    [
        (
            dialogue(("01.00", "03.00", "Default", "", "저쪽에 있어요."),
                     ("01.00", "03.00", "Default", "", r"{\an8\pos(10,20)}출구")),
            ["저쪽에 있어요."], "left out: 1 that stand in the video (2)",
        ),
        (
            dialogue(("01.00", "03.00", "Default", "", "저쪽에 있어요."), ("02.00", "05.00", "Signs", "", "출구"),
                     ("04.00", "06.00", "Default", "", "네."), ("04.50", "05.50", "Anna", "Anna", "그래요."),
                     ("07.00", "08.00", "Signs", "", "끝")),
            ["저쪽에 있어요.", "네.", "그래요.", "끝"], "1 that stand in the video (2)",
        ),
        (  # every text has a place, as in captions of television
            dialogue(("01.00", "03.00", "Default", "", r"{\pos(10,20)}저쪽에"),
                     ("01.10", "03.00", "Default", "", r"{\pos(10,40)}있어요.")),
            ["저쪽에 있어요."], "",
        ),
        (  # a style for each language
            dialogue(("01.00", "03.00", "KR", "", "저쪽에 있어요."), ("01.00", "03.00", "EN", "", "It is over there.")),
            ["저쪽에 있어요."], "",
        ),
    ],
)  # fmt: skip
def test_signs_in_the_frame_are_not_said(tmp_path: Path, content: str, said: list[str], told: str) -> None:
    given = read(tmp_path, "a.ass", content)
    assert [one.text for one in given.cues] == said
    assert told in str(given.note and sentence(given.note))


def test_thousands_of_signs_are_found_at_once(tmp_path: Path) -> None:
    rows = [("01.00", "03.00", "Default", "", "네"), ("01.00", "03.00", "Default", "", r"{\pos(1,2)}출구")] * 20_000
    began = process_time()
    assert read(tmp_path, "a.ass", dialogue(*rows)).cues[0].text == "네"
    assert process_time() - began < 8


def test_fields_of_dialogue_stand_in_the_order_of_their_format_line(tmp_path: Path) -> None:
    content = (
        "[Script Info]\nFormat: x\n[V4+ Styles]\nFormat: Name, Fontname\n[Events]\nFormat: Start, End, Style, Actor, Text\n"
        "Dialogue: 0:00:01.00,0:00:02.00,Default,,안녕, 네\nDialogue: 0:00:03.00,soon,Default,,둘\n"
    )
    given = read(tmp_path, "a.ass", content)
    assert [(one.start_s, one.end_s, one.text) for one in given.cues] == [(1, 2, "안녕, 네")]
    assert sentence(given.note) == "a.ass: left out: 1 without times that can be read (2)"


def test_a_cue_with_exchanged_times_is_swapped(tmp_path: Path) -> None:
    given = read(tmp_path, "a.srt", times(("02,4", "00,1", "하나"), ("04", "06", "둘"), ("59", "07", "셋")))
    assert [(one.start_s, one.end_s, one.text) for one in given.cues] == [(0.1, 2.4, "하나"), (4, 6, "둘")]
    assert sentence(given.note) == (
        "a.srt: 2 of 3 cues were put right: 1 ended before it began (1), 1 had no length (3); left out: 1 after the recording (3)"
    )


def test_codes_of_karaoke_leave_words_whole(tmp_path: Path) -> None:
    assert read(tmp_path, "a.srt", times(("01", "02", r"저쪽에 {\k20}있{\k30}어요"))).cues[0].text == "저쪽에 있어요"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["[Daniel] 안녕.", "[Anna] 네.", "[Daniel] 둘."], [("Daniel", "안녕."), ("Anna", "네."), ("Daniel", "둘.")]),
        (["Daniel: 안녕.", "네.", "Anna: 둘.", "셋."], [("Daniel", "안녕."), ("Daniel", "네."), ("Anna", "둘."), ("Anna", "셋.")]),
        (["철수: 안녕.", "영희 : 네.", "철수:둘."], [("철수", "안녕."), ("영희", "네."), ("철수", "둘.")]),
        (["[김철수] 안녕.", "[음악] 네.", "[조용히] 둘.", "[한숨]", "[속보] 셋."],
         [("김철수", "안녕."), ("", "네."), ("", "둘."), ("", "셋.")]),
        (["DR. KIM: 안녕.", "네.", "12:30 출발", "그래.", "자.", "또.", "왜."],
         [("DR. KIM", "안녕."), ("", "네."), ("", "12:30 출발"), ("", "그래."), ("", "자."), ("", "또."), ("", "왜.")]),
        (["Note: 안녕.", "네.", "Note: 둘.", "주의: 셋.", "오후 3:30 넷"],
         [("", "Note: 안녕."), ("", "네."), ("", "Note: 둘."), ("", "주의: 셋."), ("", "오후 3:30 넷")]),
        (["Remember: 안녕.", "네.", "아니요.", "둘.", "셋.", "결론: 넷"],
         [("", "Remember: 안녕."), ("", "네."), ("", "아니요."), ("", "둘."), ("", "셋."), ("", "결론: 넷")]),
        (["[Music]", "[laughs] 안녕.", "[Whispers] 네.", "[Groaning] 둘.", "[door opens] 셋."],
         [("", "안녕."), ("", "네."), ("", "둘."), ("", "셋.")]),
        (["- Daniel: 안녕\n- Anna: 네", "Daniel: 둘."], [("Daniel", "안녕"), ("Anna", "네"), ("Daniel", "둘.")]),
        ([">> ANNA: 안녕."], [("ANNA", "안녕.")]),
    ],
)  # fmt: skip
def test_names_before_texts_are_speakers(tmp_path: Path, texts: list[str], found: list[tuple[str, str]]) -> None:
    given = read(tmp_path, "a.srt", times(*((f"0{place}", f"0{place},9", text) for place, text in enumerate(texts, 1))))
    assert [(one.speaker, one.text) for one in given.cues] == found


def test_formats_that_name_speakers(tmp_path: Path) -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud 철수>안녕</v>\n\n00:03.000 --> 00:04.000\n<v 철수>네</v> <v 영희>둘</v>\n"
    assert [one.speaker for one in read(tmp_path, "a.vtt", vtt).cues] == ["철수", "철수", "영희"]
    assert read(tmp_path, "a.ass", dialogue(("01.00", "02.00", "Default", "철수", "안녕"))).cues[0].speaker == "철수"
