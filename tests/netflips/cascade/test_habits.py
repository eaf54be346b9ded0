"""What language models do wrong: each bad habit by a stand-in server, through all that asks, reads, judges and asks again."""

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.notes import Note
from avcore.timeline import Interval
from netflips.cascade.adequacy import fault_in, is_no_question, names_spelled_out
from netflips.cascade.chat import ChatTranslator
from netflips.cascade.habits import cleaned
from netflips.dubbing.part import part_of
from netflips.dubbing.sentence_translator import SentenceTranslator
from netflips.dubbing.sentences import sentences_in
from netflips.dubbing.store import Store
from netflips.dubbing.titles import TitlesByProgram, translated_titles
from netflips.script.targets import Text
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from tests.answering import answering

TALK = {
    "Dr. Marchetti works on small batteries.": "마르케티 박사님은 작은 배터리를 연구해요.",
    "In 1991 they cost 7,500 dollars.": "1991년에는 7500달러였어요.",
    "Why does that matter to you?": "그게 왜 중요할까요?",
    "We drove to the coast with my sister.": "여동생이랑 바닷가까지 차로 갔어요.",
}
Bad = Callable[[str, str], Any]
"""Makes the row of an answer from a line and its good translation."""

IN_ROWS: dict[str, Bad] = {
    "counts syllables": lambda line, good: {"natural": f"{good} (14음절)"},
    "counts seconds": lambda line, good: {"natural": f"{good} [2.5초]"},
    "counts at the end": lambda line, good: {"natural": f"{good} - 14 syllables"},
    "labels in brackets": lambda line, good: {"natural": f"[natural] {good}"},
    "labels with a colon": lambda line, good: {"natural": f"자연스러운 번역: {good}"},
    "numbers lines": lambda line, good: {"natural": f"1. {good}"},
    "quotes": lambda line, good: {"natural": f'"{good}"'},
    "Markdown": lambda line, good: {"natural": f"**{good}**"},
    "adds a note": lambda line, good: {"natural": f"{good} (직역: 다른 말)"},
    "special tokens": lambda line, good: {"natural": f"{good}<|im_end|>"},
    "brackets": lambda line, good: {"natural": f"{good} (낮은 목소리로 천천히)"},
    "two wordings in one": lambda line, good: {"natural": f"{good} / 또 다른 말이에요."},
    "refuses": lambda line, good: {"natural": "죄송하지만 번역할 수 없습니다."},
    "speaks of the request": lambda line, good: {"natural": f"다음은 요청하신 번역입니다. {good}"},
    "JSON as a text": lambda line, good: {"natural": json.dumps({"short": good}, ensure_ascii=False)},
    "names in Latin letters": lambda line, good: {"natural": good.replace("마르케티", "Marchetti")},
    "Japanese": lambda line, good: {"natural": f"{good} それは大事です"},
    "simplified Chinese": lambda line, good: {"natural": f"{good} 这很重要"},
    "English": lambda line, good: {"natural": line},
    "the example": lambda line, good: {"natural": "어떻게 만들었는지 보여 드릴게요."},
    "placeholders": lambda line, good: {"natural": "..."},
    "the same for all": lambda line, good: {"natural": "이것은 아주 중요한 이야기예요."},
    "a question as a statement": lambda line, good: {"natural": good.replace("그게 왜 중요할까요?", "저는 중요하다고 생각해요.")},
    "other numbers": lambda line, good: {"natural": good.replace("1991", "1919")},
    "adds a number": lambda line, good: {"natural": good.replace("여동생", "2017년에 여동생")},
}
BAD_WORDS = (
    "음절", "초]", "syllable", "natural", "자연스러운", "1.", '"', "**", "직역", "im_end", "(", " / ", "죄송", "요청", "{",
    "Marchetti",
    "それ", "这", "Dr.",
    "drove", "보여 드릴", "...",
)  # fmt: skip
SOFT = {
    "a question as a statement": ["question_lost"], "other numbers": ["amounts_differ"], "adds a number": ["amounts_differ"],
}  # fmt: skip
"""What is said where a model never mends it, and told."""


def _rows(habit: str, asked: dict[str, Any], is_stubborn: bool) -> list[dict[str, Any]]:
    rows = []
    for line in asked["lines"]:
        good = TALK[line["text"]]
        is_bad = is_stubborn or "again" not in line
        row = IN_ROWS[habit](line["text"], good) if is_bad and habit in IN_ROWS else {"natural": good}
        rows.append({"number": line["number"], **row})
    return rows


