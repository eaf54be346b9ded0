"""Words before a colon: who surely is a speaker is not said, all else is."""

import pytest

from netflips.subtitles.formats import Cue
from netflips.subtitles.names import Named, with_speakers

KOREAN = (
    "중요 가격 주제 장점 단점 오늘 내일 서울 부산 광주 원주 강원도 점수 효과 진실 거짓 오해 사실 현재 과거 미래 수정 정의 "
    "지원 지수 기준 상수 수영 영화 영상 신청 원인 이유 방법 결과 결론 요약 참고 주의 경고 질문 답변 정답 문제 예시 조건 "
    "차이 나이 고향 한국 배경 소개 이름 주소 여름 이유식 날씨 기온 시간 준비물 재료 팁 핵심 단계 규칙 목표 봄 하나 월요일 "
    "아침 비용 무게 전화번호 주의사항 "
)
ENGLISH = (
    "Important Price Cause Pros Cons Myth Truth Fact Fiction News Note Warning Tip Question Answer Problem Solution Before "
    "After Today London Paris Result Remember Example Goal Rule Update Definition Conclusion Dinner Score Weather Date Step "
    "Total Left Good Old Yes Health Money Best Summary Reason Advantage First Finally Next Key Bonus Hint Reality Rent "
    "Japan Winner Spring MYTH TRUTH WARNING "
)
LABELS = [*KOREAN.split(), *ENGLISH.split()]


def read(*texts: str, known: tuple[str, ...] = ()) -> Named:
    return with_speakers([Cue(number, number, number + 1, text) for number, text in enumerate(texts, 1)], known)


def test_labels_are_said() -> None:
    wrong = list[str]()
    for label, other in zip(LABELS, LABELS[1:] + LABELS[:1], strict=True):
        for texts in (
            [f"{label}: 문을 닫으세요."] * 2,
            [f"{one}: 좋아요." for one in (label, other)] * 3,
            [f"{label}: 네.", "네."] * 3,
        ):
            wrong += [label for one in read(*texts).cues if one.speaker or ":" not in one.text.replace("네.", ":")]
    assert not wrong
    assert read("Cause of death: Drowning.", "Cause of death: Fire.").cues[1].text == "Cause of death: Fire."


def test_words_that_are_said_are_told() -> None:
    assert read("중요: 문을 닫으세요.", "중요: 표를 사세요.", "팁: 하나").said == ("중요",)
    found = read("Daniel: Hi.", "Anna: Hello.", "Daniel: So.")
    assert (found.speakers, found.said) == ({"Daniel": 2, "Anna": 1}, ())


@pytest.mark.parametrize(
    ("texts", "speakers"),
    [
        ("Daniel: a|Anna: b", "Daniel|Anna"),
        ("철수: 네|아니요|영희: 왜", "철수|철수|영희"),
        ("김민수: 네|이영희: 왜", "김민수|이영희"),
        ("박찬욱: 네|홍상수: 왜|박찬욱: 응|홍상수: 그래", "박찬욱|홍상수|박찬욱|홍상수"),  # names by their syllables
        ("기자: 네|김 기자: 왜|남자 2: 응|유재석 씨: 네", "기자|김 기자|남자 2|유재석 씨"),
        ("Dr. Raman: a|Mrs. Ito: b", "Dr. Raman|Mrs. Ito"),
        ("MAN: a|WOMAN 2: b|DR. KIM: c|ANNA: d", "MAN|WOMAN 2|DR. KIM|ANNA"),
        ("Speaker 1: a|SPEAKER_01: b|화자 2: c", "Speaker 1|SPEAKER_01|화자 2"),
        ("PROFESSOR: a|AUDIENCE: b|STUDENT: c", "PROFESSOR|AUDIENCE|STUDENT"),
        (">> Zorblax: a|>> ANNA: b", "Zorblax|ANNA"),
        ("Chris Anderson: a|Elon Musk: b|CA: c|EM: d", "Chris Anderson|Elon Musk|CA|EM"),
        ("Ravi: a|Chidi: Thanks, Ravi.|Ravi: Sure, Chidi.", "Ravi|Chidi|Ravi"),
        ("태오: 어디 가?|설아: 집. 태오야 너는?|태오: 설아야 같이 가.", "태오|설아|태오"),
        ("Sarah: a|Kofi: b|Kofi: c|Sarah: d|Kofi: e|Note: f", "Sarah|Kofi|Kofi|Sarah|Kofi|"),
        ("Q: a|A: b|Q: c|A: d", "Q|A|Q|A"),
        ("[Myth]: a|[Truth]: b", "Myth|Truth"),  # as a person marks who it is
        ("Time: a|Dan: b|Time: c", "|Dan|"),
        ("문제: 비싸요|그게 문제야.|문제: 멀어요", "||"),
        ("Today: a|Today, we go. Today.|Today: b", "||"),
    ],
)
def test_speakers_are_not_said(texts: str, speakers: str) -> None:
    assert [one.speaker for one in read(*texts.split("|")).cues] == speakers.split("|")


def test_people_who_are_known_are_speakers() -> None:
    assert [one.speaker for one in read("Zorblax: a", "넷플: b", known=("Zorblax", "넷플")).cues] == ["Zorblax", "넷플"]
    assert [one.speaker for one in read("Zorblax: a", "넷플: b").cues] == ["", ""]
