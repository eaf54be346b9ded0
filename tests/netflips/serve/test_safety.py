"""What the page must not do, whoever asks and whatever is sent."""

import io
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from avcore.errors import UsageError
from netflips.serve.app import _type_of
from netflips.serve.command import ServeOptions, serve_settings
from netflips.serve.said import told
from netflips.serve.service import Service
from netflips.serve.settings import parse_seconds, parse_size
from netflips.serve.uploads import clean_name
from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import CLIP, LOCAL, app_of, over, say, until, upload


def test_files_of_the_machine_and_of_other_jobs_stay_where_they_are(client: TestClient, tmp_path: Path) -> None:
    job = until(client, say(client, "one"), over)
    (tmp_path / "page" / "jobs" / job["id"] / "report.html").symlink_to("/etc/passwd")
    for name in ("job.json", "log.txt", "text.txt", "report.html", "..%2Fjob.json", "%2e%2e/%2e%2e/x", "../../../etc/passwd", ""):
        assert client.get(f"/jobs/{job['id']}/files/{name}").status_code in (404, 405), name
    for address in (
        "/jobs/../../x",
        "/jobs/%2e%2e",
        f"/jobs/{'0' * 32}",
        "/../command.py",
        "/app.py",
        "/..%2Fapp.py",
        "/%00",
    ):
        assert client.get(address).status_code in (404, 405), address


def _picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"", "video", 415, "empty"),
        (b"not a video", "video", 415, "bad.mp4: "),
        (_picture(), "video", 415, "bad.mp4: this is a single picture; expected a video; found PNG"),
        (_picture(), "media", 415, "bad.mp4: this is a single picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "picture", 415, "no picture"),
        (bytes(5000), "sound", 415, "bad.mp4: "),
        (b"x", "program", 400, "a video, a sound, a picture or subtitles"),
    ],
)
def test_bad_uploads_are_one_line_and_leave_nothing(
    client: TestClient, tmp_path: Path, content: bytes, kind: str, status: int, said: str
) -> None:
    answer = client.post(f"/uploads?name=..%2F..%2Fbad.mp4&as={kind}", content=content)
    assert answer.status_code == status
    (line,) = answer.json()["error"].splitlines()
    assert said in line
    assert str(tmp_path) not in line
    assert list((tmp_path / "page" / "uploads").iterdir()) == []


def test_limits_of_size_length_and_disk(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path / "a", limit_bytes=1000), base_url=LOCAL) as client:
        assert client.post("/uploads?name=x.mp4&as=video", content=CLIP.read_bytes()).status_code == 413
        stream: Iterator[bytes] = iter([bytes(600)] * 3)  # its length is not announced
        answer = client.post("/uploads?name=x.mp4&as=video", content=stream)
        assert (answer.status_code, "too large" in answer.json()["error"]) == (413, True)
        assert list((tmp_path / "a" / "uploads").iterdir()) == []
    with TestClient(app_of(tmp_path / "b", longest_s=1.0), base_url=LOCAL) as client:
        answer = client.post("/uploads?name=x.mp4&as=video", content=CLIP.read_bytes())
        assert (answer.status_code, "too long" in answer.json()["error"]) == (413, True)
    with TestClient(app_of(tmp_path / "c", reserve_bytes=1 << 60), base_url=LOCAL) as client:
        assert client.post("/uploads?name=x.mp4&as=video", content=b"x").status_code == 507


def test_the_example_is_an_upload_like_others(client: TestClient) -> None:
    assert "video" in client.get("/about").json()["examples"]
    made = client.post("/example?as=video")
    assert (made.status_code, made.json()["name"], made.json()["has_sound"]) == (201, "example.mp4", True)
    assert client.post("/example?as=../../etc/passwd").status_code == 404


def test_an_example_is_dubbed_before_anything_is_asked(client: TestClient) -> None:
    about = client.get("/about").json()
    assert (len(about["sentences"]), about["sample"]["heard"]) == (20, "Excuse me, where is the airport?")
    assert about["mouths"] == ["auto", "mesh", "units"]  # no checkpoint of Wav2Lip was given
    piece = client.get("/sample/example.ko.mp4", headers={"Range": "bytes=4-7"})
    assert (piece.status_code, piece.content, piece.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    assert client.get("/sample/desk.py").status_code == 404


def test_a_job_with_a_wrong_kind_of_file(client: TestClient) -> None:
    sent = upload(client, kind="sound")
    answer = client.post("/jobs", json={"kind": "dub", "values": {"video": sent["id"]}})
    assert answer.json()["error"] == "video cannot be that; expected video; found sound"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
        ({}, 400),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1:7860"}, 400),
    ],
)
def test_other_sites_pages_change_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/jobs", content=b"no JSON", headers=headers).status_code == status


def test_a_token_opens_the_door(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path, host="0.0.0.0", token="a long secret"), base_url="http://dub.example") as client:
        assert client.get("/about").status_code == 401
        assert client.get("/").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/about", headers={"Authorization": "Bearer a long secret"}).status_code == 200
        opened = client.get("/?token=a%20long%20secret")
        assert opened.status_code == 200
        assert str(opened.url) == "http://dub.example/"
        assert client.get("/about").status_code == 200
        assert "a long secret" not in str(dict(client.cookies))


