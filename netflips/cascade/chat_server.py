"""Client of a server of language models that speaks `POST /v1/chat/completions`: Ollama, llama.cpp, LM Studio, vLLM, OpenAI.

Servers differ in the parameters that they accept. Each is asked for what helps: an answer that follows a JSON schema, and no
thinking. A parameter that a server refuses by name is sent in its older form or left out, then and in all later requests.
"""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import BaseHandler, ProxyHandler

from avcore.errors import InputError, Message, NetflipsError, UsageError
from avcore.notes import shown
from netflips.cascade.answers import error_in, of_stream, parse_answer
from netflips.cascade.program import (
    TRANSLATE_MODEL,
    TRANSLATE_WITH,
    NoRedirect,
    host_of,
    is_this_machine,
    post_json,
)

KEY = "NETFLIPS_TRANSLATE_KEY"
WHAT = f"the language model of {TRANSLATE_WITH}"
_LIMIT_S, _LOOK_S = 300.0, 10.0
"""Timeouts: of an answer, which a model on a CPU writes word by word, and of the list of a server's models."""
_TRIES, _LONGEST_WAIT_S = 3, 20.0
_MOST_FAILURES, _MOST_THOUGHTS = 3, 2
"""Failures, and answers of thoughts alone, in a row; then the server is not asked any more."""
_MOST_TOKENS = 4096
"""Most tokens of an answer."""
_MOST_BYTES, _MOST_SPOKEN = 8000, 120
"""Bytes that are read of a server's error, and characters of it that are reported."""
_NO_THINKER = "take a model that does not think, as one of instruct"
_EXTRAS = ("response_format", "reasoning_effort", "chat_template_kwargs")
"""Parameters that help but are not needed: all are left out if a server refuses a request and does not name the parameter."""
_NAMES: Mapping[str, str] = {
    "response_format": r"response_format|json_schema|json_object|json schema|grammar|structured",
    "reasoning_effort": r"reasoning|\bthink",
    "chat_template_kwargs": r"chat_template|enable_thinking",
    "temperature": "temperature",
    "max_tokens": "max_tokens|max_completion_tokens",
    "stream": r"\bstream",
}
"""How servers name parameters that they refuse."""


