"""Korean text as it is said: the rules' cases, each as a reader of Korean would say it."""

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from avcore.errors import InputError
from text2unit.korean.numerals import native, number_as_written, sino
from text2unit.normalise import MARKS, is_syllable, normalise, with_particles, written_out
from text2unit.script import script_of

READINGS = Path(__file__).with_name("readings")

# What the rules were made for: commas, h:mm, telephone numbers, money, units, decimals, 유월 and 시월, counters, Latin letters.
RULES = {
    "사람이 1,234명 왔어요.": "사람이 천이백삼십사 명 왔어요.",
    "3:30에 만나요.": "세 시 삼십 분에 만나요.",
    "010-1234-5678로 전화하세요.": "공일공 일이삼사 오육칠팔로 전화하세요.",
    "₩15,000입니다.": "만 오천 원입니다.",
    "$20 주세요.": "이십 달러 주세요.",
    "할인율은 30%예요.": "할인율은 삼십 퍼센트예요.",
    "10km를 뛰었어요.": "십 킬로미터를 뛰었어요.",
    "사과 5kg": "사과 오 킬로그램",
    "3.14는 파이다.": "삼 점 일사는 파이다.",
    "6월 6일과 10월 9일": "유월 육 일과 시월 구 일",
    "3시 20분": "세 시 이십 분",
    "2시간 걸려요.": "두 시간 걸려요.",
    "사과 3개, 배 11개": "사과 세 개, 배 열한 개",
    "학생 21명": "학생 스물한 명",
    "4사람": "네 사람",
    "저는 20살이에요.": "저는 스무 살이에요.",
    "고양이 6마리": "고양이 여섯 마리",
    "커피 2잔": "커피 두 잔",
    "맥주 3병": "맥주 세 병",
    "책 7권": "책 일곱 권",
    "자동차 5대": "자동차 다섯 대",
    "종이 100장": "종이 백 장",
    "옷 8벌": "옷 여덟 벌",
    "9달 동안": "아홉 달 동안",
    "12가지 방법": "열두 가지 방법",
    "4군데 들렀어요.": "네 군데 들렀어요.",
    "5분 30초": "오 분 삼십 초",
    "2026년 11월 23일": "이천이십육 년 십일월 이십삼 일",
    "1층에서 5층까지": "일 층에서 오 층까지",
    "302호": "삼백이 호",
    "3번 출구로 나가세요.": "삼 번 출구로 나가세요.",
    "7번 버스를 타세요.": "칠 번 버스를 타세요.",
    "6개월 뒤": "육 개월 뒤",
    "삼겹살 3인분": "삼겹살 삼 인분",
    "두 번 말고 3번 불렀다.": "두 번 말고 세 번 불렀다.",
    "KTX를 탔어요.": "케이티엑스를 탔어요.",
    "Wi-Fi 비밀번호": "와이파이 비밀번호",
}
# Written from a reader's view.
COUNTERS = {
    "스무살 말고 21살": "스무살 말고 스물한 살",
    "30살, 31살, 45살, 99살, 100살": "서른 살, 서른한 살, 마흔다섯 살, 아흔아홉 살, 백 살",
    "20세 이상": "이십 세 이상",
    "1개": "한 개",
    "꽃 10송이": "꽃 열 송이",
    "나무 13그루": "나무 열세 그루",
    "연필 4자루": "연필 네 자루",
    "신발 2켤레": "신발 두 켤레",
    "편지 3통": "편지 세 통",
    "집 5채": "집 다섯 채",
    "배 1척": "배 한 척",
    "노래 2곡": "노래 두 곡",
    "하루 3끼": "하루 세 끼",
    "영화 4편": "영화 네 편",
    "사고 2건": "사고 두 건",
    "3배로 늘었다.": "세 배로 늘었다.",
    "3일 만에": "삼 일 만에",
    "2주 뒤": "이 주 뒤",
    "1주일 동안": "일주일 동안",
    "1박 2일": "일 박 이 일",
    "3학년 2반 15번 학생": "삼 학년 이 반 열다섯 번 학생",
    "4인 가족": "사 인 가족",
    "2호선을 타고": "이 호선을 타고",
    "20대 여성": "이십 대 여성",
    "버스 20대가 멈췄다.": "버스 스무 대가 멈췄다.",
    "제16대 대통령": "제십육 대 대통령",
    "손님 5분 오셨어요.": "손님 다섯 분 오셨어요.",
    "첫째, 2째, 3째": "첫째, 둘째, 셋째",
    "1번째와 2번째": "첫 번째와 두 번째",
    "20번째 생일, 21번째 생일": "스무 번째 생일, 스물한 번째 생일",
    "제1회 대회": "제일 회 대회",
    "제 2차 회의": "제이 차 회의",
    "문제 3번": "문제 삼 번",
    "103마리": "백세 마리",
    "120명": "백이십 명",
    "0개": "영 개",
    "2.5시간": "이 점 오 시간",
    "24시간 영업": "이십사 시간 영업",
    "조각 5조각": "조각 다섯 조각",
    "3경기 연속": "삼경기 연속",
}
TIMES = {
    "12:00": "열두 시",
    "오후 1:05": "오후 한 시 오 분",
    "7:30 PM": "오후 일곱 시 삼십 분",
    "15:45": "십오 시 사십오 분",
    "0시 10분": "영 시 십 분",
    "10:20:30": "열 시 이십 분 삼십 초",
    "09시 05분": "아홉 시 오 분",
    "9:00~18:00": "아홉 시에서 십팔 시",
    "2026-06-10": "이천이십육 년 유월 십 일",
    "2026.10.1.": "이천이십육 년 시월 일 일",
    "3/15(금)": "삼월 십오 일 금요일",
    "1990년대": "천구백구십 년대",
    "'97년": "구십칠 년",
    "05학번": "공오 학번",
    "월~금": "월요일에서 금요일",
    "11월 23일 (월)": "십일월 이십삼 일 월요일",
    "3·1절과 8·15": "삼일절과 팔일오",
}
NUMBERS = {
    "10000원": "만 원",
    "11,000원": "만 천 원",
    "3만 5천원": "삼만 오천 원",
    "3천5백만원": "삼천오백만 원",
    "1억 2천만원": "일억 이천만 원",
    "100,000,000": "일억",
    "100010000": "일억 일만",
    "1조": "일조",
    "1.5만 명": "일 점 오만 명",
    "$3.50": "삼 달러 오십 센트",
    "$5백만": "오백만 달러",
    "3.5%": "삼 점 오 퍼센트",
    "2%p": "이 퍼센트포인트",
    "0.05": "영 점 영오",
    "-5도": "영하 오 도",
    "25.5℃": "섭씨 이십오 점 오 도",
    "점수는 -3점": "점수는 마이너스 삼 점",
    "1/2": "이분의 일",
    "3분의 2": "삼분의 이",
    "2½컵": "이와 이분의 일컵",
    "1과 3/4": "일과 사분의 삼",
    "3~4명": "서너 명",
    "1~2개": "한두 개",
    "2~3일": "이삼 일",
    "5~6월": "오월에서 유월",
    "10~20명": "열 명에서 스무 명",
    "10~20분": "십에서 이십 분",
    "3~5kg": "삼에서 오 킬로그램",
    "2020~2023년": "이천이십에서 이천이십삼 년",
    "20, 30대": "이십, 삼십 대",
    "2,30대": "이삼십 대",
    "5, 20개": "오, 스무 개",
    "0.123 4567": "영 점 일이삼 사천오백육십칠",
    "3:2로 이겼다.": "삼 대 이로 이겼다.",
    "2대 1로 졌다.": "이 대 일로 졌다.",
    "3 + 4 = 7": "삼 더하기 사는 칠",
    "버전 2.0.1": "버전 이 점 영 점 일",
    "007": "공공칠",
    "1, 2, 3": "일, 이, 삼",
    "100km/h": "시속 백 킬로미터",
    "시속 60km": "시속 육십 킬로미터",
    "84㎡": "팔십사 제곱미터",
    "500mL": "오백 밀리리터",
    "16GB": "십육 기가바이트",
    "12345678901234567890123": "일이삼사오육칠팔구공일이삼사오육칠팔구공일이삼",
}
LETTERS = {
    "01012345678": "공일공 일이삼사 오육칠팔",
    "02-345-6789": "공이 삼사오 육칠팔구",
    "+82-10-1234-5678": "플러스 팔이 일공 일이삼사 오육칠팔",
    "1588-1234": "일오팔팔 일이삼사",
    "119에 신고하세요.": "일일구에 신고하세요.",
    "880101-1234567": "팔팔공일공일 일이삼사오육칠",
    "12-3번지": "십이 다시 삼 번지",
    "TV와 PC": "티비와 피씨",
    "MBC 9시 뉴스": "엠비씨 아홉 시 뉴스",
    "5G와 LTE": "오지와 엘티이",
    "A4 용지 2장": "에이포 용지 두 장",
    "K-pop": "케이팝",
    "U.S.A.": "유에스에이",
    "B1층": "비 일 층",
    "www.naver.com": "더블유더블유더블유 점 네이버 닷컴",
    "kim@naver.com": "케이아이엠 골뱅이 네이버 닷컴",
    "R&B": "알앤비",
    "café": "카페",
    "β파": "베타파",
    "ㅋㅋㅋ 좋아요": "크크크 좋아요",
    "ㄱ부터 ㅎ까지": "기역부터 히읗까지",
    "\u2018안녕\u2019이라고 했다": "안녕이라고 했다",
    "버스(지하철)를 타요": "버스, 지하철을 타요",
    "정말?! 와…": "정말? 와.",
    "좋아요~": "좋아요",
    "한-미 회담": "한 미 회담",
    "\uff21\uff22\uff23": "에이비씨",
    "Ⅲ": "삼",
}


