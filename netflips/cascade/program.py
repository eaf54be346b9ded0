"""The user's own text translator: a program that answers lines of JSON, or an address on this machine.

Each request is an object: `text`, `source`, `target`, `number`, `speaker`, `level`, `seconds`, `syllables`, `glossary`, and
`context` with all of the recording. The answer is `{"ok": true, "texts": ["...", "..."]}`, candidates of which the first that fits
is taken, `{"ok": true, "text": "..."}`, or `{"error": "why"}`. If no candidate will do, the request is repeated with the reason in
`again`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from ipaddress import ip_address
from math import inf
from types import MappingProxyType
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener

from avcore.errors import InputError, Message, NetflipsError, UsageError, reason
from avcore.notes import shown
from avcore.programs import LineProgram, command_key, parse_command, program_name, within
from avcore.texts import DIRECTION_MARKS

TRANSLATE_WITH, TRANSLATE_MODEL = "--translate-with", "--translate-model"
_CHAT = "http://127.0.0.1:11434/v1"
_DIRECTIONS = re.compile(f"[{DIRECTION_MARKS}]")
_WHAT = f"the translator of {TRANSLATE_WITH}"
_LIMIT_S = 120.0
_LETTERS_A_SECOND = 14
"""Rate of English speech."""
_MOST_TEXTS = 16
_MOST_BYTES = 8 << 20
"""Size of an answer; a stream takes some hundred bytes for each word."""
_MOST_WORDS = 200
_MOST_FAILURES = 5
"""Failures in a row after which it is not asked any more."""


def require_translate_with(given: str, model: str | None = None) -> None:
    """Raise UsageError for a program that is not there, and for an address of another machine, unless it is a chat server over
    https: the words of a recording leave this machine only if the user names where to. model: of the chat server, None = not
    named."""
    if not given.startswith(("http://", "https://")):
        parse_command(given, TRANSLATE_WITH)
        if model is not None:
            raise UsageError(f"{TRANSLATE_MODEL} names a model of an address", expected=_CHAT, found=shown(given))
        return

    host = host_of(given)
    is_secret = given.startswith("https") and is_chat(given, model)
    if host is None or not (is_secret or (is_this_machine(host) and given.startswith("http:"))):
        hint = f"{_CHAT} with {TRANSLATE_MODEL} asks a language model"
        if host is not None and not is_this_machine(host):
            port = urlsplit(given).port or 11434
            hint = f"another machine is asked over https, or by way of `ssh -L {port}:localhost:{port} {host}`"
        raise UsageError(
            f"{TRANSLATE_WITH} takes an address of this machine",
            expected="http://127.0.0.1:8080/...",
            found=shown(given),
            hint=hint,
        )


def host_of(given: str) -> str | None:
    """Return the host of an address; None if it is not an address."""
    if not given.isascii() or not given.isprintable() or " " in given:
        return None
    with suppress(ValueError):  # raised for a port that is no number, and for brackets
        address = urlsplit(given)
        _ = address.port
        return address.hostname
    return None


def is_this_machine(host: str) -> bool:
    """Return whether a host is this machine."""
    with suppress(ValueError):
        return host == "localhost" or ip_address(host).is_loopback
    return False


def is_chat(given: str, model: str | None = None) -> bool:
    """Return whether an address is that of a server of language models: a model is named, or it ends as theirs do."""
    is_address = given.startswith(("http://", "https://"))
    return is_address and (model is not None or given.rstrip("/").endswith(("/v1", "/chat/completions")))


class ProgramTranslator:
    """Translates by a program or an address. `name` stands for it in reports; `key` is what its answers depend on."""

    together = 1
    """sentences in one request"""

    def __init__(self, given: str, limit_s: float | None = None) -> None:
        """given: a command line, or an address. limit_s: seconds for an answer, and then it is asked again however often it failed;
        None = it has long, and five failures. Raises UsageError if it cannot be used."""
        require_translate_with(given)
        self._url = given if given.startswith("http://") else ""
        words = () if self._url else parse_command(given, TRANSLATE_WITH)
        self.name = self._url or program_name(words)
        self.key: list[Any] = [self._url] if self._url else command_key(words)
        self._limit_s, self._most_failures = limit_s or _LIMIT_S, _MOST_FAILURES if limit_s is None else inf
        self._program = None if self._url else LineProgram(words, self._limit_s, _WHAT)
        self._failures = 0

    def candidates(self, requests: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
        """Return the candidates of each request by its number: NFC, one line each; a request whose answer is empty is left out.

        Raises InputError if there is no answer to one.
        """
        found = {request["number"]: self._candidates(request) for request in requests}
        return {number: texts for number, texts in found.items() if texts}

    def _candidates(self, request: Mapping[str, Any]) -> list[str]:
        if self._failures >= self._most_failures:
            raise InputError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")
        try:
            if self._program is None:
                # An address of this machine must not be asked through a proxy that the environment names.
                answer = post_json(self._url, request, self._limit_s, _WHAT, handlers=(ProxyHandler({}), NoRedirect()))
            else:
                answer = self._program.ask(request, is_ok_enough=False)
            texts = answer.get("texts", [answer.get("text")])
            answers = [one_line(text) for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
            if not answers:
                raise InputError(f"{_WHAT} gave no text", found=shown(str(answer.get("error", texts)))[:80])
        except NetflipsError:
            self._failures += 1
            raise

        self._failures = 0
        return list(dict.fromkeys(filter(None, answers)))[:_MOST_TEXTS]

    def close(self) -> None:
        """End the program, if it was started."""
        if self._program is not None:
            self._program.close()


def lone_request(number: int, text: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    """Return the request of a text without context, such as a title; its time is what it takes to say it. more: further entries."""
    seconds = round(max(len(text) / _LETTERS_A_SECOND, 1.0), 2)
    plain = {"number": number, "pieces": [number], "text": text, "source": source, "target": target, "speaker": "", "to": ""}
    return plain | {"level": "", "seconds": seconds, "glossary": {}, "title": "", "context": []} | more


def one_line(text: str) -> str:
    """Return a text in NFC on one line, with blanks for what cannot be printed; marks of direction are dropped, so that they leave
    no blank within a word."""
    plain = _DIRECTIONS.sub("", text)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in normalize("NFC", plain)).split())


def post_json(
    url: str,
    request: Mapping[str, Any] | None,
    limit_s: float,
    what: str,
    *,
    handlers: Sequence[BaseHandler] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
    parse: Callable[[str], Any] = json.loads,
) -> dict[str, Any]:
    """Send a request to an address as JSON; returns the object that it answers, {} if the answer is not an object.

    request: None = GET instead of POST. what: name of the server in messages. handlers: of `build_opener`. parse: reads the answer,
    raises ValueError if it cannot. Raises InputError if no complete answer comes within `limit_s` seconds.
    """
    body = None if request is None else json.dumps(request, ensure_ascii=False).encode()
    asked = Request(url, body, {"Content-Type": "application/json", **headers})

    def ask() -> Any:
        # A socket's limit holds for each read by itself; `within` bounds the whole answer, and comes first.
        with build_opener(*handlers).open(asked, timeout=2 * limit_s) as answer:
            # A byte order mark, which `json` refuses, is dropped.
            return parse(answer.read(_MOST_BYTES).decode("utf-8-sig"))

    try:
        found = within(limit_s, ask)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise InputError(Message("{what} did not answer", what=what), path=url, found=shown(reason(error))[:_MOST_WORDS]) from error
    return found if isinstance(found, dict) else {}


class NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: it could lead to another machine."""

    def redirect_request(self, *_: Any) -> None:
        return None
