"""Many visitors at once: every result is its own, and nothing that is sent ends the server."""

import json
import threading
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from itertools import takewhile
from pathlib import Path
from typing import Any

from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import CLIP, app_of

VISITORS, JOBS = 5, 4
BAD = {
    "cut.mp4": CLIP.read_bytes()[:5000],
    "list.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "page.html": b"<html><script>alert(1)</script>",
}


class Visitor:
    """A browser with cookies of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.ask("/about")

    def ask(self, path: str, content: bytes | None = None) -> tuple[int, bytes]:
        try:
            with self._opener.open(urllib.request.Request(self._address + path, data=content), timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def job(self, text: str) -> dict[str, Any]:
        status, found = self.ask("/jobs", json.dumps({"kind": "say", "values": {"text": text}}).encode())
        assert status == 201, found
        job: dict[str, Any] = json.loads(found)
        return job

    def result(self, job: dict[str, Any]) -> bytes:
        with self._opener.open(f"{self._address}/events", timeout=60) as stream:
            told = (json.loads(line.removeprefix(b"data: ")) for line in stream if line.startswith(b"data: "))
            own = (one for one in told if one["id"] == job["id"])
            shares = [one["share"] for one in takewhile(lambda one: one["state"] != "done", own)]
        assert shares == sorted(shares)
        return self.ask(f"/jobs/{job['id']}/files/result.wav")[1]


def test_every_visitor_gets_what_was_asked_for(tmp_path: Path) -> None:
    right: list[bool] = []

    def visit(number: int) -> None:
        visitor = Visitor(address)
        jobs = {f"{number}-{count}": visitor.job(f"{number}-{count}") for count in range(JOBS)}
        right.extend(visitor.result(job) == f"RIFF{text}".encode() for text, job in jobs.items())
        own = {job["title"] for job in json.loads(visitor.ask("/jobs")[1])["jobs"]}
        right.append(own == set(jobs))

    with served(app_of(tmp_path)) as address:
        visits = [threading.Thread(target=visit, args=(number,)) for number in range(VISITORS)]
        for one in visits:
            one.start()
        for one in visits:
            one.join()
        assert right == [True] * VISITORS * (JOBS + 1)
        visitor = Visitor(address)
        for name, content in BAD.items():
            status, said = visitor.ask(f"/uploads?name={name}&as=video", content)
            assert status == 415
            assert json.loads(said)["error"].startswith(f"{name}: ")
        assert visitor.result(visitor.job("after")) == b"RIFFafter"
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_stream_without_news_has_signs_of_life(tmp_path: Path) -> None:
    with served(app_of(tmp_path)) as address, urllib.request.urlopen(f"{address}/events", timeout=5) as stream:
        assert (stream.readline(), stream.headers["X-Accel-Buffering"]) == (b"event: alive\n", "no")