@pytest.fixture
def server() -> Iterator[tuple[str, Any]]:
    """Its address; `answer` makes of the body of a request a status and the bytes; `bodies`: what was asked."""
    made = SimpleNamespace(bodies=[])

    def answer(_: Any, body: Any) -> Any:
        made.bodies.append(body)
        return *made.answer(body), {}

    with answering(answer) as address:
        yield f"{address}/v1", made


@pytest.fixture
def translate(server: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Translates the talk by the server; returns what is said of each line, and the codes of notes."""
    texts: Any = SimpleNamespace(seconds_of=lambda text: 2.0, syllable_s=0.1, readings={})
    monkeypatch.setattr(SentenceTranslator, "_times", lambda self, sentence: (2.0, 2.2))
    said = [Utterance(k, Interval(3 * k, 3 * k + 2), "Ann", text=Text(line, "en")) for k, line in enumerate(TALK, 1)]
    script, notes = Script("en", "ko", utterances=tuple(said)), list[Note]()

    def run() -> tuple[dict[str, str], list[Note]]:
        tell: Any = SimpleNamespace(add=lambda note, number: notes.append(note))
        part, store = part_of(script, Fraction(3 * len(said) + 3)), Store(tmp_path / "work")
        done = SentenceTranslator(script, part, ChatTranslator(server[0], "x"), texts, store, tell).of(sentences_in(said))
        return {said[number - 1].text.text: one.target.text for number, one in done.items()}, notes  # type: ignore[union-attr]

    return run


def _answer(content: object, finish: str = "stop", **message: object) -> tuple[int, bytes]:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    choice = {"message": {"content": text, **message}, "finish_reason": finish}
    return 200, json.dumps({"choices": [choice]}, ensure_ascii=False).encode()


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body["messages"][1]["content"])
    return found


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("habit", IN_ROWS)
def test_no_bad_habit_is_heard(server: Any, translate: Any, habit: str, is_stubborn: bool) -> None:
    server[1].answer = lambda body: _answer({"lines": _rows(habit, _asked(body), is_stubborn)})
    said, notes = translate()
    assert not [text for text in said.values() if any(word in text for word in BAD_WORDS)]
    if not is_stubborn:
        assert said == TALK
        assert notes == []
    elif habit in SOFT:
        assert [note.code for note in notes] == SOFT[habit]
    elif habit == "the same for all":
        assert said == {}  # of which of them it is, nobody knows
    else:
        assert set(said.items()) <= set(TALK.items())
        assert len(said) + len(notes) >= len(TALK)  # what is not said is told


TITLES = {
    "Small batteries by Dr. Marchetti": "마르케티 박사의 작은 배터리",
    "We drive to the coast at last": "마침내 바닷가로 간다",
}


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("habit", [one for one in IN_ROWS if one not in SOFT])
def test_no_bad_habit_is_a_title(
    server: Any, tmp_path: Any, habit: str, is_stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chapters of a video, which nobody looks at before it is published."""
    monkeypatch.setitem(globals(), "TALK", TALK | TITLES)
    server[1].answer = lambda body: _answer({"lines": _rows(habit, _asked(body), is_stubborn)})
    titles, store = [*TITLES, "한국어 제목"], Store(tmp_path / "work")

    def translated() -> dict[str, str]:
        asked = TitlesByProgram(ChatTranslator(server[0], "x"), ("en", "ko"), store, "talk", {}, {})
        return translated_titles(titles, {}, asked)

    found = translated()
    assert not [text for text in found.values() if any(word in text for word in BAD_WORDS)]
    if is_stubborn:
        assert set(found.items()) <= set(TITLES.items())
    else:
        assert found == TITLES
    assert translated() == found
    assert len(server[1].bodies) <= 3 * (1 + 3)  # and nothing is asked for twice


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: _answer(f"<think>hm, {text.replace('요', '욧')}</think>{text}"),
        lambda text: _answer(text, reasoning_content="hm"),
        lambda text: _answer("", reasoning=f"Let me see. {text}"),  # it forgot to end its thoughts
        lambda text: (200, json.dumps({"choices": [{"message": {"content": [{"type": "text", "text": text}]}}]}).encode()),
        lambda text: _answer(f"<|channel|>analysis<|message|>hm<|channel|>final<|message|>{text}"),
        lambda text: (200, _stream(text)),
    ],
    ids=["think", "reasoning_content", "reasoning alone", "in parts", "channels", "stream"],
)
def test_answers_of_thinking_and_streaming_servers_are_read(server: Any, translate: Any, wrap: Any) -> None:
    server[1].answer = lambda body: wrap(json.dumps({"lines": _rows("", _asked(body), False)}, ensure_ascii=False))
    said, notes = translate()
    assert (said, notes) == (TALK, [])