@pytest.mark.parametrize(("text", "said"), [*(RULES | COUNTERS | TIMES | NUMBERS | LETTERS).items()])
def test_text_as_it_is_said(text: str, said: str) -> None:
    assert normalise(text) == said


def _rows(table: Path) -> Iterator[tuple[str, list[str]]]:
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            text, right = line.split("\t")[:2]
            yield text, right.split("/")


def _syllables(text: str) -> str:
    return "".join(filter(is_syllable, text))


@pytest.mark.parametrize("table", sorted(READINGS.glob("*.tsv")), ids=lambda table: table.stem)
def test_tables_of_readings(table: Path) -> None:
    """Through what `say` calls, which leaves out pictures too."""
    said = [(text, right, " ".join(script_of(text).sentences)) for text, right in _rows(table)]
    assert len(said) > 10
    assert [row for row in said if _syllables(row[2]) not in map(_syllables, row[1])] == []
    assert [row for row in said if normalise(row[2]) != row[2]] == []


def test_no_pause_stands_before_a_particle_and_no_sentence_ends_in_an_abbreviation() -> None:
    assert normalise("「나무」를 봤다. 삼성전자(005930)가 올랐다.") == "나무를 봤다. 삼성전자, 공공오구삼공이 올랐다."
    assert script_of("Dr. 김이 A vs. B를 봤다. Node.js는 좋다.").sentences == (
        "닥터 김이 에이 대 비를 봤다.",
        "노드 점 제이에스는 좋다.",
    )