class ChatServer:
    """A server, with the parameters that it accepts. `other_machine` is its host, "" = this machine."""

    def __init__(self, base: str, model: str | None, limit_s: float | None = None) -> None:
        """base: its address, up to /v1. model: None = the only one that it has. limit_s: as of `ProgramTranslator`; then a request
        that failed is not sent again, either."""
        self.base, self.model = base, model
        self._limit_s, self._is_patient = limit_s or _LIMIT_S, limit_s is None
        host = host_of(base) or ""
        self.other_machine = "" if is_this_machine(host) else host
        self._failures = self._thoughts = 0

        # Forms of each parameter, the best first, as name and value; one that is refused gives way to the next, and then to none.
        self._forms: dict[str, list[tuple[str, Any]]] = {
            "reasoning_effort": [("reasoning_effort", "none"), ("reasoning_effort", "low")],
            "chat_template_kwargs": [("chat_template_kwargs", {"enable_thinking": False})],
            "temperature": [("temperature", 0.3)],
            "max_tokens": [("max_tokens", _MOST_TOKENS), ("max_completion_tokens", _MOST_TOKENS)],
            "stream": [("stream", False)],
        }
        self._answers_in = ["json_schema", "json_object"]

    def check(self) -> None:
        """Check that the server is there and has the model. Raises InputError if nothing answers, UsageError if it has several
        models and none is named, or lacks the one that is."""
        try:
            rows = self._ask("models", None, _LOOK_S).get("data")
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, HTTPError) and cause.code in (401, 403):
                raise
            if isinstance(cause, HTTPError):
                return  # some servers have no list of models
            hint = f"is its server running, as by `ollama serve`? {TRANSLATE_WITH} names its address"
            raise InputError(error.what, path=error.path, found=error.found, hint=hint) from cause

        names = [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row] if isinstance(rows, list) else []
        if self.model is None and len(names) > 1:
            raise UsageError(f"{TRANSLATE_MODEL} is needed", expected=shown(", ".join(names))[:200])
        self.model = self.model or next(iter(names), None)
        if names and self.model not in names and f"{self.model}:latest" not in names:
            raise UsageError("the server has no such model", expected=shown(", ".join(names))[:200], found=self.model)

    def answer(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
        """Return the model's answer to messages, without its thoughts. schema: of the JSON that it is asked for.

        Raises InputError if there is no answer; after a few failures in a row, without asking again.
        """
        if self._is_patient and (self._failures >= _MOST_FAILURES or self._thoughts >= _MOST_THOUGHTS):
            why = "only thinks" if self._thoughts >= _MOST_THOUGHTS else f"failed {_MOST_FAILURES} times in a row"
            raise InputError(f"{WHAT} {why}, and is not asked any more", hint=_NO_THINKER if self._thoughts else None)

        try:
            answer = parse_answer(self._fitting({"messages": list(messages)}, schema))
            if answer.is_thought:
                self._thoughts += 1
                found = f"{_MOST_TOKENS} tokens of thoughts" if answer.finish == "length" else "thoughts alone"
                raise InputError(f"{WHAT} gave no answer", found=found, hint=_NO_THINKER)
            if not answer.content.strip():
                raise InputError(f"{WHAT} gave no answer", found=f"finish_reason {answer.finish}" if answer.finish else "no text")
        except NetflipsError:
            self._failures += 1
            raise

        self._failures = self._thoughts = 0
        return answer.content

    def _fitting(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request, with fewer parameters each time that the server refuses some; returns its answer. Raises InputError if it
        refuses a request for another reason."""
        # Each turn gives a form up, or raises, so that the loop ends.
        while True:
            asked = {**body, **dict(forms[0] for forms in self._forms.values() if forms)}
            if self.model is not None:
                asked["model"] = self.model
            if self._answers_in:
                form = self._answers_in[0]
                detail = {"json_schema": {"name": "answer", "strict": True, "schema": schema}} if form == "json_schema" else {}
                asked["response_format"] = {"type": form, **detail}

            try:
                return self._patiently(asked)
            except _RefusedError as error:
                if error.status not in (400, 422) or not self._without(error.message):
                    raise

    def _without(self, message: str) -> bool:
        """Give up the form of each parameter that an error names; if it names none, leave out all of `_EXTRAS`. Returns whether
        anything changed, so that it is worth asking again. message: the server's message."""
        forms: dict[str, list[Any]] = {**self._forms, "response_format": self._answers_in}
        named = [name for name, pattern in _NAMES.items() if forms[name] and re.search(pattern, message, re.IGNORECASE)]
        for name in named:
            del forms[name][0]
        if named:
            return True

        extras = [name for name in _EXTRAS if forms[name]]
        for name in extras:
            forms[name].clear()
        return bool(extras)

    def _patiently(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and ask again if the server is busy or the connection broke. Raises InputError if that does not help."""
        for tried in range(1, _TRIES + 1):
            try:
                return self._ask("chat/completions", body, self._limit_s)
            except InputError as error:
                wait_s = _wait_s(error.__cause__, tried) if self._is_patient else None
                if wait_s is None or tried == _TRIES:
                    raise
                time.sleep(wait_s)
        raise AssertionError  # the last try returns or raises

    def _ask(self, place: str, body: Mapping[str, Any] | None, limit_s: float) -> dict[str, Any]:
        key = _key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # What is meant for this machine must not go out through a proxy that the environment names.
        handlers: list[BaseHandler] = [NoRedirect()] if self.other_machine else [NoRedirect(), ProxyHandler({})]
        try:
            answer = post_json(f"{self.base}/{place}", body, limit_s, WHAT, handlers=handlers, headers=headers, parse=_parsed)
        except InputError as error:
            cause = error.__cause__
            if isinstance(cause, TimeoutError):
                sooner = f"a smaller model answers sooner; {_NO_THINKER}"
                raise InputError(error.what, path=error.path, found=error.found, hint=sooner) from cause
            if not isinstance(cause, HTTPError):
                raise
            hint = f"put the key into {KEY}" if cause.code in (401, 403) else None
            raise _RefusedError(error, cause.code, _message_of(cause), hint) from cause

        if "choices" not in answer and (why := error_in(answer)):  # some send it with the status of an answer
            raise InputError(Message("{what} did not answer", what=WHAT), path=f"{self.base}/{place}", found=shown(why)[:200])
        return answer


class _RefusedError(InputError):
    """A server answered with an error."""

    def __init__(self, error: InputError, status: int, message: str, hint: str | None) -> None:
        """status: of HTTP. message: the server's message, "" = none. hint: what to do about it."""
        self.status, self.message = status, message
        found = f"{error.found}: {shown(message)[:_MOST_SPOKEN]}" if message else error.found
        super().__init__(error.what, path=error.path, found=found, hint=hint)


def _parsed(body: str) -> Any:
    """Parse what a server answered: JSON, or a stream of it. Raises ValueError for anything else."""
    try:
        return json.loads(body)
    except ValueError:
        return of_stream(body)


def _key() -> str:
    """Return the API key, "" = there is none. Raises UsageError if it cannot be one; the error does not show it."""
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            Message("{variable} holds no key", variable=KEY), expected="letters, digits and signs of ASCII, on one line"
        )
    return key


def _message_of(error: HTTPError) -> str:
    """Return a server's message about an error, with the parameter that it names; "" = there is none."""
    try:
        content = error.read(_MOST_BYTES).decode(errors="replace")
    except (OSError, HTTPException, ValueError):
        return ""
    try:
        answer = json.loads(content)
        found = error_in(answer) or str(answer.get("detail") or answer.get("message") or "")
        param = answer["error"].get("param") if isinstance(answer.get("error"), Mapping) else None
        return f"{found} ({param})" if isinstance(param, str) and param not in found else found
    except (ValueError, AttributeError, RecursionError):
        message = re.search(r'"(?:message|error|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"', content)
        return message[1] if message else ""


def _wait_s(cause: BaseException | None, tried: int) -> float | None:
    """Return how long to wait (s) before asking again; None = it would not help. tried: requests so far."""
    # A model that was too slow once is too slow again, and where nothing listens, nothing will answer.
    if isinstance(cause, TimeoutError) or isinstance(getattr(cause, "reason", None), ConnectionRefusedError | TimeoutError):
        return None
    if not isinstance(cause, HTTPError):
        return float(tried)
    # A wrong request stays wrong. What passes is 429, too many requests, and errors of the server's own.
    if cause.code != 429 and cause.code < 500:
        return None
    wait_s = str(cause.headers.get("Retry-After", ""))
    return min(float(wait_s) if wait_s.isdecimal() else 2.0**tried, _LONGEST_WAIT_S)
