"""Download the files of a published model: resumed, checked by length and digest, from the first host whose bytes are right.

One plain downloader (urllib) serves repositories of the Hugging Face Hub, Google Drive and other addresses. huggingface_hub deletes
its partial file when a download fails, so that the next run starts again, and never gives up on a body that drips. gdown uses
Google's own address whatever the list of models states, follows pages without an end, and continues with a part of another file.
Proxies (HTTPS_PROXY) and certificates (SSL_CERT_FILE) are those of the environment; no token is read or sent.
"""

import http.client
import logging
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from pathlib import Path
from socket import gaierror
from typing import Annotated, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener

from msgspec import Meta, Struct
from msgspec.json import decode
from msgspec.structs import replace

from avcore.errors import InputError, Message, OutputError, reason
from avcore.notes import shown
from avcore.programs import within
from avcore.progress import Progress
from netflips.published.catalogue import Model, ModelFile, Origin
from netflips.published.unpack import copy, files_of_zip, require_room
from netflips.version import __version__

LOG = logging.getLogger("netflips")
PAUSES_S = (1.0, 2.0, 4.0)
"""Pauses before further tries, as long as tries bring nothing new."""
_BLOCK = 1 << 18
_TIMEOUT_S, _LONGEST_PAUSE_S = 60.0, 120.0
"""Limit for an answer to begin, with its redirects, and for each block of it; and longest pause that a host may ask for."""
_COME_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_MOST_PAGE = 4 << 20
_MEGA = 1_000_000
_MOST_DIGITS, _MOST_SHOWN = 18, 200
_GO_ON = "run the command again: it goes on where it stopped"
_BY_HAND = "get it in a browser and give it to netflips models add"
_Answer = TypeVar("_Answer")


class HostError(InputError):
    """A host that does not deliver the file; another one may."""


class _BrokenError(Exception):
    """A connection that broke, or a host that asks to come again. after_s: when (s), 0 = it does not state it."""

    def __init__(self, words: str, after_s: float = 0.0) -> None:
        super().__init__(words)
        self.after_s = after_s


class _BeyondError(_BrokenError):
    """A part that is longer than the file of the host; the download starts again."""


class _Large(Struct):
    """What the Hub states of a large file; oid: its sha256."""

    oid: str | None = None


class _Listed(Struct):
    """An entry of the Hub's list of files; oid: git's name of the content."""

    path: str
    size: Annotated[int, Meta(ge=0, lt=10**_MOST_DIGITS)] | None = None
    oid: str | None = None
    lfs: _Large | None = None


class _Revision(Struct):
    """The Hub's answer about a revision; sha: its commit."""

    sha: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]+\Z")]