def _stream(text: str) -> bytes:
    pieces = [{"reasoning": "hm"}, *({"content": text[k : k + 5]} for k in range(0, len(text), 5))]
    rows = [{"choices": [{"delta": one}]} for one in pieces] + [
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": []},
    ]
    return "\n\n".join([": keep-alive", *(f"data: {json.dumps(row)}" for row in rows), "data: [DONE]"]).encode()


@pytest.mark.parametrize(
    "answer",
    [
        _answer("<think>so many thoughts", "length"),
        _answer("", "length", reasoning="hm"),
        _answer("", "stop", reasoning_content="hm"),
    ],
    ids=["in the answer", "beside it", "ended"],
)
def test_a_model_that_only_thinks_is_named_and_asked_twice(server: Any, answer: Any) -> None:
    server[1].answer = lambda body: answer
    translator, told = ChatTranslator(server[0], "x"), []
    request = {"number": 1, "text": next(iter(TALK)), "source": "en", "target": "ko"}
    for _ in range(4):
        with pytest.raises(Exception, match="model of --translate-with") as error:
            translator.candidates([request])
        told.append(str(error.value))
    assert len(server[1].bodies) == 2
    assert all("take a model that does not think" in one for one in told)
    assert "thoughts" in told[0]
    assert "only thinks, and is not asked any more" in told[3]


_OPENAI = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.3 with this model. Only 1 is supported.",
    "chat_template_kwargs": "Unrecognized request argument supplied: chat_template_kwargs",
}


def test_parameters_that_a_server_refuses_are_left_out_from_then_on(server: Any, translate: Any) -> None:
    """A server as OpenAI's of today, one that knows JSON but no schema, and no effort of thinking but the usual ones."""

    def answer(body: dict[str, Any]) -> tuple[int, bytes]:
        refused = [text for name, text in _OPENAI.items() if name in body]
        if body.get("reasoning_effort") == "none":
            refused.append("Unsupported value: 'reasoning_effort' does not support 'none' with this model.")
        if body.get("response_format", {}).get("type") == "json_schema":
            refused.append("This response_format type is unavailable now")
        if refused:
            return 400, json.dumps({"error": {"message": refused[0]}}).encode()
        return _answer({"lines": _rows("", _asked(body), False)})

    server[1].answer = answer
    assert translate()[0] == TALK
    last = server[1].bodies[-1]
    assert (last["max_completion_tokens"], last["reasoning_effort"]) == (4096, "low")
    assert last["response_format"] == {"type": "json_object"}
    assert not {"max_tokens", "temperature", "chat_template_kwargs"} & set(last)
    assert len(server[1].bodies) == 6


def test_a_server_that_refuses_without_a_word_gets_the_plain_request(server: Any, translate: Any) -> None:
    extras = {"response_format", "reasoning_effort", "chat_template_kwargs"}
    server[1].answer = lambda body: (422, b"no") if extras & set(body) else _answer({"lines": _rows("", _asked(body), False)})
    assert translate()[0] == TALK
    server[1].answer = lambda body: (400, b'{"error": "no"}')
    with pytest.raises(Exception, match="did not answer"):
        ChatTranslator(server[0], "x").candidates([{"number": 1, "text": "a", "source": "en", "target": "ko"}])


_PAID = "Did you pay him?"


