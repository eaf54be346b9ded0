"""Loops of models are told from what people say."""

from netflips.recognizers.loops import is_loop

LOOPS = (
    ("PA" * 222, 4.5), ("Oh " * 115, 4.6), ("I'm sorry, " * 51, 10.0), ("그렇습니다, " * 60, None), ("실례합니다, " * 60, 2.2),
    ("Thank you. " * 6, 20.0), ("감사합니다. " * 5, None), ("가" * 30, None),
    ("The bus stops at the corner of the long street.", 0.5),
)  # fmt: skip
NO_LOOPS = (
    ("", 1.0), ("No, no, no!", 1.0), ("ha ha ha ha", 2.0), ("빨리빨리 해.", 1.0), ("네, 네, 네, 알겠습니다.", 2.0),
    ("I'm sorry, I'm sorry, I'm so sorry about that.", 3.0), ("Row, row, row your boat, gently down the stream.", 3.0),
    ("정부는 물가를 잡기 위해 유류세 인하를 연말까지 연장하기로 했으며, 취약 계층에 대한 지원도 늘리겠다고 발표했습니다.", 8.0),
    ("Excuse me, where is the airport?", 0.9), ("010-1234-5678", 3.0), ("one two three four five six seven eight nine ten", 2.0),
)  # fmt: skip


def test_loops_of_a_model_are_told_from_what_people_say() -> None:
    assert [text for text, seconds in LOOPS if not is_loop(text, seconds)] == []
    assert [text for text, seconds in NO_LOOPS if is_loop(text, seconds)] == []
