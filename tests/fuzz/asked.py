"""`tests.fuzz.asked KIND FILE`: what a person's small file, a program or a host says is read, in one line or rightly."""

import argparse
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Thread

from avcore import programs
from avcore.command import Parser, add_quiet_options, run
from avcore.notes import print_text, shown
from avcore.progress import silent
from netflips.cascade import program
from netflips.cascade.glossary import read_glossary, terms_in, with_terms
from netflips.cascade.program import ProgramTranslator
from netflips.cascade.speakers import SpeakerProgram, Speaking
from netflips.provenance.manifest import read_key
from netflips.provenance.options import read_consent
from netflips.published import fetch
from netflips.published.catalogue import Licence, Model, ModelFile, Origin
from netflips.subtitles.given import read_subtitles

LIMIT_S = 3.0
"""In which whatever is asked must have answered."""
NEXT = b"\n--next--\n"
"""Between what a host answers to one request and to the next."""
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
FILE = b"0123456789" * 40
_DIGEST = sha256(FILE).hexdigest().encode()
HOST = NEXT.join([
    _HEAD + b'{"sha": "abc123"}',
    _HEAD + b'[{"path": "model.bin", "size": 400, "oid": "0", "lfs": {"oid": "' + _DIGEST + b'", "size": 400}}]',
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 400\r\nETag: \"1\"\r\n\r\n" + FILE,
])  # fmt: skip
_REQUEST = {"number": 1, "text": "Where is it?", "source": "en", "target": "ko", "context": [{"text": "x" * 100}]}
_SAID = {"text": "안녕", "language": "ko", "speaker": "", "seconds": "1", "speed": "1", "keep_sound": "no", "reference_text": ""}


def _serve(content: bytes) -> str:
    """Answer each request with the next part of a content, whatever is asked; returns the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    parts = content.split(NEXT)

    def answer() -> None:
        for number in range(100):
            asked, _ = listening.accept()
            asked.settimeout(LIMIT_S)
            try:
                asked.recv(1 << 16)
                asked.sendall(parts[min(number, len(parts) - 1)])
            except OSError:
                pass
            asked.close()

    Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def _translate(given: str) -> object:
    program._LIMIT_S = programs._START_S = LIMIT_S
    asked = ProgramTranslator(given)
    try:
        return asked.candidates([_REQUEST])
    finally:
        asked.close()


def _speak(path: Path) -> object:
    from avcore.media import read_speech

    Path("said").mkdir()
    copies = SpeakerProgram.of(f'sh -c \'cp "$0" "$1"\' {path} {{out}} {{text}}')
    return len(read_speech(Speaking(replace(copies, limit_s=LIMIT_S)).say(1, Path("said"), _SAID, None)))


def _get(path: Path) -> object:
    fetch.PAUSES_S, fetch._TIMEOUT_S, fetch._LONGEST_PAUSE_S = (0.0, 0.0, 0.0), LIMIT_S, 0.1
    files = (ModelFile("model.bin", (Origin(hub="a/b"),), most_bytes=1_500_000),)
    model = Model("m", "--recognizer", "a model", "en", Licence("", "", ""), files)
    fetcher = fetch.Fetcher({"hub": _serve(path.read_bytes())}, silent)
    Path("got").mkdir()
    return [fetcher.fetch(one, Path("got")) for one in fetcher.wanted(model, {})]


def _terms(path: Path) -> object:
    terms = read_glossary(path)
    return with_terms("Where is the airport?", "공항이 어디에 있어요?", terms_in("Where is the airport?", terms), None)


KINDS: Mapping[str, Callable[[Path], object]] = {
    "subtitles": lambda path: read_subtitles(path, "en", "ko").cues,
    "glossary": _terms,
    "consent": read_consent,
    "key": lambda path: read_key(path, path).algorithm,
    "program": lambda path: _translate(f"sh -c 'read -r asked; cat {path}'"),
    "address": lambda path: _translate(f"{_serve(path.read_bytes())}/translate"),
    "speaker": _speak,
    "host": _get,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(prog="asked")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("path", type=Path)
    add_quiet_options(parser)

    def work(options: argparse.Namespace) -> None:
        print_text(shown(repr(KINDS[options.kind](options.path)))[:2000])

    return run(parser, work, argv)


if __name__ == "__main__":
    sys.exit(main())
