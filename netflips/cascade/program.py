"""A text translator that a user has: a program that answers lines of JSON, or an address on this machine.

Each request is an object: `text`, `source`, `target`, `number`, `speaker`, `level`, `seconds`, `glossary`, and in `context` all of
the recording. The answer is `{"ok": true, "text": "..."}`, or `{"error": "why"}`.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from unicodedata import normalize
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from avcore.errors import InputError, NetflipsError, UsageError, reason
from avcore.plain_text import shown
from avcore.programs import LineProgram, command_key, parse_command, program_name

TRANSLATE_WITH = "--translate-with"
_WHAT = f"the translator of {TRANSLATE_WITH}"
_LIMIT_S = 120.0
_MOST_BYTES = 1 << 20
_MOST_FAILURES = 5
"""In a row; then it is not asked any more."""


def require_translate_with(given: str) -> None:
    """Refuse a program that is not there, and an address of another machine: the text of a recording stays here."""
    if not given.startswith(("http://", "https://")):
        parse_command(given, TRANSLATE_WITH)
        return
    host = urlsplit(given).hostname or ""
    is_here = host == "localhost"
    with suppress(ValueError):
        is_here = is_here or ip_address(host).is_loopback
    if not is_here or given.startswith("https"):
        raise UsageError(f"{TRANSLATE_WITH} takes an address of this machine", expected="http://127.0.0.1:8080/...", found=given)


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
            answer = self._post(request) if self._program is None else self._program.ask(request)
            text = answer.get("text")
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"{_WHAT} gave no text", found=shown(str(answer.get("error", text)))[:80])
        except NetflipsError:
            self._failures += 1
            raise
        self._failures = 0
        return " ".join("".join(sign if sign.isprintable() else " " for sign in normalize("NFC", text)).split())

    def _post(self, request: Mapping[str, Any]) -> dict[str, Any]:
        asked = Request(self._url, json.dumps(request, ensure_ascii=False).encode(), {"Content-Type": "application/json"})
        try:
            with build_opener(ProxyHandler({}), _NoRedirect).open(asked, timeout=_LIMIT_S) as answer:
                found = json.loads(answer.read(_MOST_BYTES))
        except (URLError, OSError, ValueError, RecursionError) as error:
            raise InputError(f"{_WHAT} did not answer", path=self._url, found=reason(error)) from error
        return found if isinstance(found, dict) else {}

    def close(self) -> None:
        """End a program that was started."""
        if self._program is not None:
            self._program.close()


class _NoRedirect(HTTPRedirectHandler):
    """Follows none: it could lead to another machine."""

    def redirect_request(self, *_: Any) -> None:
        return None