class Fetcher:
    """Downloads from the hosts of a catalogue. is_latest: take the newest commit of a repository, not the one in the catalogue."""

    def __init__(self, hosts: Mapping[str, str], progress: Progress, *, is_latest: bool = False) -> None:
        self._hosts, self._progress, self._is_latest = hosts, progress, is_latest
        self.commits = dict[str, str]()
        """Commit that is taken, by repository."""
        self._listings = dict[str, list[_Listed]]()

    def wanted(self, model: Model, noted: Mapping[str, Mapping[str, Any]]) -> list[ModelFile]:
        """Return the files of a model, with all that is known of them. noted: earlier digests, by name. Raises InputError."""
        found = [one for file in model.files for one in self._found(file)]
        return [replace(one, sha256=noted[one.name]["sha256"]) if one.name in noted else one for one in found]

    def _found(self, file: ModelFile) -> list[ModelFile]:
        source = file.sources[0]
        if not source.hub or len(file.sources) > 1:
            return [file]

        listed = [one for one in self._listing(source) if fnmatchcase(one.path, file.name) and _is_name(one.path)]
        if not listed and not file.is_optional:
            raise HostError(f"{source} has no such file", path=file.name, hint="try --latest")

        found = list[ModelFile]()
        for one in listed:  # with the properties that the Hub states, where the catalogue states none
            digest, git = (None, one.oid) if one.lfs is None else (one.lfs.oid, None)
            found.append(replace(file, name=one.path, size=file.size or one.size, sha256=file.sha256 or digest, git=git))
        return found

    def _listing(self, source: Origin) -> list[_Listed]:
        """Return the files of a repository."""
        if source.hub not in self._listings:
            path = f"{source.hub}/tree/{self._commit(source)}?recursive=true&expand=false"
            self._listings[source.hub] = self._asked(path, source, list[_Listed])
        return self._listings[source.hub]

    def _commit(self, source: Origin) -> str:
        if source.hub not in self.commits:
            is_listed = source.commit and not self._is_latest
            newest = f"{source.hub}/revision/main"
            self.commits[source.hub] = source.commit if is_listed else self._asked(newest, source, _Revision).sha
        return self.commits[source.hub]

    def _asked(self, path: str, source: Origin, kind: type[_Answer]) -> _Answer:
        """Return what the Hub says about its models."""

        def ask() -> _Answer:
            with _opened(f"{self._hosts['hub']}/api/models/{path}", source) as answer:
                return decode(_read(answer, _MOST_PAGE), type=kind)

        return self._patiently(source, ask)

    def fetch(self, file: ModelFile, folder: Path) -> str:
        """Download a file into a folder; returns its source, "" where the file is already there and right.

        An earlier part of it is continued. Raises InputError where no host delivers it, OutputError where there is no space.
        """
        path, part, failed = folder / file.name, folder / f"{file.name}.part", list[HostError]()
        if path.is_file() and file.wrong(path) is None:
            return ""

        for place in file.sources:
            try:
                self._download(place, file, part)
                if place.unzip:
                    _unzip(part, file.name, place)
                if wrong := file.wrong(part):
                    part.unlink()
                    raise _other_file(place, file.name, *wrong)
                part.replace(path)
                return str(place)
            except HostError as error:
                failed.append(error)
                if place != file.sources[-1]:
                    LOG.warning("warning: %s; the next host is tried", error)
        raise failed[0]

    def _download(self, place: Origin, file: ModelFile, part: Path) -> None:
        """Append to a part until it is complete."""
        size = None if place.unzip else file.size  # of the zip nothing is known

        def reached() -> int:
            return part.stat().st_size if part.is_file() else 0

        def append() -> None:
            try:
                self._append(place, replace(file, size=size), part, reached())
            except _BeyondError:
                part.unlink(missing_ok=True)
                raise

        # A part that is longer than its file belongs to another one.
        if size is not None and reached() > size:
            part.unlink()
        if size is None or reached() != size:
            self._patiently(place, append, reached)

    def _append(self, place: Origin, file: ModelFile, part: Path, have: int) -> None:
        """Ask for what is missing behind the bytes that are there, and write it."""
        tag = part.with_name(f"{part.name}.tag")
        known = tag.read_text(errors="replace") if have and tag.is_file() else ""
        if not known and file.sha256 is None:
            have = 0  # nothing would show whether the rest belongs to it
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and known:
            headers["If-Range"] = known  # a file that has changed since then comes whole

        url = self._url(place, file.name)
        # Twice, because Google Drive may answer with a page that asks for a confirmation first.
        for is_second in (False, True):
            with _opened(url, place, headers) as answer:
                is_page = answer.headers.get_content_type() == "text/html" and not answer.headers.get("Content-Disposition")
                if not is_page:
                    self._write(answer, place, file, part, tag, have)
                    return
                if not place.drive:
                    raise HostError(f"{place} gives a page in place of the file", path=file.name, hint=_BY_HAND)
                page = _Page()
                page.feed(_read(answer, _MOST_PAGE).decode("utf-8", "replace"))
                if is_second or not page.action or urlsplit(answer.geturl()).netloc != urlsplit(url).netloc:
                    raise page.refusal(place, file.name)
                url = urljoin(answer.geturl(), f"{page.action}?{urlencode(page.fields)}")

    def _write(self, answer: Any, place: Origin, one: ModelFile, part: Path, tag: Path, have: int) -> None:
        """Write a body: behind the part that is there, if it is the rest of it, else from the beginning."""
        begin, total = _extent(answer, have)
        if one.size is not None and total is not None and total != one.size:
            raise _other_file(place, one.name, f"{one.size:,} bytes", f"{total:,}")
        require_room(part.parent, (total or 0) - begin)

        # There is always a bound, because a body may have no end.
        half = shutil.disk_usage(part.parent).free // 2
        most = next(known for known in (one.size, total, one.most_bytes, half) if known is not None)
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""

        try:
            if begin == 0:
                tag.write_text("" if validator.startswith("W/") else validator)  # If-Range takes no weak tag (RFC 9110)
            with part.open("r+b" if begin else "wb") as file:
                file.seek(begin)
                file.truncate()
                done = begin
                while done <= most and (block := _read(answer, _BLOCK)):
                    file.write(block)
                    done += len(block)
                    self._progress(one.name, done // _MEGA, None if total is None else -(-total // _MEGA))
        except OSError as error:
            raise OutputError("there is no room for it", path=part, found=error.strerror, hint=f"make room and {_GO_ON}") from error

        if done > most:
            part.unlink()
            raise _other_file(place, one.name, f"{most:,} bytes at most", "more")
        if total is not None and done != total:
            raise _BrokenError(f"{done:,} of {total:,} bytes")
        tag.unlink(missing_ok=True)

    def _url(self, place: Origin, name: str) -> str:
        if place.hub:
            return f"{self._hosts['hub']}/{place.hub}/resolve/{self._commit(place)}/{quote(place.path + name)}"
        if place.drive:
            return f"{self._hosts['drive']}/download?{urlencode({'id': place.drive, 'export': 'download', 'confirm': 't'})}"
        return place.url or place.unzip

    def _patiently(self, place: Origin, attempt: Callable[[], _Answer], reached: Callable[[], int] = lambda: 0) -> _Answer:
        """Try again after pauses, until as many tries in a row as there are pauses brought nothing new.

        Raises HostError then, and for an answer that cannot be read.
        """
        failed, best = 0, reached()

        while True:
            try:
                return attempt()
            except (ValueError, RecursionError, AssertionError) as error:  # of addresses, JSON, headers and pages
                words = shown(reason(error))[:_MOST_SHOWN]
                raise HostError(f"{place} gives an answer that cannot be read", found=words, hint=_BY_HAND) from error
            except _BrokenError as error:
                now = reached()
                # Each new byte counts as progress, so that a bad line gets there in the end.
                failed, best = (0 if now > best else failed + 1), max(now, best)
                if failed > len(PAUSES_S):
                    raise HostError(
                        Message("{place} breaks off", place=place), found=shown(reason(error))[:_MOST_SHOWN], hint=_GO_ON
                    ) from error
                time.sleep(min(max(error.after_s, PAUSES_S[max(failed - 1, 0)]), _LONGEST_PAUSE_S))


@contextmanager
def _opened(url: str, place: Origin, headers: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Yield the answer to a GET after redirects. Raises HostError for a lasting error, and `_BrokenError` for a passing one."""
    # identity: the length of a compressed body is not that of the file.
    asked = {"User-Agent": f"netflips/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
    request, opener = Request(url, headers=asked), build_opener(HTTPCookieProcessor())

    try:
        answer = within(_TIMEOUT_S, lambda: opener.open(request, timeout=_TIMEOUT_S))
    except HTTPError as error:
        found = f"HTTP {error.code}"
        if error.code in _COME_AGAIN:
            raise _BrokenError(found, float(_count(error.headers.get("Retry-After")) or 0)) from error
        if error.code == 416:
            raise _BeyondError(found) from error
        if error.code in (401, 403):
            raise HostError(
                f"{place} is not open to all", found=found, hint=f"accept its terms on its page, or {_BY_HAND}"
            ) from error
        gone = "is not there" if error.code in (404, 410) else "cannot be fetched"
        raise HostError(f"{place} {gone}", found=found, hint=f"try --latest, or {_BY_HAND}") from error
    except URLError as error:
        if isinstance(error.reason, gaierror | ssl.SSLCertVerificationError):
            raise HostError(
                Message("{place} cannot be reached", place=place), found=reason(error.reason), hint="is there a network? check it"
            ) from error
        raise _BrokenError(str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(reason(error)) from error

    yield answer
    answer.close()  # not after an error: a thread that reads too long still holds it


def _read(answer: Any, most: int) -> bytes:
    """Return some bytes of a body. Raises `_BrokenError`."""
    try:
        # A socket's own limit begins anew with each byte: a body that drips would last for ever.
        return bytes(within(_TIMEOUT_S, lambda: answer.read(most)))
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(reason(error)) from error


def _extent(answer: Any, have: int) -> tuple[int, int | None]:
    """Return where a body begins in the file (bytes), and the file's length, None = not stated. Raises `_BrokenError`."""
    if answer.status == 206:
        span, _, whole = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        if span.partition("-")[0] != str(have):
            raise _BrokenError("another part than was asked for")
        return have, _count(whole)
    return 0, _count(answer.headers.get("Content-Length"))


def _count(text: str | None) -> int | None:
    """Return the number in a header; None = there is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _is_name(path: str) -> bool:
    """Return whether a path in a repository is a file name without a folder."""
    return path.isprintable() and "/" not in path and path not in ("", ".", "..") and len(path) < _MOST_SHOWN


class _Page(HTMLParser):
    """A page of Google Drive: the form that confirms a download (action, fields), or its message."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields, self._words, self._is_in = "", dict[str, str](), list[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and attributes.get("id") == "download-form":
            self.action = attributes.get("action", "")
        elif tag == "input" and self.action and attributes.get("type") == "hidden":
            self.fields[attributes.get("name", "")] = attributes.get("value", "")
        elif tag == "title" or "uc-error" in attributes.get("class", ""):
            self._is_in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._is_in:
            self._is_in = ""

    def handle_data(self, data: str) -> None:
        if self._is_in and data.strip():
            self._words.append(" ".join(data.split()))

    def refusal(self, place: Origin, name: str) -> HostError:
        """Return the error for a page that leads to no file."""
        answer = "; ".join(self._words)[:300] or "a page that says nothing"
        return HostError(f"{place} does not give the file", path=name, found=answer, hint=f"wait a day, or {_BY_HAND}")


def _unzip(part: Path, name: str, place: Origin) -> None:
    """Replace a zip by the one file of this name in it. Raises HostError and OutputError."""
    whole = part.with_name(f"{part.name}.unzipped")
    try:
        found = [one for one in files_of_zip(part) if one.name == name]
        if len(found) != 1:
            raise HostError(f"{place} has {len(found)} files of this name", path=name, expected="one", hint=_BY_HAND)
        require_room(part.parent, found[0].size)
        copy(found, whole)
        whole.replace(part)
    except HostError:
        raise
    except InputError as error:
        part.unlink()
        raise HostError(f"{place} gives no zip that is whole", path=name, found=error.found, hint=_BY_HAND) from error
    finally:
        whole.unlink(missing_ok=True)


def _other_file(place: Origin, name: str, expected: str, found: str) -> HostError:
    return HostError(Message("{place} gives another file", place=place), path=name, expected=expected, found=found, hint=_BY_HAND)
