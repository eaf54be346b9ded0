"""Connections: how many, of whom, and how long one may wait for its next request.

uvicorn's own settings bound the size of a head (`h11_max_incomplete_event_size`) and the time between two requests as long as no
byte of the second has come (`timeout_keep_alive`). `limit_concurrency` answers 503 to everybody alike. Nothing bounds the time of a
head, and what is sent behind an early answer is read without an end. So its HTTP/1.1 protocol gets a clock and a door here.
"""

import asyncio
import logging
import os
import resource
import socket
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from netflips.serve.limits import Limit, Party, address_of, is_among
from netflips.serve.settings import Settings

LOG = logging.getLogger("netflips")

_MOST_HEAD = 1 << 18
"""Bytes of a head. Cookies of all programs on a host come with it, 4 KB each."""
_BACKLOG = 100
"""Connections that the system keeps until they are taken; so many are taken at a time."""
_FILES_OF_WORK = 32
"""Files that uploads, their inspection, the worker and answers have open."""
_LEAST_CONNECTIONS = 8
_SHUTDOWN_S = 2
_TOO_LONG = 431
_LONG_HEAD = "the head of the request is too long; remove the cookies of this host in your browser"


def make_server(app: Starlette) -> uvicorn.Server:
    """Return a server for the page. app: of `build_app`."""
    settings: Settings = app.state.desk.settings
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    backlog = max(1, min(_BACKLOG, files // 16))
    # asyncio takes a whole backlog at once, and what is refused is closed a moment later.
    room = files - _open_files() - _FILES_OF_WORK - 2 * backlog
    door = _Door(settings, min(settings.most_connections, max(room, _LEAST_CONNECTIONS)))

    class Guarded(_Connection):
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, **named)
            self.door = door

    config = uvicorn.Config(
        app, http=Guarded, ws="none", loop="asyncio", backlog=backlog, h11_max_incomplete_event_size=_MOST_HEAD,
        proxy_headers=bool(settings.proxies), forwarded_allow_ips=list(settings.proxies), timeout_graceful_shutdown=_SHUTDOWN_S,
        log_level="critical", access_log=False, server_header=False,
    )  # fmt: skip
    return _Server(config)


class _Server(uvicorn.Server):
    """asyncio listens with as long a queue as it takes connections at a time; the queue may be longer."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(_BACKLOG)


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 64


class _Door:
    """All connections, each with its address. One too many takes the place of one that asks for nothing, or is closed."""

    def __init__(self, settings: Settings, most: int) -> None:
        self.settings = settings
        self._limit = Limit(most, most)
        self._inside: dict[_Connection, Party] = {}

    def enter(self, connection: "_Connection") -> bool:
        """Let a connection in, where there is room or room can be made."""
        party = Party(address_of({"client": connection.client}), "")
        # A proxy holds the connections of many visitors.
        is_proxy = connection.client is not None and is_among(connection.client[0], self.settings.proxies)
        has_room = len(self._inside) < self._limit.most if is_proxy else self._limit.admits(Counter(self._inside.values()), party)
        if not has_room:
            idle = next((one for one, whose in self._inside.items() if whose == party and not one.is_busy), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.transport.abort()
        self._inside[connection] = party
        return True

    def leave(self, connection: "_Connection") -> None:
        """A connection is closed."""
        self._inside.pop(connection, None)


class _Connection(H11Protocol):
    """A connection whose requests have heads that come in time."""

    door: _Door
    _clock: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or end at once where no other connection can be."""
        super().connection_made(transport)
        if not self.door.enter(self):
            transport.abort()
            return
        taken = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            with suppress(OSError):
                taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * self.door.settings.unread_s))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whichever side."""
        self.door.leave(self)
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in bytes. What is no HTTP ends this connection and nothing else."""
        try:
            super().data_received(data)
        except Exception as error:
            LOG.debug("a connection is closed: %s: %s", type(error).__name__, error)
            self.transport.abort()

    def handle_events(self) -> None:
        """Hand on what has come; once a head is whole, its time counts no more."""
        super().handle_events()
        if self.is_busy:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next head, or for the rest of a body that nobody reads any more."""
        self._wait()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Say in one line that this is no HTTP."""
        wrong = sys.exception()
        is_long = isinstance(wrong, h11.RemoteProtocolError) and wrong.error_status_hint == _TOO_LONG
        super().send_400_response(_LONG_HEAD if is_long else msg)

    def _wait(self) -> None:
        self._stop_waiting()
        self._clock = self.loop.call_later(self.door.settings.head_s, self._late)

    def _stop_waiting(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _late(self) -> None:
        """Close it; what is not yet sent of an answer gets as much time again."""
        self._clock = self.loop.call_later(self.door.settings.head_s, self.transport.abort)
        self.transport.close()
