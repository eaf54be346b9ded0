"""A translator that knows one synthetic talk: it stands in for a language model where there is none.

    python -m recipes.talk.stand_in

is a program for --translate-with that answers each line with one candidate, with `--texts` three. As a server it implements
`/v1/chat/completions`, with faults in turn: it thinks aloud, is busy, leaves a line out, breaks off, answers in English. It does
not measure the quality of any translation.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import cycle
from typing import Any, NamedTuple

from netflips.dubbing.sentences import shared_out

PAUSE = " | "
_MOST_PIECES = 8
_FAULTS = ("think", "busy", "", "lost", "torn", "english", "")


class Line(NamedTuple):
    """A sentence of the talk."""

    speaker: str
    pieces: tuple[str, ...]
    """its text between pauses"""
    candidates: tuple[str, str, str]
    """translations: short, natural and full"""


@cache
def lines() -> tuple[Line, ...]:
    """Return the sentences of the talk."""
    rows = files("recipes.talk").joinpath("talk.tsv").read_text(encoding="utf-8").splitlines()
    cells = (row.split("\t") for row in rows)
    return tuple(Line(who, tuple(text.split(PAUSE)), (short, natural, full)) for who, text, short, natural, full in cells)


def translated(sentence: str) -> tuple[str, str, str]:
    """Return the candidates for a transcript: those of the consecutive pieces of the talk that are most similar to it."""
    pieces = [(number, place, text) for number, line in enumerate(lines()) for place, text in enumerate(line.pieces)]
    wanted, best = _letters(sentence), (-1.0, 0, 1)
    matcher = SequenceMatcher(None, "", wanted, autojunk=False)

    for first in range(len(pieces)):
        spoken = ""
        for last in range(first, min(first + _MOST_PIECES, len(pieces))):
            spoken += _letters(pieces[last][2])
            matcher.set_seq1(spoken)
            # The quick ratios are upper bounds, and much cheaper to compute.
            if matcher.real_quick_ratio() > best[0] and matcher.quick_ratio() > best[0]:
                best = max(best, (matcher.ratio(), first, last + 1))

    run = pieces[best[1] : best[2]]
    short, natural, full = (" ".join(filter(None, (_part(*piece[:2], k) for piece in run))) for k in range(3))
    return short, natural, full


def _part(number: int, place: int, candidate: int) -> str:
    """Return the part of a candidate that belongs to a piece of its sentence."""
    line = lines()[number]
    parts = shared_out(line.candidates[candidate], [len(piece) for piece in line.pieces])
    return "" if parts is None else parts[place]


def _letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())


@contextmanager
def server() -> Iterator[str]:
    """Run the stand-in for a server of language models during a block; yields its address."""
    faults = cycle(_FAULTS)

    class Handler(BaseHTTPRequestHandler):
        """Answers as such servers do, with a fault in most turns."""

        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": "stand-in"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            rows = json.loads(asked["messages"][1]["content"])["lines"]
            fault = next(faults)
            if fault == "busy":
                return self._send(429, {"error": "busy"}, "0")

            made = [dict(zip(("short", "natural", "full"), translated(row["text"]), strict=True)) for row in rows]
            found = [{"number": row["number"], **one} for row, one in zip(rows, made, strict=True)]
            content = json.dumps({"lines": found[:-1] if fault == "lost" else found}, ensure_ascii=False)
            if fault == "think":
                content = f"<think>{content[:40]} or not?</think>Here it is:\n```json\n{content}\n```"
            elif fault == "torn":
                content = content[: -len(content) // 4]
            elif fault == "english":
                content = json.dumps({"lines": [{"number": row["number"], "natural": row["text"]} for row in rows]})

            return self._send(200, {"choices": [{"message": {"role": "assistant", "content": content}}]})

        def _send(self, status: int, content: Any, wait: str | None = None) -> None:
            body = json.dumps(content, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if wait is not None:
                self.send_header("Retry-After", wait)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{found.server_port}/v1"
        finally:
            found.shutdown()


def _answer_lines(is_several: bool) -> None:
    for line in sys.stdin:
        short, natural, full = translated(json.loads(line)["text"])
        answer = {"texts": [natural, full, short]} if is_several else {"text": natural}
        sys.stdout.write(json.dumps({"ok": True, **answer}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _answer_lines("--texts" in sys.argv[1:])