def test_an_amount_of_any_length_is_read() -> None:
    assert normalise(f"${'9' * 5000} million").count("구") == 5000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("딸기(1kg)(은/는) 오천 원입니다.", "딸기(1kg)은 오천 원입니다."),
        ("입출력(I/O) 장치(을/를) 켜요.", "입출력(I/O) 장치를 켜요."),
        ("대규모 언어 모델(LLM)을(를) USB(으)로", "대규모 언어 모델(LLM)을 USB로"),
        ("챗GPT(이/가) 3 kg(과/와) 2m(을/를)", "챗GPT가 3 kg과 2m를"),
        ("서울(으로/로), 부산(으)로, 커피(이에요/예요)", "서울로, 부산으로, 커피예요"),
    ],
)
def test_particles_go_by_the_noun_as_it_is_said(text: str, wanted: str) -> None:
    assert with_particles(text) == wanted


def test_what_is_said_is_said_the_same_again() -> None:
    for said in (RULES | COUNTERS | TIMES | NUMBERS | LETTERS).values():
        assert normalise(said) == said


def test_every_form_of_hangul_is_the_same() -> None:
    text = "버스 정류장이 어디에 있어요?"
    assert normalise(unicodedata.normalize("NFD", text)) == text
    assert normalise(unicodedata.normalize("NFD", text[:5]) + text[5:]) == text
    assert normalise("\ufeff버스\u200b 정류장이\u00a0어디에 있어요\uff1f") == text
    assert normalise("ﾡￂ") == "가"  # half widths


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("좋아요 ש", "U+05E9 HEBREW LETTER SHIN) at letter 5 of line 1"),
        ("첫 줄\n둘째 \u202e줄", "U+202E RIGHT-TO-LEFT OVERRIDE at letter 4 of line 2"),
        ("한국(韓國)의 鷗鱉鼈", "U+9C49 CJK UNIFIED IDEOGRAPH-9C49) at letter 10 of line 1, 鼈"),
        ("ᄯᅡ", "U+112F HANGUL CHOSEONG SIOS-TIKEUT) at letter 1 of line 1"),
        ("どこ", "HIRAGANA LETTER DO) at letter 1 of line 1"),
        ("\u1112\u1161\u11ab글 \x07", "U+0007 a sign without a name at letter 4 of line 1"),
    ],
)
def test_signs_without_a_reading_are_named_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InputError) as caught:
        normalise(text)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_such_signs_are_counted() -> None:
    with pytest.raises(InputError, match="and 7 more"):
        normalise("가" + "ש" * 12)


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "()", "\u200b", "~"])
def test_text_without_words_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        normalise(text)


