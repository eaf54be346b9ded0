"""A server of language models as a translator: what it is asked, and that nothing that it answers ends a dub."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avcore.errors import InputError, UsageError
from netflips import cli
from netflips.cascade.answers import parse_candidates
from netflips.cascade.chat import ChatTranslator, open_translator
from netflips.cascade.chat_server import KEY
from netflips.cascade.program import ProgramTranslator, lone_request
from netflips.script.files import read_script, write_script
from netflips.script.targets import Text
from netflips.script.terms import as_it_sounds
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from tests.answering import answering
from tests.refusal import refused

GOOD = '{"lines": [{"number": 1, "short": "짧게", "natural": "보통은 이렇게", "full": "길게 말하면 이렇게"}]}'
FOUR = ["보통은 이렇게", "길게 말하면 이렇게", "짧게"]


@pytest.fixture
def server() -> Iterator[tuple[str, Any]]:
    """Its address; `answers`: the last comes again and again, a function makes one of the request; `asked`: what came."""
    made = SimpleNamespace(answers=[GOOD], asked=[], models=[{"id": "gemma3:4b"}])

    def answer(request: Any, body: Any) -> Any:
        if body is None:
            return 200 if made.models is not None else 404, json.dumps({"data": made.models}).encode(), {}
        made.asked.append((request.path, body, request.headers.get("Authorization", "")))
        found = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
        if callable(found):
            found = found(json.loads(body["messages"][1]["content"]))
        return json.dumps({"choices": [{"message": {"content": found}}]}).encode() if isinstance(found, str) else found

    with answering(answer) as address:
        yield f"{address}/v1", made


def _request(**more: Any) -> dict[str, Any]:
    context = [{"number": one, "speaker": "Ann", "text": f"line {one}"} for one in range(1, 10)]
    told = {"number": 4, "pieces": [4, 5], "text": "This is it.", "source": "en", "target": "ko", "speaker": "Ann", "to": "Bob"}
    context[2]["said"] = "세 번째"
    return told | {"level": "plain", "seconds": 2.5, "syllables": [11, 14], "title": "talk", "context": context} | more


def test_it_is_asked_for_three_wordings_with_all_that_matters(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, handler = server
    monkeypatch.setenv(KEY, "secret")
    translator = open_translator(f"{url}/chat/completions")
    assert isinstance(translator, ChatTranslator)
    translator.check()
    assert translator.candidates([_request(glossary={"bus": "버스"}, again={"reason": "it takes 4 s"})]) == {4: FOUR}
    path, body, key = handler.asked[0]
    assert (path, body["model"], body["stream"], key) == ("/v1/chat/completions", "gemma3:4b", False, "Bearer secret")
    assert "secret" not in str(translator.key) + translator.name
    asked = json.loads(body["messages"][1]["content"])
    before = [{"line": "line 1"}, {"line": "line 2"}, {"line": "line 3", "said": "세 번째"}]
    assert (asked["talk"], asked["before"], asked["after"]) == ("talk", before, ["line 6", "line 7"])
    system = body["messages"][0]["content"]
    assert all(word in system for word in ("from English into Korean", "Hangul", "너한테는"))
    assert "..." not in system  # what stands for something is copied
    assert body["response_format"]["json_schema"]["schema"]["properties"]["lines"]["items"]["properties"]["number"]["enum"] == [1]
    (line,) = asked["lines"]
    assert line["number"] == 1  # whatever it is in the talk
    assert not {"pieces", "context", "title", "source", "target"} & set(line)
    assert (line["to"], line["level"], line["syllables"], line["glossary"]) == ("Bob", "반말", [11, 14], {"bus": "버스"})
    assert line["again"] == {"reason": "it takes 4 s"}


@pytest.mark.parametrize(
    ("asked", "own", "level", "shown"),
    [
        ("", "", "해요체", "맞아요."),
        ("합니다체", "", "합니다체", "그렇습니다."),
        ("해체", "", "반말", "맞아."),
        ("합니다체", "plain", "반말", "맞아."),  # the speaker's own goes before
        ("해체", "합니다체", "합니다체", "그렇습니다."),
    ],
)
def test_the_level_of_speech_asked_for_is_that_of_all_lines(server: Any, asked: str, own: str, level: str, shown: str) -> None:
    url, handler = server
    translator = open_translator(url, "x", asked)
    assert translator.candidates([_request(level=own)])
    system, told = (one["content"] for one in handler.asked[0][1]["messages"])
    assert json.loads(told)["lines"][0]["level"] == level
    assert f"sound in {level}: " in system
    assert f'"That\'s right." is "{shown}"' in system
    assert (translator.key == open_translator(url, "x").key) == (asked == "")  # what was kept of another level is not taken


TWO = GOOD.replace("}]", '}, {"number": 2, "text": "둘"}]')


def test_missing_terms_are_asked_of_a_language_model_a_few_at_once(server: Any, tmp_path: Path) -> None:
    url, handler = server
    names = {"Ann": "앤.", "Bo": "Bo", "Cy": "사이", "Dee": '"디"', "Eve": "이브"}

    def answer(asked: dict[str, Any]) -> str:
        rows = [{"number": one["number"], "natural": names[one["text"]]} for one in asked["lines"]]
        return json.dumps({"lines": rows}, ensure_ascii=False)

    handler.answers = [answer]
    heard = Text("We met Ann, Bo, Cy, Dee, Eve.", "en", "recognizer")
    write_script(tmp_path / "talk.json", Script("en", "ko", utterances=(Utterance(1, text=heard),)))
    asked = ["--translate-with", url, "--translate-model", "gemma3:4b", "-o", str(tmp_path / "new.json")]
    assert cli.main(["script", "terms", str(tmp_path / "talk.json"), *asked]) == 0
    found = {one.word: one.proposed for one in read_script(tmp_path / "new.json").terms}
    assert found == {"Ann": "앤", "Bo": as_it_sounds("Bo"), "Cy": "사이", "Dee": "디", "Eve": "이브"}
    assert len(handler.asked) == 2


def test_a_text_that_stands_alone_is_translated_as_any_other(server: Any) -> None:
    url, handler = server
    handler.answers = ['{"lines": [{"number": 1, "natural": "The bus stops here."}]}']
    request = lone_request(7, "버스는 여기 섭니다.", "ko", "en")
    assert open_translator(url, "m").candidates([request]) == {7: ["The bus stops here."]}
    system, asked = (message["content"] for message in handler.asked[0][1]["messages"])
    assert "from Korean into English" in system
    assert not re.search("[가-힣]", system)
    assert json.loads(asked)["lines"] == [{"number": 1, "text": "버스는 여기 섭니다.", "seconds": 1.0, "level": "polite"}]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (TWO, [FOUR, ["둘"]]),
        (f"```json\n{TWO}\n```\nDone!", [FOUR, ["둘"]]),
        (f"The translation: {TWO} I hope it helps {{you}}", [FOUR, ["둘"]]),
        (TWO.replace('"short": "짧게", ', "") + ' "oops', [FOUR[:2], ["둘"]]),
        (TWO[: TWO.rindex("}]")], [FOUR, ["둘"]]),  # the model ran out of words
        (TWO.replace("}]", ",}],"), [FOUR, ["둘"]]),  # commas too many
        ('{"2": "둘", "1": {"natural": "하나"}}', [["하나"], ["둘"]]),
        ('{"lines": [{"number": "line 2", "text": "둘"}, {"number": 1.0, "text": "하나"}]}', [["하나"], ["둘"]]),
        ('[{"translation": "하나"}, {"translation": "둘"}]', [["하나"], ["둘"]]),
        ('{"lines": [{"number": 1, "natural": ""}, {"number": 2, "text": "둘"}]}', [[], ["둘"]]),
        ('[{"text": "하나"}, {"text": "둘"}, {"text": "셋"}]', None),  # one too many: whose?
        ('[{"text": "하나"}]', None),
        ('[{"number": 1, "text": "하나"}]', None),  # two in one, or one left out
        ('[{"number": 0, "text": "하나"}, {"number": 1, "text": "둘"}]', None),
        ('[{"number": 2, "text": "하나"}, {"number": 3, "text": "둘"}]', None),
        ('[{"number": 1, "text": "하나"}, {"number": 1, "text": "둘"}]', None),
        ('[{"number": 1, "text": "하나"}, {"text": "둘"}]', None),
        ('{"0": "하나", "1": "둘"}', None),
        ("", None),
        ("[[[[" * 5000, None),
        ('{"짧은": "짧게", "자연스러운": "보통은 이렇게"}', None),
    ],
)
def test_answers_are_read_as_far_as_they_can_be(content: str, found: list[list[str]] | None) -> None:
    assert parse_candidates(content, 2) == found


def test_a_bare_sentence_is_an_answer_to_one() -> None:
    assert parse_candidates("**보통은 이렇게**\n", 1) == [["보통은 이렇게"]]
    assert parse_candidates("Sure!\n보통은 이렇게", 1) is None
    assert parse_candidates('{"lines": [{"number": 7, "text": "일곱"}]}', 1) is None
    assert [parse_candidates(rubbish, 1, "ko") for rubbish in ("spaces", "x" * 2000, "가" * 2000, " ")] == [None] * 4


_ROWS = [{"number": number, "natural": f"줄 {number}"} for number in (1, 2, 3, 4)]
_TEXTS = [[f"줄 {number}"] for number in (1, 2, 3, 4)]
_BEHIND = [{"number": 4, "natural": "뒤"}]


@pytest.mark.parametrize(
    ("answer", "count", "found"),
    [
        ({"before": [{"natural": "앞"}], "lines": _ROWS, "after": [{"natural": "뒤"}]}, 4, _TEXTS),
        ({"lines": _ROWS, "notes": {"text": "존댓말을 썼습니다"}}, 4, _TEXTS),
        ({"answer": _ROWS, "note": {"text": "존댓말을 썼습니다"}}, 4, _TEXTS),
        ({"lines": _ROWS, "next": _BEHIND, "summary": {"text": "다"}}, 4, _TEXTS),
        ({"answer": _ROWS, "something": _BEHIND}, 4, None),
        ({"lines": [*_ROWS, {"number": 5, "natural": "다섯"}]}, 4, None),
        ([{"natural": "앞"}, {"natural": "줄"}, {"natural": "뒤"}], 1, None),
        ({"natural": "줄", "after": {"natural": "뒤"}}, 1, [["줄"]]),
    ],
)
def test_no_line_gets_what_stands_beside_the_lines(answer: Any, count: int, found: Any) -> None:
    text = json.dumps(answer, ensure_ascii=False)
    assert parse_candidates(text, count, "ko") == found
    for cut in range(1, 40, 3) if count == 4 else ():  # torn, a line has its own words, or there is no answer
        assert parse_candidates(text[:-cut], count, "ko") in (_TEXTS, None)


LINES = {4: "넷", 5: "다섯", 7: "일곱", 9: "아홉"}
"""What a right answer says of each sentence of a talk."""


@pytest.mark.parametrize(
    "habit", ["from 1", "from 0", "keys", "of the talk", "one left out", "one left out, and numbered anew", "two in one"]
)
def test_no_line_gets_another_s_words_however_they_are_numbered(server: Any, habit: str) -> None:
    """A model that numbers its lines as it likes, as long as it is asked for more than one."""
    url, handler = server

    def answer(asked: dict[str, Any]) -> str:
        said = [LINES[int(line["text"].split()[-1])] for line in asked["lines"]]
        if len(said) > 1 and habit in ("one left out", "one left out, and numbered anew"):
            del said[1]
        if len(said) > 1 and habit == "two in one":
            said[:2] = [" ".join(said[:2])]
        first = {"from 0": 0, "of the talk": 4}.get(habit, 1) if len(said) > 1 else 1
        numbers = [first + place + (habit == "one left out" and place > 0) for place in range(len(said))]
        if habit == "keys":
            return json.dumps(dict(zip(map(str, numbers), said, strict=True)))
        return json.dumps({"lines": [{"number": number, "natural": text} for number, text in zip(numbers, said, strict=True)]})

    handler.answers[:] = [answer]
    requests = [_request(number=number, pieces=[number], text=f"This is number {number}") for number in LINES]
    assert ChatTranslator(url, "x").candidates(requests) == {number: [text] for number, text in LINES.items()}
    assert len(handler.asked) == (1 if habit in ("from 1", "keys") else 5)  # what does not fit is asked one by one


@pytest.mark.parametrize("key", ["sk-secret\nX: y", "sk-s\u200becret", "비밀"])
def test_a_key_that_is_none_is_refused_and_not_shown(server: Any, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, key)
    message = refused(UsageError, f"{KEY} holds no key", ChatTranslator(server[0], "x").check)
    assert not any(part in message for part in ("secret", "비밀", "X: y"))
    monkeypatch.setenv(KEY, "sk-fine\n")  # as files end
    ChatTranslator(server[0], "gemma3:4b").check()


@pytest.mark.parametrize(
    ("answer", "is_asked_again"),
    [
        ((429, b"{}", {"Retry-After": "0"}), True),
        ((503, b"loading", {"Retry-After": "0"}), True),
        ((200, b'{"choices": [', {"Content-Length": "900"}), True),
        ((200, b'{"choices": []', {}), True),
        ((404, b'{"error": {"message": "model \\"x\\" not found"}}', {}), False),
        ((401, b'{"error": "no key"}', {}), False),
        ((302, b"", {"Location": "http://example.invalid/"}), False),
    ],
)
def test_a_busy_server_is_asked_again(server: Any, answer: Any, is_asked_again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    url, handler = server
    monkeypatch.setattr("netflips.cascade.chat_server.time.sleep", lambda _: None)
    handler.answers[:] = [answer, GOOD]
    translator = ChatTranslator(url, "x")
    if is_asked_again:
        assert translator.candidates([_request()]) == {4: FOUR}
        handler.answers[:] = [answer]
    for _ in range(3):
        handler.answers[:] = [answer]
        with pytest.raises(InputError, match="did not answer") as told:
            translator.candidates([_request()])
    assert (KEY in str(told.value)) == (answer[0] == 401)
    assert ("not found" in str(told.value)) == (answer[0] == 404)
    refused(InputError, "failed 3 times in a row", translator.candidates, [_request()])


def test_a_drip_ends_in_time(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, handler = server
    monkeypatch.setattr("netflips.cascade.chat_server._LIMIT_S", 0.3)
    handler.answers[:] = [(200, b"{", {"Content-Length": "9999999"})]
    handler.answers[:] = [lambda _: b"x" * threading.Event().wait(2)]
    refused(InputError, r"no answer within 0\.3 s", ChatTranslator(url, "x").candidates, [_request()])


def test_the_model_is_named_or_the_only_one(server: Any) -> None:
    url, handler = server
    handler.models = [{"id": "a"}, {"id": "b:latest"}]
    refused(UsageError, "--translate-model is needed; expected a, b:latest", ChatTranslator(url).check)
    refused(UsageError, "no such model; expected a, b:latest; found c", ChatTranslator(url, "c").check)
    ChatTranslator(url, "b").check()
    handler.models = None
    ChatTranslator(url).check()  # a server without a list
    refused(InputError, "did not answer", ChatTranslator("http://127.0.0.1:9/v1").check)


def test_texts_leave_this_machine_only_by_name_over_https(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "netflips"):
        remote = open_translator("https://api.example.com/v1", "m")
    assert isinstance(remote, ChatTranslator)
    assert "are sent to api.example.com" in caplog.text
    assert isinstance(open_translator("http://127.0.0.1:1/translate"), ProgramTranslator)
    assert isinstance(open_translator("http://127.0.0.1:11434", "m"), ChatTranslator)
    wrong = {"http://example.com/v1": "m", "https://example.com/translate": None, "cat": "m", "https://[::1/v1": "m"}
    for given, model in wrong.items():
        refused(UsageError, "--translate-", open_translator, given, model)