@pytest.mark.parametrize(
    ("text", "source", "found"),
    [
        ("마르케티(Marchetti) 박사님", "Dr. Marchetti", "마르케티 박사님"),
        ("Marchetti(마르케티) 박사님", "Dr. Marchetti", "마르케티 박사님"),
        ("Ann: 안녕하세요", "Hello", "안녕하세요"),
        ("10. 그리고 중국은", "And China", "그리고 중국은"),
        ("3.5퍼센트예요", "It is 3.5 percent", "3.5퍼센트예요"),
        ("함수 f(x)는 커요", "The function f(x) grows", "함수 f(x)는 커요"),
        ("'네'라고 했어요", "He said 'yes'", "'네'라고 했어요"),
        ("돈을 주셨나요? 이 문장은 자연스럽게 옮겼습니다.", _PAID, "돈을 주셨나요?"),
        ("돈을 주셨나요? * 여기서 톤은 생략했습니다.", _PAID, "돈을 주셨나요?"),
        ("돈을 주셨나요? 더 궁금한 점이 있으시면 말씀해 주세요!", _PAID, "돈을 주셨나요?"),
        ("물론이죠! 돈을 주셨나요?", _PAID, "돈을 주셨나요?"),
        ("돈을 주셨나요? 또는 돈을 냈나요?", _PAID, "돈을 주셨나요?"),
        ("정답: 돈을 주셨나요?", _PAID, "돈을 주셨나요?"),
        ("질문: 돈을 주셨나요?", _PAID, "돈을 주셨나요?"),
        ("대니얼: 돈을 주셨나요?", _PAID, "돈을 주셨나요?"),
        ("A: 돈을 주셨나요?", _PAID, "돈을 주셨나요?"),
        ("감사합니다. Thank you.", "Thank you.", "감사합니다."),
        ("Thank you. 감사합니다.", "Thank you.", "감사합니다."),
        ("돈을 줬나요? [참고] 반말", _PAID, "돈을 줬나요?"),
        ("공항이 어디에 있어요? 참고: '실례합니다'는 정중한 표현입니다.", "Where is it?", "공항이 어디에 있어요?"),
        ("공항이 어디에 있어요? (※ 날짜는 한국식으로 바꾸었습니다)", "Where is it?", "공항이 어디에 있어요?"),
        ("공항이 어디에 있어요? (sillyehamnida, gonghang-i eodie isseoyo?)", "Where is it?", "공항이 어디에 있어요?"),
        ("<think>The user wants</think>공항이 어디에 있어요?", "Where is it?", "공항이 어디에 있어요?"),
        ("공항이 어디에\\n있어요?", "Where is it?", "공항이 어디에 있어요?"),
        ("공항이\\h어디에\\N있어요?", "Where is it?", "공항이 어디에 있어요?"),
        ("1,500\\u달러를 냈어요.", "It cost.", "1,500달러를 냈어요."),
        ('\\"네\\"라고 했어요.', "He said yes.", '"네"라고 했어요.'),
        ("A &amp; B예요.", "A & B.", "A & B예요."),
        # What an original says itself stays.
        ("이 문장은 자연스럽게 옮겼습니다.", "I translated this sentence naturally.", "이 문장은 자연스럽게 옮겼습니다."),
        ("궁금한 점이 있으시면 말씀해 주세요!", "If you have questions, let me know!", "궁금한 점이 있으시면 말씀해 주세요!"),
        ("물론이죠! 해 볼게요.", "Of course! I'll try.", "물론이죠! 해 볼게요."),
        ("가세요. 또는 남으세요.", "Go. Or stay.", "가세요. 또는 남으세요."),
        ("질문: 누가 했나?", "Question: who did it?", "질문: 누가 했나?"),
        ("결론: 우리가 이겼어요.", "In conclusion, we won.", "결론: 우리가 이겼어요."),
        ("중요: 문을 닫으세요.", "Important: close the door.", "중요: 문을 닫으세요."),
        ("그는 스타워즈를 봤어요. Star Wars요.", "He saw it. Star Wars.", "그는 스타워즈를 봤어요. Star Wars요."),
        ("C:\\new 폴더예요.", "It is the folder C:\\new.", "C:\\new 폴더예요."),
        ("참고: 물을 가져오세요.", "Note: bring water.", "참고: 물을 가져오세요."),
        ("나사(NASA)가 했어요.", "NASA did it.", "나사가 했어요."),
        ("두 문장을 지웠어요.", "I deleted two of them.", "두 문장을 지웠어요."),
        ("집을 옮겼습니다. 좋았어요.", "I moved house. It was nice.", "집을 옮겼습니다. 좋았어요."),
    ],
)
def test_what_is_put_around_a_translation_is_taken_off(text: str, source: str, found: str) -> None:
    assert cleaned(text, source, "Ann") == found


@pytest.mark.parametrize(
    ("text", "source", "fault"),
    [
        ("저는/나는 1,500달러를 냈어요.", "I paid 1,500 dollars.", "signs"),
        ("그리고/또는 가세요.", "And/or go.", None),
        ("저는 非常 많이 냈어요.", "I paid a lot.", "letters"),
        ("美 대통령이 왔어요.", "The US president came.", None),
        ("대한민국(大韓民國)이에요.", "It is Korea (大韓民國).", None),
        ("12 million에 가까워요.", "It is near 12 million.", "letters"),
        ("이 문장은 자연스럽게 옮겼습니다.", "Did you pay him?", "talk"),
        ("이 문장은 자연스럽게 옮겼습니다.", "I translated this sentence.", None),
    ],
)
def test_what_cannot_be_taken_off_is_a_fault(text: str, source: str, fault: str | None) -> None:
    assert fault_in(text, source, "ko", {}, {}) == fault


def test_questions_and_names() -> None:
    assert is_no_question("Is it?", "그렇습니다.")
    assert not any(is_no_question("Is it?", text) for text in ("그런가요?", "그렇죠.", "그럴까요.", "왜 그래요"))
    assert not is_no_question("It is.", "그렇습니다.")
    assert names_spelled_out("Marchetti와 NASA가 CO2를", "ko") == ("Marchetti",)
