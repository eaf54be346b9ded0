"""Hosts that behave like the Hugging Face Hub, its storage and Google Drive, each with faults that can be switched on."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

COMMIT = "5" * 40
_LARGE = 4096
"""Files of so many bytes or more lie on the storage host, as large ones do."""
_WARNING = (
    '<html><head><title>Virus scan warning</title></head><body><form id="download-form" action="{action}" method="get">'
    '<input type="hidden" name="id" value="{id}"><input type="hidden" name="confirm" value="t">'
    '<input type="hidden" name="uuid" value="7"></form></body></html>'
)
QUOTA = "Too many users have viewed or downloaded this file recently"
_QUOTA = (
    f'<html><title>Quota exceeded</title><p class="uc-error-caption">Sorry.</p><p class="uc-error-subcaption">{QUOTA}.</p></html>'
)


class Hosts:
    """files: content by repository and name, or by id of Drive. faults: what goes wrong, see `_Handler`. asked: requests."""

    def __init__(self) -> None:
        self.files = dict[tuple[str, str], bytes]()
        self.faults = dict[str, object]()
        self.asked = list[str]()
        self.sent, self.is_over = 0, False
        self.hub = self.storage = ""

    def add(self, repository: str, folder: Path) -> None:
        self.files |= {(repository, path.name): path.read_bytes() for path in folder.iterdir()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hosts: Hosts

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        hosts, url = self.hosts, urlsplit(self.path)
        hosts.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
        if status := self._status():
            return self._answer(int(status), b"no", {"Retry-After": "0"})
        if url.path.startswith("/api/models/"):
            return self._listing(url.path.removeprefix("/api/models/"))
        if url.path == "/download":
            return self._drive(parse_qs(url.query))
        if "/resolve/" in url.path:
            repository, rest = url.path[1:].split("/resolve/")
            return self._resolve(repository, rest.partition("/")[2])
        place, name = url.path[1:].rsplit("/", 1)
        return self._file(hosts.files.get((place, name)))

    def _status(self) -> object:
        """`status`: of every answer; `once`: of the first."""
        return self.hosts.faults.get("status") or self.hosts.faults.pop("once", None)

    def _listing(self, rest: str) -> None:
        repository, _, commit = rest.replace("/tree/", "|").replace("/revision/", "|").partition("|")
        files = {name: content for (place, name), content in self.hosts.files.items() if place == repository}
        if "/revision/" in rest:
            return self._answer(200, json.dumps({"sha": COMMIT}).encode())
        if "list" in self.hosts.faults:
            return self._answer(200, str(self.hosts.faults["list"]).encode())
        if commit != COMMIT:
            return self._answer(404, b"{}")
        rows = [{"type": "file", "path": name, "size": len(content), **_oids(content)} for name, content in files.items()]
        return self._answer(200, json.dumps(rows).encode())

    def _resolve(self, repository: str, name: str) -> None:
        content = self.hosts.files.get((repository, name.rpartition("/")[2]))
        if content is None:
            return self._answer(404, b"Entry not found")
        if len(content) >= _LARGE:
            return self._answer(302, b"", {"Location": f"{self.hosts.storage}/{repository}/{name.rpartition('/')[2]}"})
        return self._file(content)

    def _drive(self, asked: dict[str, list[str]]) -> None:
        """`page`: quota, again (the warning once more) or signin; without it a warning page, then the file."""
        page, name = self.hosts.faults.get("page"), asked["id"][0]
        if page == "quota":
            return self._answer(200, _QUOTA.encode(), {"Content-Type": "text/html; charset=utf-8"})
        if page == "again" or "uuid" not in asked:
            warning = _WARNING.format(action="http://[x" if page == "brackets" else f"{self.hosts.hub}/download", id=name)
            return self._answer(200, warning.encode(), {"Content-Type": "text/html; charset=utf-8"})
        return self._file(self.hosts.files.get(("drive", name)), {"Content-Disposition": "attachment"})

    def _file(self, content: bytes | None, headers: dict[str, str] | None = None) -> None:
        """`html`: a page in its place; `wrong`: other bytes; `longer`: of another length; `whole`: Range is not known.

        `cut`: the line breaks after so many bytes of each answer; `lengthless`: no length is stated; `headers`: a status and
        headers.
        `endless`: bytes without an end; `drips`: a byte now and then.
        """
        faults = self.hosts.faults
        if "endless" in faults or "drips" in faults:
            return self._go_on(0.05 if "drips" in faults else 0.0)
        if isinstance(told := faults.get("headers"), tuple):
            return self._answer(told[0], b"", dict(told[1:]))
        if content is None:
            return self._answer(404, b"none")
        if "html" in faults:
            return self._answer(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
        content = bytes(len(content)) if "wrong" in faults else content + b"." if "longer" in faults else content
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        begin, status, told = 0, 200, {"ETag": tag, "Content-Type": "application/octet-stream", **(headers or {})}
        span = self.headers.get("Range")
        if span and "whole" not in faults and self.headers.get("If-Range", tag) == tag:
            begin, status = int(span.removeprefix("bytes=").rstrip("-")), 206
            told["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            if begin >= len(content):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        return self._answer(status, content[begin:], told)

    def _go_on(self, pause_s: float) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while self.hosts.sent < 100_000_000 and not self.hosts.is_over:
            self.wfile.write(b"x" if pause_s else bytes(1 << 16))
            self.hosts.sent += 1 if pause_s else 1 << 16
            time.sleep(pause_s)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        cut = self.hosts.faults.get("cut") if len(body) >= _LARGE else None
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if cut and "lengthless" in self.hosts.faults:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: int(str(cut))] if cut else body)
        self.hosts.sent += len(body[: int(str(cut))] if cut else body)
        if cut:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that goes away is expected."""


def _oids(content: bytes) -> dict[str, object]:
    """As the Hub states them: sha256 of large files, git's name of small ones."""
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    large = {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}}
    return {"oid": git, **(large if len(content) >= _LARGE else {})}


@contextmanager
def running() -> Iterator[Hosts]:
    """The hosts, on two names of this machine: hub and Drive on one, the storage on the other."""
    hosts = Hosts()
    handler = type("Handler", (_Handler,), {"hosts": hosts})
    servers = [_Server(("127.0.0.1", 0), handler) for _ in range(2)]
    hosts.hub, hosts.storage = (
        f"http://{name}:{server.server_port}" for name, server in zip(("127.0.0.1", "localhost"), servers, strict=True)
    )
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hosts
    finally:
        hosts.is_over = True
        for server in servers:
            server.shutdown()
            server.server_close()
