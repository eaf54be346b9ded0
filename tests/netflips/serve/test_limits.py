"""What the page must not do and how much it takes, whoever asks, however many, and whatever is sent."""

import asyncio
import errno
import io
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from avcore.errors import MediaError, Message, NetflipsError, OutputError, UsageError, error_from
from netflips.loaded import load
from netflips.serve.app import _type_of
from netflips.serve.command import ServeOptions, serve_settings
from netflips.serve.jobs import JobFolders
from netflips.serve.limits import TOO_FULL, Paced, RefusedError, bilingual
from netflips.serve.service import Service
from netflips.serve.settings import Settings, parse_seconds, parse_size
from netflips.serve.uploads import clean_name
from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import CLIP, LOCAL, app_of, over, say, until, upload
from tests.refusal import refused

WAIT_S = 20.0


@contextmanager
def _connected(address: str) -> Iterator[socket.socket]:
    """A bare connection."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as made:
        yield made


def _head(target: str, *lines: str) -> bytes:
    return "\r\n".join((f"{target} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


def _status(made: socket.socket, sent: bytes = b"") -> int:
    """Of the answer; 0 = the connection was closed without one."""
    try:
        made.sendall(sent)
        came = made.recv(4096)
    except ConnectionError:
        return 0
    return int(came.split()[1]) if came else 0


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("blocks", "every_s", "said"), [([b"x"], 1.0, "stood still"), ([b"x"] * 50, 0.02, "too slowly"), ([bytes(5000)] * 9, 0.01, "")]
)
def test_a_body_comes_in_time(blocks: list[bytes], every_s: float, said: str) -> None:
    settings = Settings(Path(), idle_s=0.3, rate_s=0.05, rate_bytes=1000)
    parts = iter(blocks)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(every_s)
        block = next(parts, None)
        return {"body": block or b"", "more_body": block is not None}

    async def whole() -> None:
        body = Paced(receive, settings)
        while (await body())["more_body"]:
            pass

    if said:
        refused(RefusedError, said, asyncio.run, whole())
    else:
        asyncio.run(whole())


def test_uploads_that_stand_still_lock_nobody_out(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_uploads=2, idle_s=0.5)
    still = _head("POST /api/v1/uploads?name=x.mp4&as=video", "Content-Length: 999999") + b"abc"
    with served(app) as address, _connected(address) as one, _connected(address) as two, _connected(address) as three:
        one.sendall(still)
        two.sendall(still)
        _until(lambda: app.state.desk.uploads._coming.total() == 2)
        assert _status(three, still) == 429
        assert (_status(one), _status(two)) == (408, 408)
        with _connected(address) as other:
            content = CLIP.read_bytes()
            sent = _head("POST /api/v1/uploads?name=x.mp4&as=video", f"Content-Length: {len(content)}") + content
            assert _status(other, sent) == 201
    assert len(list((tmp_path / "uploads").iterdir())) == 1


def test_uploads_of_one_visitor_leave_room_for_others(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_uploads=9, most_uploads_each=1, idle_s=5.0)

    def sent(content: bytes, length: int, cookie: str = "") -> bytes:
        cookies = [f"Cookie: netflips-visitor={cookie}"] if cookie else []
        return _head("POST /api/v1/uploads?name=x.mp4&as=video", f"Content-Length: {length}", *cookies) + content

    one, other = (letter * 32 for letter in "ab")
    still, whole = CLIP.read_bytes()[:100], CLIP.read_bytes()
    with served(app) as address, _connected(address) as dripping, _connected(address) as nameless:
        dripping.sendall(sent(still, 99999, one))
        nameless.sendall(sent(still, 99999))
        _until(lambda: app.state.desk.uploads._coming.total() == 2)
        for cookie, status in ((one, 429), ("", 429), (other, 201)):
            with _connected(address) as asking:
                assert _status(asking, sent(whole, len(whole), cookie)) == status


def test_more_connections_than_there_is_room_for_are_told(tmp_path: Path) -> None:
    with served(app_of(tmp_path, most_connections=3)) as address:
        with _connected(address), _connected(address), _connected(address) as third:
            assert _status(third, _head("GET /api/v1/about")) == 503
        with _connected(address) as one:
            assert _status(one, b"no HTTP\r\n\r\n") == 400
        with _connected(address) as one:
            assert _status(one, _head("GET /api/v1/about")) == 200


@dataclass
class Usage:
    free: int


def test_the_disk_is_looked_at_while_bytes_come_and_jobs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    megabyte = 1 << 20
    free = Usage(10 * megabyte)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with TestClient(app_of(tmp_path, reserve_bytes=8 * megabyte, watch_s=0.05), base_url=LOCAL) as client:
        assert client.post("/api/v1/uploads?name=x.mp4&as=video", content=bytes(3 * megabyte)).status_code == 507  # announced
        job = until(client, say(client, "slow"), lambda job: job["state"] == "running")
        free.free = 5 * megabyte
        answer = client.post("/api/v1/uploads?name=x.mp4&as=video", content=iter([b"x"]))
        assert (answer.status_code, answer.json()["error"]) == (507, str(TOO_FULL))
        assert list((tmp_path / "uploads").iterdir()) == []
        assert client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "running"  # jobs may take half of the reserve
        free.free = 3 * megabyte
        ended = until(client, job, over)
        assert (ended["state"], ended["error"]) == ("failed", str(TOO_FULL))
        say(client, "two", status=507)
        free.free = 10 * megabyte
        assert until(client, say(client, "three"), over)["state"] == "done"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OutputError("it cannot be written")])
def test_a_full_disk_is_one_line(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: object) -> None:
        raise error

    sent, job = upload(client), until(client, say(client, "one"), over)
    for name in ("keep", "take_in"):
        with monkeypatch.context() as patch:
            patch.setattr(JobFolders, name, full)
            answer = client.post("/api/v1/jobs", json={"kind": "dub", "values": {"video": sent["id"]}})
            assert (answer.status_code, answer.json()["error"]) == (507, str(TOO_FULL))
            assert client.post(f"/api/v1/jobs/{job['id']}/again").status_code == (507 if name == "keep" else 200)
        assert until(client, job, over)["state"] == "done"  # its result is still shown
    assert [one.name for one in (tmp_path / "page" / "jobs").iterdir()] == [job["id"]]


def test_remove_takes_the_upload_along_when_nothing_else_has_it(client: TestClient, tmp_path: Path) -> None:
    sent = upload(client)
    form = {"kind": "dub", "values": {"video": sent["id"]}}
    jobs = [until(client, client.post("/api/v1/jobs", json=form).json(), over) for _ in range(2)]
    uploads = tmp_path / "page" / "uploads"
    assert client.delete(f"/api/v1/jobs/{jobs[0]['id']}").status_code == 204
    assert [one.name for one in uploads.iterdir()] == [sent["id"]]
    assert client.delete(f"/api/v1/jobs/{jobs[1]['id']}").status_code == 204
    assert list(uploads.iterdir()) == []
    assert client.post("/api/v1/jobs", json=form).status_code == 404


def test_every_visitor_gets_what_was_asked_for(tmp_path: Path) -> None:
    right: list[bool] = []

    def visit(number: int) -> None:
        with httpx2.Client(base_url=address, timeout=60) as client:
            client.get("/")  # gives the visitor's cookie
            jobs = {text: say(client, text) for text in (f"{number}-{count}" for count in range(4))}
            for text, job in jobs.items():
                with client.stream("GET", "/api/v1/events") as stream:
                    news = (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: "))
                    own = (one for one in news if one["id"] == job["id"])
                    shares = [one["share"] for one in takewhile(lambda one: one["state"] != "done", own)]
                sound = client.get(f"/api/v1/jobs/{job['id']}/files/result.wav").content
                right.append((shares, sound) == (sorted(shares), f"RIFF{text}".encode()))
            right.append({job["title"] for job in client.get("/api/v1/jobs").json()["jobs"]} == set(jobs))

    with served(app_of(tmp_path)) as address:
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(visit, range(5)))
        assert right == [True] * 25


def test_a_stream_without_news_has_signs_of_life(tmp_path: Path) -> None:
    with served(app_of(tmp_path)) as address, urllib.request.urlopen(f"{address}/api/v1/events", timeout=5) as stream:
        assert (stream.readline(), stream.headers["X-Accel-Buffering"]) == (b"event: alive\n", "no")


def test_files_of_the_machine_and_of_other_jobs_stay_where_they_are(client: TestClient, tmp_path: Path) -> None:
    job = until(client, say(client, "one"), over)
    (tmp_path / "page" / "jobs" / job["id"] / "report.html").symlink_to("/etc/passwd")
    for name in ("job.json", "log.txt", "text.txt", "report.html", "..%2Fjob.json", "%2e%2e/%2e%2e/x", "../../../etc/passwd", ""):
        assert client.get(f"/api/v1/jobs/{job['id']}/files/{name}").status_code in (404, 405), name
    for address in (
        "/api/v1/jobs/../../x",
        "/api/v1/jobs/%2e%2e",
        f"/api/v1/jobs/{'0' * 32}",
        "/../command.py",
        "/app.py",
        "/..%2Fapp.py",
        "/%00",
    ):
        assert client.get(address).status_code in (404, 405), address


def _frame() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"", "video", 415, "empty"),
        (b"not a video", "video", 415, "bad.mp4: "),
        (CLIP.read_bytes()[:5000], "video", 415, "bad.mp4: "),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "video", 415, "bad.mp4: "),
        (b"<html><script>alert(1)</script>", "video", 415, "bad.mp4: "),
        (_frame(), "video", 415, "bad.mp4: this is a still image; expected a video; found PNG"),
        (_frame(), "media", 415, "bad.mp4: this is a still image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "image", 415, "no image"),
        (bytes(5000), "sound", 415, "bad.mp4: "),
        (b"x", "program", 400, "a video, a sound, an image or subtitles"),
    ],
)
def test_bad_uploads_leave_nothing(client: TestClient, tmp_path: Path, content: bytes, kind: str, status: int, said: str) -> None:
    answer = client.post(f"/api/v1/uploads?name=..%2F..%2Fbad.mp4&as={kind}", content=content)
    assert answer.status_code == status
    (line,) = answer.json()["error"].splitlines()
    assert said in line
    assert str(tmp_path) not in line
    assert list((tmp_path / "page" / "uploads").iterdir()) == []


def test_limits_of_size_length_and_disk(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path / "a", limit_bytes=1000), base_url=LOCAL) as client:
        assert client.post("/api/v1/uploads?name=x.mp4&as=video", content=CLIP.read_bytes()).status_code == 413
        stream: Iterator[bytes] = iter([bytes(600)] * 3)  # its length is not announced
        answer = client.post("/api/v1/uploads?name=x.mp4&as=video", content=stream)
        assert (answer.status_code, "too large" in answer.json()["error"]) == (413, True)
        assert list((tmp_path / "a" / "uploads").iterdir()) == []
    with TestClient(app_of(tmp_path / "b", longest_s=1.0), base_url=LOCAL) as client:
        answer = client.post("/api/v1/uploads?name=x.mp4&as=video", content=CLIP.read_bytes())
        assert (answer.status_code, "too long" in answer.json()["error"]) == (413, True)
    with TestClient(app_of(tmp_path / "c", reserve_bytes=1 << 60), base_url=LOCAL) as client:
        assert client.post("/api/v1/uploads?name=x.mp4&as=video", content=b"x").status_code == 507


def test_the_example_is_an_upload_like_others_dubbed_without_asking(client: TestClient) -> None:
    about = client.get("/api/v1/about").json()
    assert "video" in about["examples"]
    made = client.post("/api/v1/example?as=video")
    assert (made.status_code, made.json()["name"], made.json()["has_sound"]) == (201, "example.mp4", True)
    assert client.post("/api/v1/example?as=../../etc/passwd").status_code == 404
    assert (len(about["sentences"]), about["sample"]["recognized"]) == (20, "Excuse me, where is the airport?")
    assert about["mouths"] == ["auto", "mesh", "units"]  # no checkpoint of Wav2Lip was given
    assert about["voices"] == list(load().voices) != []
    piece = client.get("/sample/example.ko.mp4", headers={"Range": "bytes=4-7"})
    assert (piece.status_code, piece.content, piece.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    assert client.get("/sample/desk.py").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
        ({}, 400),
        *(({"Host": host}, 421) for host in ("evil.example", "[::1].evil.example", "[::1", "me@localhost", "[::1]x")),
        *(({"Host": host}, 400) for host in ("127.0.0.1:7860", "[::1]:7860", "[::1]")),
    ],
)
def test_other_sites_pages_change_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/api/v1/jobs", content=b"no JSON", headers=headers).status_code == status


def test_a_token_opens_the_door(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path, host="0.0.0.0", token="a long secret"), base_url="http://dub.example") as client:
        assert (client.get("/api/v1/about").status_code, client.get("/").status_code) == (401, 401)
        assert "is wrong" not in client.get("/").text
        assert "is wrong" in client.get("/?token=wrong").text
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/style.css").status_code == 200  # of the page that asks for it
        assert client.get("/app.js").status_code == 401
        assert client.get("/api/v1/about", headers={"Authorization": "Bearer a long secret"}).status_code == 200
        opened = client.get("/?token=a%20long%20secret")
        assert (opened.status_code, str(opened.url)) == (200, "http://dub.example/")
        assert client.get("/api/v1/about").status_code == 200
        assert "a long secret" not in str(dict(client.cookies))


@pytest.mark.parametrize(
    "others",
    [
        'theme={"dark":true}', "x;", "prefs=a b c", "이름=값", "a=\xff", '"', 'q="a', "=", "long=" + "x" * 40_000,
        "netflips-token=x; netflips-visitor=y",
    ],
)  # fmt: skip
def test_cookies_of_other_programs_hide_none_of_ours(tmp_path: Path, others: str) -> None:
    """Browsers send the cookies of a host to all its ports."""
    with served(app_of(tmp_path, token="a long secret")) as address:
        place = address.removeprefix("http://")
        answer = _get(place, "/?token=a+long+secret", b"")
        token, visitor = (line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie") or [])
        names = f"netflips-token-{place[-5:]}", f"netflips-visitor-{place[-5:]}"
        assert (token.partition("=")[0], visitor.partition("=")[0]) == names
        for line in (f"{others}; {token}; {visitor}", f"{visitor}; {others}; {token}", f"{token};{visitor};{others}"):
            for encoding in ("utf-8", "latin-1"):
                answer = _get(place, "/api/v1/jobs", line.encode(encoding, "ignore"))
                assert (answer.status, answer.headers["Set-Cookie"]) == (200, None)


def _get(place: str, path: str, cookies: bytes) -> HTTPResponse:
    connection = HTTPConnection(place)
    connection.request("GET", path, headers={"Cookie": cookies, "Connection": "close"})
    return connection.getresponse()


def test_answers_say_what_a_browser_may_do_and_errors_are_one_line(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "http://" not in page.text  # nothing of another server
    assert "https://" not in page.text

    def wrong(*_: object) -> None:
        raise RuntimeError("of a kind that nobody thought of")

    monkeypatch.setattr(Service, "about", wrong)
    answer = client.get("/api/v1/about")
    assert (answer.status_code, answer.json()) == (500, bilingual(NetflipsError("the server could not do it")))


def test_an_unknown_body_is_one_line(client: TestClient) -> None:
    say_speed = b'{"kind": "say", "values": {"text": "x", "speed": %s}}'
    numbers = [say_speed % one for one in (b"1" + b"0" * 400, b"1e400", b"NaN", b"-Infinity")]
    letters = [b'{"kind": "say", "values": {"text": "%s"}}' % one for one in (rb"\ud800", rb"\u0000", b"\xed\xa0\x80", b"\xff")]
    deep = b'{"a":' * 2000 + b"1" + b"}" * 2000
    for body in (b"", b"[]", b"{", b"[" * 100_000, deep, b'"' + b"x" * (5 << 20) + b'"', *numbers, *letters):
        answer = client.post("/api/v1/jobs", content=body)
        assert answer.status_code in (400, 413)
        assert answer.json()["error"].startswith("the form is")


def test_errors_are_told_in_korean_too_and_without_flags() -> None:
    mute = MediaError(
        "it has no sound track", path="talk.mp4", expected="sound", hint="use --modalities video with --voice voice.wav"
    )
    assert bilingual(mute) == {
        "error": "talk.mp4: it has no sound track; expected sound",
        "error_ko": "talk.mp4: 소리가 없는 파일입니다.",
    }
    faceless = NetflipsError("no face was found in the portrait", path="wall.png", hint="give an image of a face from the front")
    assert bilingual(faceless)["error_ko"] == "wall.png: 얼굴을 찾지 못했습니다. 앞을 보는 얼굴 사진을 지정하세요."
    what = "this option needs frames, and a sound file has none"
    sound = bilingual(UsageError(what, found="--burn-label", hint="leave it out"))
    assert sound["error"] == "this option needs frames, and a sound file has none; leave it out"
    assert sound["error_ko"] == "이 설정에는 화면이 필요한데 소리 파일에는 없습니다. 이 설정을 빼세요."
    what = "there is no usable speech to take the voice from"
    both = bilingual(NetflipsError(what, path="talk.mp4", expected="voices", hint="give --voice x.wav"))
    assert both["error"].endswith("to take the voice from; expected voices; choose a recording as the Voice")
    assert both["error_ko"].endswith("목소리에 다른 녹음을 고르세요.")
    speed = UsageError(Message("{name} cannot be used", name="speed"), expected="0.5 to 2", found=9)
    assert bilingual(speed)["error_ko"] == "speed: 쓸 수 없는 값입니다."
    assert bilingual(error_from(speed.as_json())) == bilingual(speed)
    odd = NetflipsError("of a kind that nobody knows", path="odd")
    assert bilingual(odd)["error_ko"] == "odd: 서버가 처리하지 못했습니다 (of a kind that nobody knows)."


def test_a_given_file_is_what_it_was_taken_in_as(client: TestClient) -> None:
    sent = upload(client, name="talk.html")
    job = until(client, client.post("/api/v1/jobs", json={"kind": "dub", "values": {"video": sent["id"]}}).json(), over)
    given = client.get(f"/api/v1/jobs/{job['id']}/files/source.mp4")
    assert given.headers["content-type"] == "video/mp4"
    assert 'filename="talk.html.mp4"' in given.headers["content-disposition"]


def test_a_browser_is_shown_nothing_that_acts() -> None:
    kinds = {"a.mkv": "video/x-matroska", "a.jpg": "image/jpeg", "a.srt": "text/plain; charset=utf-8"}
    kinds |= dict.fromkeys(("a.html", "a.svg", "a"), "application/octet-stream")
    assert {name: _type_of(name) for name in kinds} == kinds


def test_names_of_visitors_are_no_paths() -> None:
    shown = {"../../etc/passwd": "passwd", "C:\\x\\y.mp4": "y.mp4", "a\x1b[31m.mp4": "a\\x1b[31m.mp4", "..": "upload", "": "upload"}
    assert {name: clean_name(name) for name in shown} == shown


def test_sizes_and_times() -> None:
    assert (parse_size("500M", "--limit"), parse_size("1.5g", "--limit")) == (500 << 20, 3 << 29)
    assert (parse_seconds("1d", "--keep"), parse_seconds("90", "--keep")) == (86_400, 90)
    for text in ("", "-1", "0", "5 apples", "1e9"):
        refused(UsageError, "", parse_size, text, "--limit")
        refused(UsageError, "", parse_seconds, text, "--keep")


def test_another_host_gets_a_token() -> None:
    assert serve_settings(ServeOptions()).token == ""
    assert len(serve_settings(ServeOptions(host="0.0.0.0")).token) >= 16
    assert serve_settings(ServeOptions(host="0.0.0.0", token="mine is long")).token == "mine is long"
    refused(UsageError, "is no secret", serve_settings, ServeOptions(token="abc"))
