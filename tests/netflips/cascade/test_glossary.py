"""Words that a user's glossary gives, and programs that translate."""

import json
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from avcore.errors import InputError, UsageError
from netflips.cascade.glossary import read_glossary, terms_in, with_fitting_particles, with_terms
from netflips.cascade.program import ProgramTranslator
from tests.answering import answering
from tests.refusal import refused

_DRIPS = b"(drips)"


@pytest.mark.parametrize(
    ("text", "noun", "wanted"),
    [
        ("오로라은 커요.", "오로라", "오로라는 커요."),
        ("달빛는 달빛를 달빛과", "달빛", "달빛은 달빛을 달빛과"),
        ("서울으로 가요. 서울로서 서울으로는", "서울", "서울로 가요. 서울로서 서울로는"),
        ("부산로 가서 부산이가요", "부산", "부산으로 가서 부산이가요"),
        ("학교이 학교과 학교은,", "학교", "학교가 학교와 학교는,"),
        ("서울역이", "서울", "서울역이"),
        ("AI은 AI으로", "AI", "AI는 AI로"),
        ("KTX을 탔다", "KTX", "KTX를 탔다"),
        ("USB으로 API이", "USB", "USB로 API이"),
        ("GPT-4을 챗GPT이", "GPT-4", "GPT-4를 챗GPT이"),
        ("챗GPT이", "챗GPT", "챗GPT가"),
        ("공항(T1)은 어디에", "공항(T1)", "공항(T1)은 어디에"),
        ("과일(딸기)이, 3월과", "과일(딸기)", "과일(딸기)가, 3월과"),
        ("10%을", "10%", "10%를"),
        ("שלום은", "שלום", "שלום은"),
    ],
)
def test_particles_fit_the_noun_before_them(text: str, noun: str, wanted: str) -> None:
    assert with_fitting_particles(text, noun) == wanted