@pytest.mark.parametrize(
    "others",
    [
        'theme={"dark":true}',
        "x;",
        "prefs=a b c",
        "이름=값",
        "a=\xff",
        '"',
        'q="a',
        "=",
        "long=" + "x" * 40_000,
        "netflips-token=x; netflips-visitor=y",
    ],
)
def test_cookies_of_other_programs_hide_none_of_ours(tmp_path: Path, others: str) -> None:
    """Browsers send the cookies of a host to all its ports."""
    with served(app_of(tmp_path, token="a long secret")) as address:
        place = address.removeprefix("http://")
        answer = _get(place, "/?token=a+long+secret", b"")
        token, visitor = (line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie") or [])
        assert (token.partition("=")[0], visitor.partition("=")[0]) == (
            f"netflips-token-{place[-5:]}", f"netflips-visitor-{place[-5:]}",
        )  # fmt: skip
        for line in (f"{others}; {token}; {visitor}", f"{visitor}; {others}; {token}", f"{token};{visitor};{others}"):
            for encoding in ("utf-8", "latin-1"):
                answer = _get(place, "/jobs", line.encode(encoding, "ignore"))
                assert (answer.status, answer.headers["Set-Cookie"]) == (200, None)


def _get(place: str, path: str, cookies: bytes) -> HTTPResponse:
    connection = HTTPConnection(place)
    connection.request("GET", path, headers={"Cookie": cookies, "Connection": "close"})
    return connection.getresponse()


def test_two_servers_on_one_host_know_their_visitors(tmp_path: Path) -> None:
    with TestClient(app_of(tmp_path / "a", token="a long secret"), base_url="http://localhost:1111") as one:
        one.get("/?token=a long secret")
        with TestClient(
            app_of(tmp_path / "b", token="another secret"), base_url="http://localhost:2222", cookies=one.cookies
        ) as two:
            two.get("/?token=another secret")
            one.cookies.update(two.cookies)
            assert two.get("/about").status_code == one.get("/about").status_code == 200


def test_answers_say_what_a_browser_may_do(client: TestClient) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "http://" not in page.text  # nothing of another server
    assert "https://" not in page.text


def test_an_unknown_body_is_one_line(client: TestClient) -> None:
    say_speed = b'{"kind": "say", "values": {"text": "x", "speed": %s}}'
    numbers = [say_speed % one for one in (b"1" + b"0" * 400, b"1e400", b"NaN", b"-Infinity")]
    letters = [b'{"kind": "say", "values": {"text": "%s"}}' % one for one in (rb"\ud800", rb"\u0000", b"\xed\xa0\x80", b"\xff")]
    deep = b'{"a":' * 2000 + b"1" + b"}" * 2000
    for body in (b"", b"[]", b"{", b"[" * 100_000, deep, b'"' + b"x" * (5 << 20) + b'"', *numbers, *letters):
        answer = client.post("/jobs", content=body)
        assert answer.status_code in (400, 413)
        assert answer.json()["error"].startswith("the form is")


def test_whatever_goes_wrong_is_one_line(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise RuntimeError("of a kind that nobody thought of")

    monkeypatch.setattr(Service, "about", wrong)
    answer = client.get("/about")
    assert (answer.status_code, answer.json()) == (500, told("the server could not do it"))


def test_errors_are_told_in_korean_too_and_without_flags() -> None:
    both = told("talk.mp4: it has no sound track; expected sound; use --modalities video with --voice voice.wav")
    assert both == {"error": "talk.mp4: it has no sound track; expected sound", "error_ko": "talk.mp4: 소리가 없는 파일입니다."}
    both = told("talk.mp4: there is no usable speech to take the voice from; expected voices; give --voice x.wav")
    assert both["error"].endswith("to take the voice from; expected voices; choose a recording as the Voice")
    assert both["error_ko"].endswith("목소리에 다른 녹음을 고르세요.")
    assert told("odd: of a kind that nobody knows")["error_ko"] == "odd: 서버가 처리하지 못했습니다 (of a kind that nobody knows)."


def test_a_given_file_is_what_it_was_taken_in_as(client: TestClient) -> None:
    sent = upload(client, name="talk.html")
    job = until(client, client.post("/jobs", json={"kind": "dub", "values": {"video": sent["id"]}}).json(), over)
    given = client.get(f"/jobs/{job['id']}/files/source.mp4")
    assert given.headers["content-type"] == "video/mp4"
    assert 'filename="talk.html.mp4"' in given.headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mkv", "video/x-matroska"), ("a.jpg", "image/jpeg"), ("a.srt", "text/plain; charset=utf-8")]
    + [(name, "application/octet-stream") for name in ("a.html", "a.svg", "a")],
)
def test_a_browser_is_shown_nothing_that_acts(name: str, kind: str) -> None:
    assert _type_of(name) == kind


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\y.mp4", "y.mp4"),
        ("a\x1b[31m.mp4", "a\\x1b[31m.mp4"),
        ("..", "upload"),
        ("", "upload"),
    ],
)
def test_names_of_visitors_are_no_paths(name: str, shown: str) -> None:
    assert clean_name(name) == shown


def test_sizes_and_times() -> None:
    assert (parse_size("500M", "--limit"), parse_size("1.5g", "--limit")) == (500 << 20, 3 << 29)
    assert (parse_seconds("1d", "--keep"), parse_seconds("90", "--keep")) == (86_400, 90)
    for text in ("", "-1", "0", "5 apples", "1e9"):
        with pytest.raises(UsageError):
            parse_size(text, "--limit")
        with pytest.raises(UsageError):
            parse_seconds(text, "--keep")


def test_another_host_gets_a_token() -> None:
    assert serve_settings(ServeOptions()).token == ""
    assert len(serve_settings(ServeOptions(host="0.0.0.0")).token) >= 16
    assert serve_settings(ServeOptions(host="0.0.0.0", token="mine is long")).token == "mine is long"
    with pytest.raises(UsageError, match="too short"):
        serve_settings(ServeOptions(token="abc"))