def test_unknown_words_in_latin_letters_are_told() -> None:
    assert written_out("Zaphod와 KBS, wifi").spelt == ("Zaphod",)


def test_whatever_is_typed_becomes_hangul_or_one_error() -> None:
    rng = random.Random(0)
    pieces = [
        *"0123456789", *",.:;/-~%$+=()'\"·°", *" \n", *"가나다시분월일원개명번대제째층도", *"aBcXyZ", "km", "kg", "천", "만",
        "억", "오후", "조", "010-", "½", "ㅋ", "℃", "₩", "www.", "@",
        "권", "장", "부", "세", "(주)", "\u321c", "美", "中", "(大韓)", "女", "率", "\u2162", "XIV", "III", "/4분기", "6.25 ",
        "전쟁", "US$", "mmHg", "㎍/㎥", "㎧", "혈압 ", "120/80", "No.", "p.", "영하 ", "1+1", "24/7", "내선 ",
    ]  # fmt: skip
    for _ in range(1000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 14)))
        try:
            said = normalise(text)
        except InputError:
            continue
        assert not set(said) - {" ", *MARKS} - {chr(number) for number in range(ord("가"), ord("힣") + 1)}, text
        assert normalise(said) == said, text


@pytest.mark.parametrize("piece", ["1", "1,", "1-", "a.", "1.", " ", "1만", "=1", "가", "~1", "ㅋ", "1/"])
def test_long_lines_take_no_long_time(piece: str) -> None:
    """Ten thousand of anything: a rule that looks back again and again would take minutes."""
    assert normalise("가 " + piece * 10_000).startswith("가")


def test_numerals_of_every_size() -> None:
    assert [sino(number) for number in (0, 1, 10, 11, 100, 1000, 1111)] == ["영", "일", "십", "십일", "백", "천", "천백십일"]
    assert sino(12_3456_7890) == "십이억 삼천사백오십육만 칠천팔백구십"
    assert sino(10**16) == "일경"
    assert [native(number) for number in (1, 11, 20, 22, 99, 100, 101)] == [
        "한",
        "열한",
        "스무",
        "스물두",
        "아흔아홉",
        "백",
        "백한",
    ]
    assert number_as_written("1,000.50") == "천 점 오영"
    with pytest.raises(ValueError, match="no number"):
        sino(10**20)
