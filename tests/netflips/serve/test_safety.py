"""What the page must not do, whoever asks and whatever is sent."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from avcore.errors import InputError, UsageError
from netflips.serve.command import build_parser, settings_of
from netflips.serve.settings import parse_seconds, parse_size
from netflips.serve.uploads import clean_name
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
        "/page/../command.py",
        "/page/app.py",
        "/page/..%2Fapp.py",
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
        (b"x", "program", 400, "a video, a sound or a picture"),
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


def test_answers_say_what_a_browser_may_do(client: TestClient) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "http://" not in page.text  # nothing of another server
    assert "https://" not in page.text


def test_an_unknown_body_is_one_line(client: TestClient) -> None:
    for body in (b"", b"[]", b"{", b"[" * 100_000, b'"' + b"x" * (5 << 20) + b'"'):
        answer = client.post("/jobs", content=body)
        assert answer.status_code in (400, 413)
        assert answer.json()["error"].startswith("the form is")


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
    parse = build_parser().parse_args
    assert settings_of(parse([])).token == ""
    assert len(settings_of(parse(["--host", "0.0.0.0"])).token) >= 16
    assert settings_of(parse(["--host", "0.0.0.0", "--token", "mine is long"])).token == "mine is long"
    with pytest.raises(UsageError, match="too short"):
        settings_of(parse(["--token", "abc"]))
    with pytest.raises(InputError, match="the unit encoder is not there"):
        settings_of(parse(["--av2unit-path", "none.pt"]))