def test_terms_are_put_where_their_rendering_or_their_english_stands() -> None:
    given, said = {"language model": "대규모 언어 모델(LLM)"}, "나는 언어 모델를 좋아합니다."
    termed = with_terms("a language model", said, given, lambda _: "언어 모델")
    assert termed.text == "나는 대규모 언어 모델(LLM)을 좋아합니다."
    glossary = {"aurora station": "오로라역", "aurora": "오로라", "unit": "유닛", "bus": "버스"}
    source = "Aurora Station has no buses, only Units."
    terms = terms_in(source, glossary)
    assert terms == {"aurora station": "오로라역", "unit": "유닛"}  # the longer one, whole words, also of several
    meant = {"aurora station": "극광 정거장", "unit": "단위."}
    termed = with_terms(source, "극광 정거장는 단위를 만들어요.", terms, lambda text: meant.get(text.lower(), ""))
    assert termed.text == "오로라역은 유닛을 만들어요."
    assert (termed.put, termed.missed) == (terms, ())
    assert with_terms("the unit", "그 Unit를 봐요", {"unit": "유닛"}, None).text == "그 유닛을 봐요"
    mixed = with_terms("the unit", "그것을 봐요", {"unit": "유닛"}, lambda text: "유닛를 봐요" if "유닛" in text else "부대")
    assert mixed.text == "유닛을 봐요"
    missed = with_terms("the unit", "그것을 봐요", {"unit": "유닛"}, None)
    assert (missed.text, missed.put, missed.missed) == ("그것을 봐요", {}, ("unit",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("bus 버스\n", "line 1"), ("bus\t버스\nBUS\t뻐스\n", "line 2.*otherwise"), ("# nothing\n", "is empty"), ("a\t\n", "line 1")],
)
def test_a_glossary_that_cannot_be_read_names_its_line(content: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_text("\ufeff# words\nBus  stop\t정류장\n", encoding="utf-8")
    assert read_glossary(path) == {"bus stop": "정류장"}
    path.write_text(content, encoding="utf-8")
    refused(InputError, complaint, read_glossary, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp949"])
def test_a_glossary_is_read_as_spreadsheets_write_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "glossary.tsv"
    path.write_bytes("bus stop\t정류장\r\nairport\t공항(T1)\r\n".encode(encoding))
    assert read_glossary(path) == {"bus stop": "정류장", "airport": "공항(T1)"}


@pytest.fixture
def address() -> Iterator[str]:
    def answer(_: object, asked: dict[str, Any]) -> Any:
        text = json.dumps({"text": f"{asked['text']}!\n{len(asked['context'])}"}).encode()
        return (302, text, {"Location": "http://example.invalid/"}) if asked["text"] == "away" else text

    with answering(answer) as made:
        yield f"{made}/translate"


def test_a_program_or_an_address_of_this_machine_translates(address: str) -> None:
    answers = 'json.dumps({"ok": True, "text": json.loads(line)["text"] + "!\\n1"})'
    code = f"import json, sys\nfor line in sys.stdin:\n    print({answers}, flush=True)"
    for given in (address, f"{sys.executable} -c '{code}'"):
        translator = ProgramTranslator(given)
        assert translator.candidates([{"number": 3, "text": "안녕", "context": [1]}]) == {3: ["안녕! 1"]}
        translator.close()
    refused(InputError, "did not answer", ProgramTranslator(address).candidates, [{"number": 1, "text": "away", "context": []}])
    here = ("http://127.0.0.1:abc/", "http://127.0.0.1:99999/", "http://127.0.0.1/a b", "http://[::1", "http://127.0.0.1/\x7f")
    for other in ("http://192.168.0.7/x", "https://127.0.0.1/x", "http://example.com/", "no-such-program-anywhere", *here):
        refused(UsageError, "--translate-with", ProgramTranslator, other)


def test_one_that_fails_again_and_again_is_not_asked_any_more() -> None:
    translator = ProgramTranslator("false")
    for _ in range(5):
        refused(InputError, "ended without an answer", translator.candidates, [{"number": 1, "text": "a"}])
    refused(InputError, "failed 5 times in a row", translator.candidates, [{"number": 1, "text": "a"}])


def _drip(connection: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b"HTTP/1.1 500 \x1b[31m\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX:" + _DRIPS,
        b"HTTP/1.1 200 OK\r\n\r\n" + _DRIPS,
    ],
)
def test_whatever_an_address_answers_costs_one_text(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netflips.cascade.program._LIMIT_S", 0.4)

    class Raw(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer.removesuffix(_DRIPS))
            if answer.endswith(_DRIPS):
                _drip(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Raw) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        translator = ProgramTranslator(f"http://127.0.0.1:{server.server_address[1]}/")
        began = time.monotonic()
        message = refused(InputError, r"did not answer|gave no text", translator.candidates, [{"number": 1, "text": "a"}])
        assert time.monotonic() - began < 3
        assert message.isprintable()
        server.shutdown()


def test_a_program_that_is_ready_unasked_does_not_shift_answers() -> None:
    answers = """for line in sys.stdin: print(json.dumps({"ok": True, "texts": [json.loads(line)["text"], 7, "z"]}), flush=True)"""
    code = f"""import json, sys\nprint(json.dumps({{"ok": True}}), flush=True)\n{answers}"""
    translator = ProgramTranslator(f"{sys.executable} -S -c {shlex.quote(code)}")
    for text in ("a", "b", "c"):
        assert translator.candidates([{"number": 1, "text": text}])[1] == [text, "z"]
    translator.close()


def test_ten_thousand_terms_cost_milliseconds_a_sentence() -> None:
    glossary = {f"word{number} of {number}": f"말{number}" for number in range(10_000)}
    began = time.process_time()
    for number in range(20):
        found = terms_in(f"This is a sentence about Word{number} of {number}'s, and no more", glossary)
        assert found == {f"word{number} of {number}": f"말{number}"}
    assert time.process_time() - began < 1
