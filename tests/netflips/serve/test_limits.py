"""Limits of the page: what one visitor may hold, how long a connection may wait, and how much of the disk is used."""

import asyncio
import errno
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from avcore.errors import OutputError
from netflips.serve import connections
from netflips.serve.jobs import JobFolders
from netflips.serve.limits import TOO_FULL, Limit, Paced, Party, RefusedError, address_of
from netflips.serve.settings import Settings
from tests.netflips.serve.browser import served
from tests.netflips.serve.conftest import CLIP, LOCAL, app_of, dubbed, over, say, until, upload

WAIT_S = 20.0
SHORT = {"head_s": 0.1, "idle_s": 0.1}


@contextmanager
def _connected(address: str, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A bare connection; every machine has all of 127.0.0.0/8."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S, source_address=(source, 0)) as made:
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


def _is_closed(made: socket.socket, sent: bytes) -> bool:
    """Whether the connection ends, whatever comes before."""
    try:
        made.sendall(sent)
        while made.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_an_address_holds_no_more_than_what_is_free() -> None:
    limit, held = Limit(most=10, most_each=4), Counter[Party]()
    for address, visitor, most in (("a", "1", 4), ("a", "2", 1), ("b", "", 3), ("c", "", 1), ("c", "1", 0)):
        party = Party(address, visitor)
        while limit.admits(held, party):
            held[party] += 1
        assert held[party] == most
    assert not limit.is_kept(held + Counter({Party("d", ""): 2}), Party("c", ""))  # too much for all
    assert limit.is_kept(held, Party("a", "1"))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_whose_address_it_is(host: str, address: str) -> None:
    assert address_of({"client": (host, 1)}) == address


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
        with pytest.raises(RefusedError, match=said):
            asyncio.run(whole())
    else:
        asyncio.run(whole())


def test_connections_that_bring_no_request_are_closed(tmp_path: Path) -> None:
    with served(app_of(tmp_path, token="a long secret", host="0.0.0.0", **SHORT)) as address:
        for part in (b"", b"GET / HT", _head("GET /")[:-2], _head("POST /uploads", "Content-Length: 9")[:-4]):
            with _connected(address) as half:
                assert _status(half, part) == 0
        for whole, more in ((_head("GET /about"), b"GET /a"), (_head("POST /uploads", "Content-Length: 99"), b"x")):
            with _connected(address) as made:  # a second head, or a body that nobody reads any more
                assert _status(made, whole) == 401
                assert _is_closed(made, more)


def test_uploads_that_stand_still_lock_nobody_out(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_uploads=4, most_uploads_each=2, **SHORT | {"idle_s": 0.5})
    still = _head("POST /uploads?name=x.mp4&as=video", "Content-Length: 999999") + b"abc"
    with served(app) as address, _connected(address) as one, _connected(address) as two, _connected(address) as three:
        one.sendall(still)
        two.sendall(still)
        _until(lambda: sum(app.state.desk.uploads._coming.values()) == 2)
        assert _status(three, still) == 429
        with _connected(address, "127.0.0.2") as other:
            content = CLIP.read_bytes()
            sent = _head("POST /uploads?name=x.mp4&as=video", f"Content-Length: {len(content)}") + content
            assert _status(other, sent) == 201
        assert (_status(one), _status(two)) == (408, 408)
    assert len(list((tmp_path / "uploads").iterdir())) == 1


def test_half_open_connections_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few files may be open, as many connections are kept as there is room for, and who asks is answered."""
    files = len(os.listdir("/proc/self/fd")) + connections._FILES_OF_WORK + 30
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    with served(app_of(tmp_path)) as address:
        half = [socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) for _ in range(60)]
        with _connected(address) as one:
            assert _status(one, _head("GET /about")) == 200
        closed = 0
        for made in half:
            made.settimeout(0.01)
            try:
                closed += made.recv(1) == b""
            except ConnectionError:
                closed += 1
            except TimeoutError:
                pass
            made.close()
        assert closed >= 40


def test_streams_of_news_are_counted(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_streams=4, most_streams_each=1)
    with served(app) as address:
        with _connected(address) as one, _connected(address) as two, _connected(address, "127.0.0.2") as other:
            assert [_status(made, _head("GET /events")) for made in (one, two, other)] == [200, 429, 200]
        _until(lambda: not sum(app.state.streams.values()))
        with _connected(address) as again:
            assert _status(again, _head("GET /events")) == 200


def test_dropping_the_cookie_lifts_no_limit(tmp_path: Path) -> None:
    app = app_of(tmp_path, most_waiting=20, most_waiting_each=3)
    with TestClient(app, base_url=LOCAL, client=("10.0.0.1", 1)) as one:
        visitor = TestClient(app, base_url=LOCAL, client=("10.0.0.1", 1))
        visitor.get("/")
        until(one, say(one, "slow"), lambda job: job["state"] == "running")
        answers = []
        for _ in range(6):
            one.cookies.clear()
            answers.append(one.post("/jobs", json={"kind": "say", "values": {"text": "a"}}).status_code)
        assert answers == [201] * 3 + [429] * 3
        assert say(visitor, "b")["place"] == 1


@pytest.mark.parametrize(("proxies", "wanted"), [((), [200, 429, 429]), (("127.0.0.0/8",), [200, 429, 200])])
def test_a_proxy_is_believed_when_it_is_named(tmp_path: Path, proxies: tuple[str, ...], wanted: list[int]) -> None:
    app = app_of(tmp_path, proxies=proxies, most_streams_each=1, token="a long secret")
    with served(app) as address, ExitStack() as open_ones:
        found = []
        for visitor in ("10.0.0.1", "10.0.0.9, 10.0.0.1", "10.0.0.2"):
            made = open_ones.enter_context(_connected(address))
            found.append(_status(made, _head("GET /events", f"X-Forwarded-For: {visitor}", "Authorization: Bearer a long secret")))
    assert found == wanted


def test_a_quota_is_looked_at_while_bytes_come(tmp_path: Path) -> None:
    megabyte = 1 << 20
    app = app_of(tmp_path, quota_bytes=20 * megabyte, quota_each_bytes=4 * megabyte, watch_s=0.05)
    with TestClient(app, base_url=LOCAL, client=("10.0.0.1", 1)) as client:
        client.get("/")
        answer = client.post("/uploads?name=x.mp4&as=video", content=bytes(5 * megabyte))
        assert (answer.status_code, "too much for the server's disk" in answer.json()["error"]) == (507, True)
        answer = client.post("/uploads?name=x.mp4&as=video", content=iter([bytes(megabyte)] * 6))  # not announced
        assert answer.status_code == 507
        assert list((tmp_path / "uploads").iterdir()) == []
        sent = upload(client)
        job = until(client, say(client, "slow"), lambda job: job["state"] == "running")
        (tmp_path / "jobs" / job["id"] / "result.bin").write_bytes(os.urandom(4 * megabyte))  # as if it made so much
        ended = until(client, job, over)
        assert (ended["state"], "server's disk" in ended["error"]) == ("failed", True)
        other = TestClient(app, base_url=LOCAL, client=("10.0.0.2", 1))
        other.portal = client.portal  # one event loop, as in a server: another one's news need not wake the queue
        assert until(other, say(other, "one"), over)["state"] == "done"
        say(client, "two", status=507)
        client.delete(f"/jobs/{job['id']}")
        assert dubbed(client, {"video": sent["id"]})["state"] == "done"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OutputError("it cannot be written")])
def test_a_full_disk_is_one_line(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*_: object) -> None:
        raise error

    sent, job = upload(client), until(client, say(client, "one"), over)
    for name in ("keep", "take_in"):
        with monkeypatch.context() as patch:
            patch.setattr(JobFolders, name, full)
            answer = client.post("/jobs", json={"kind": "dub", "values": {"video": sent["id"]}})
            assert (answer.status_code, answer.json()["error"]) == (507, TOO_FULL)
            assert client.post(f"/jobs/{job['id']}/again").status_code == (507 if name == "keep" else 200)
        assert until(client, job, over)["state"] == "done"  # its result is still shown
    assert [one.name for one in (tmp_path / "page" / "jobs").iterdir()] == [job["id"]]


def test_remove_takes_the_upload_along_when_nothing_else_has_it(client: TestClient, tmp_path: Path) -> None:
    sent = upload(client)
    form = {"kind": "dub", "values": {"video": sent["id"]}}
    jobs = [until(client, client.post("/jobs", json=form).json(), over) for _ in range(2)]
    uploads = tmp_path / "page" / "uploads"
    assert client.delete(f"/jobs/{jobs[0]['id']}").status_code == 204
    assert [one.name for one in uploads.iterdir()] == [sent["id"]]
    assert client.delete(f"/jobs/{jobs[1]['id']}").status_code == 204
    assert list(uploads.iterdir()) == []
    assert client.post("/jobs", json=form).status_code == 404
