"""A text translator that a user has: a program that answers lines of JSON, or an address on this machine.

Each request is an object: `text`, `source`, `target`, `number`, `speaker`, `level`, `seconds`, `glossary`, and in `context` all of
the recording. The answer is `{"ok": true, "text": "..."}`, or `{"error": "why"}`.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from ipaddress import ip_address
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener

from avcore.deadlines import within
from avcore.errors import InputError, NetflipsError, UsageError, reason
from avcore.notes import shown
from avcore.programs import LineProgram, command_key, parse_command, program_name

TRANSLATE_WITH = "--translate-with"
_WHAT = f"the translator of {TRANSLATE_WITH}"
_LIMIT_S = 120.0
_MOST_BYTES = 1 << 20
_MOST_WORDS = 200
_MOST_FAILURES = 5
"""In a row; then it is not asked any more."""


def require_translate_with(given: str) -> None:
    """Refuse a program that is not there, and an address of another machine: the text of a recording stays here."""
    if not given.startswith(("http://", "https://")):
        parse_command(given, TRANSLATE_WITH)
        return
    is_here = False
    with suppress(ValueError):  # of a port that is no number, and of brackets
        address = urlsplit(given)
        host, _ = address.hostname or "", address.port
        is_here = host == "localhost" or ip_address(host).is_loopback
    if not is_here or given.startswith("https") or not given.isascii() or not given.isprintable() or " " in given:
        raise UsageError(
            f"{TRANSLATE_WITH} takes an address of this machine", expected="http://127.0.0.1:8080/...", found=shown(given)
        )


class ProgramTranslator:
    """Asks a program or an address. name, key: what reports call it, and what its answers depend on."""

    def __init__(self, given: str) -> None:
        """given: a command line, or an address. Raises UsageError."""
        require_translate_with(given)
        self._url = given if given.startswith("http://") else ""
        words = () if self._url else parse_command(given, TRANSLATE_WITH)
        self.name = self._url or program_name(words)
        self.key: list[Any] = [self._url] if self._url else command_key(words)
        self._program = None if self._url else LineProgram(words, _LIMIT_S, _WHAT)
        self._failures = 0

    def translate(self, request: Mapping[str, Any]) -> str:
        """Return the translation, in NFC on one line. Raises InputError where there is none."""
        if self._failures >= _MOST_FAILURES:
            raise InputError(f"{_WHAT} failed {_MOST_FAILURES} times in a row, and is not asked any more")
        try:
            if self._program is None:
                answer = post_json(self._url, request, _LIMIT_S, _WHAT, ProxyHandler({}), _NoRedirect())
            else:
                answer = self._program.ask(request, is_ok_enough=False)
            text = answer.get("text")
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"{_WHAT} gave no text", found=shown(str(answer.get("error", text)))[:80])
        except NetflipsError:
            self._failures += 1
            raise
        self._failures = 0
        return " ".join("".join(sign if sign.isprintable() else " " for sign in normalize("NFC", text)).split())

    def close(self) -> None:
        """End a program that was started."""
        if self._program is not None:
            self._program.close()


def post_json(url: str, request: Mapping[str, Any], limit_s: float, what: str, *handlers: BaseHandler) -> dict[str, Any]:
    """Return the object that an address answers to a request; {} for what is none. handlers: as `build_opener` takes them.

    Raises InputError where no whole answer comes within `limit_s` seconds.
    """
    asked = Request(url, json.dumps(request, ensure_ascii=False).encode(), {"Content-Type": "application/json"})

    def ask() -> Any:
        with build_opener(*handlers).open(asked, timeout=limit_s) as answer:
            return json.loads(answer.read(_MOST_BYTES))

    try:
        found = within(limit_s, ask)
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise InputError(f"{what} did not answer", path=url, found=shown(reason(error))[:_MOST_WORDS]) from error
    return found if isinstance(found, dict) else {}


class _NoRedirect(HTTPRedirectHandler):
    """Follows none: it could lead to another machine."""

    def redirect_request(self, *_: Any) -> None:
        return None
