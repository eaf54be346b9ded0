"""Limits: what one visitor may hold of what all share, how slowly a body may come, and how much of the disk is used.

And what a visitor is told of a refusal: without flags of the command line, and in Korean where the page is.
"""

import asyncio
import ipaddress
import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope

from avcore.words import known_clause
from netflips.serve.settings import Settings

_IPV6_OF_ONE = 64
"""Bits of an IPv6 address that a network gives to one machine; the others it chooses itself."""
_LEAST_BYTES = 1 << 20
"""A folder counts as so large at least, so that many small ones are counted too."""
RESERVE_OF_JOBS = 0.5
"""Share of the disk's reserve that jobs leave free: uploads stop first."""
TOO_FULL = "there is too little room on the server's disk; try again later"
_NOT_DONE = "the server could not do it"
_WAYS_OUT = {
    "it has no sound to take the voice from": "choose a recording as the Voice",
    "there is no usable speech to take the voice from": "choose a recording as the Voice",
}
"""What a visitor can do, where the command's way out is a flag."""


class RefusedError(Exception):
    """What a visitor asked for cannot be. status: of the answer; the text is one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Party(NamedTuple):
    """Whom a limit counts: the browser with a cookie at an address. visitor: "" = all programs there that send no cookie."""

    address: str
    visitor: str


class Visitor(NamedTuple):
    """Who asks. id: of the cookie; address: see `address_of`; is_new: there was no cookie yet."""

    id: str
    address: str
    is_new: bool = False

    @property
    def party(self) -> Party:
        """Whom limits count."""
        return Party(self.address, "" if self.is_new else self.id)


NOBODY = Visitor("", "")
"""Whose is what cannot be read."""


def address_of(scope: Scope) -> str:
    """Return the address that asks, or its network where a machine has many."""
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        plain = address.ipv4_mapped
        return str(plain or ipaddress.ip_network((address, _IPV6_OF_ONE), strict=False))
    return str(address)


def is_among(host: str, addresses: Collection[str]) -> bool:
    """Return whether an address is one of some addresses and networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(one, strict=False) for one in addresses)


@dataclass(frozen=True)
class Limit:
    """Of something that visitors share. most: of all; most_each: of one party.

    An address holds no more than what is free, so the next one always finds something: Choudhury and Hahne, "Dynamic queue length
    thresholds for shared-memory packet switches", 1998, with alpha = 1.
    """

    most: int
    most_each: int

    def admits(self, held: Mapping[Party, int], party: Party, more: int = 1) -> bool:
        """Return whether a party may have more, beside what all hold."""
        own, beside, held_by_all = _counted(held, party)
        return own + more <= self.most_each and beside + more <= self.most - held_by_all

    def is_kept(self, held: Mapping[Party, int], party: Party) -> bool:
        """Return whether what a party has, and was admitted to, may go on: others who came later cost it nothing."""
        own, beside, held_by_all = _counted(held, party)
        return own <= self.most_each and beside <= self.most / 2 and held_by_all <= self.most


def _counted(held: Mapping[Party, int], party: Party) -> tuple[int, int, int]:
    """Return what a party holds, what its address does, and what all do."""
    beside = sum(count for one, count in held.items() if one.address == party.address)
    return held.get(party, 0), beside, sum(held.values())


class Space:
    """Bytes on the disk, by folder and by whose they are. A file with several names counts once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit = Limit(settings.quota_bytes, settings.quota_each_bytes)
        self._folders: dict[Path, tuple[Party, int]] = {}
        self._held: Counter[Party] = Counter()

    async def measure(self, folder: Path, party: Party) -> None:
        """Look how large a folder is now."""
        size = await asyncio.to_thread(_size, folder)
        self.note(folder, party, size if folder.is_dir() else 0)  # it may be gone meanwhile

    def note(self, folder: Path, party: Party, size: int) -> None:
        """A folder has so many bytes; 0 = it is gone."""
        before, had = self._folders.pop(folder, (party, 0))
        self._held[before] -= had
        if size:
            self._folders[folder] = party, max(size, _LEAST_BYTES)
            self._held[party] += max(size, _LEAST_BYTES)

    def require(self, party: Party, more: int = 0, reserve: float = 1.0) -> None:
        """Raise RefusedError where a party cannot have so many bytes more. reserve: share of what stays free on the disk."""
        self._require(self._limit.admits(self._held, party, more), more, reserve)

    def require_kept(self, party: Party) -> None:
        """Raise RefusedError where what a party's running job has written is too much."""
        self._require(self._limit.is_kept(self._held, party), 0, RESERVE_OF_JOBS)

    def _require(self, is_within: bool, more: int, reserve: float) -> None:
        if not is_within:
            most = self._settings.quota_bytes / 2**30
            found = f"this is too much for the server's disk; expected at most {most:.3g} GB for all; remove jobs, or wait"
            raise RefusedError(507, found)
        if shutil.disk_usage(self._settings.work_dir).free - more < self._settings.reserve_bytes * reserve:
            raise RefusedError(507, TOO_FULL)


def _size(folder: Path) -> int:
    """Bytes that a folder holds on the disk, its share of files that have other names too; 0 where it is gone."""
    if not folder.is_dir():
        return 0
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(place, name))
            except OSError:  # a job has just removed it
                continue
            size += found.st_blocks * 512 // max(found.st_nlink, 1)
    return max(size, 1)


class Paced:
    """The body of a request within limits of time. What is counted is how long the server waits, not how long it works.

    Calling it raises RefusedError where the body stands still or comes too slowly.
    """

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive, self._settings = receive, settings
        self._waited_s, self._came, self._is_whole = 0.0, 0, False

    async def __call__(self) -> Message:
        """Return the next part of the body; behind its end, the word that the visitor is gone, however late."""
        if self._is_whole:
            return await self._receive()
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._settings.idle_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RefusedError(408, "the upload stood still; send it again") from error
        self._waited_s += clock() - began
        self._came += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._waited_s >= self._settings.rate_s and not self._is_whole:
            if self._came < self._settings.rate_bytes * self._waited_s:
                raise RefusedError(408, "the upload came too slowly; send it again")
            self._waited_s, self._came = 0.0, 0
        return message


def told(error: str) -> dict[str, str]:
    """Return one line of an error (a file, a clause, and what more there is to say, with `; ` between) in both languages."""
    head = error.partition("; ")[0]
    path, colon, clause = head.rpartition(": ")
    parts = [*(part for part in error.split("; ") if "--" not in part), _WAYS_OUT.get(clause)]
    plain = "; ".join(part for part in parts if part)
    korean = known_clause(clause) or f"{known_clause(_NOT_DONE)} ({clause})"
    return {"error": plain, "error_ko": f"{path}{colon}{korean}." if plain else ""}


def refusal(status: int, text: str) -> Response:
    """Return the answer to what cannot be."""
    return JSONResponse(told(text), status_code=status)
