"""Access to the page and the API: by token, by host, and by the page that a request comes from."""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Sequence
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avcore.notes import shown
from netflips.serve.jobs import is_id, new_id
from netflips.serve.limits import Paced, RefusedError, refusal
from netflips.serve.settings import LOCAL_HOSTS, Settings

LOG = logging.getLogger("netflips")

_TOKEN, _VISITOR = "netflips-token", "netflips-visitor"
"""Names of cookies. The port is appended, because browsers send the cookies of a host to all its ports."""
_PROGRAM = "0" * 32
"""The visitor of all requests that bear a token: a program keeps no cookies, and finds its jobs again."""
_A_YEAR_S = 31_536_000
_PORT_DIGITS = 5
_SAFE = ("GET", "HEAD", "OPTIONS")
_TIME_LINE = "sha256-XGW/cX2BkTPWNNT3NdyASrPEWZfPnKdPJaJ2aN7R+v8="
"""The style sheet that the time line's library (page/vendor) brings along, with the height of page/timeline.js."""
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' '{_TIME_LINE}'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""Nothing is loaded from another server, and only scripts that come with NetfLips run."""
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_STYLE = "/style.css"
_ASK = f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>NetfLips</title><link rel="icon" href="data:,"><link rel="stylesheet" href="{_STYLE}">
<header class="top"><h1>NetfLips</h1></header>
<main><form method="get" action="/">
<label><span>Token, as the server prints it</span><span lang="ko">서버에 출력된 토큰</span>
<input name="token" type="password" required autofocus></label>
<p class="buttons"><button class="main">Open · <i lang="ko">열기</i></button></p>
</form></main>
"""
_WRONG = '<p id="notice" role="alert">This token is wrong. · <i lang="ko">토큰이 맞지 않습니다.</i></p>'


class Access:
    """ASGI middleware around the whole page. It sets scope["visitor"], the id of a browser, and scope["is_new_visitor"]."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        port = _parts(f"//{headers.get('host', '')}").netloc.rpartition(":")[2]
        ending = f"-{port}" if port.isdecimal() and len(port) <= _PORT_DIGITS else ""
        found = [_PROGRAM] if _borne(headers) else [cookie for cookie in _cookies(headers, _VISITOR + ending) if is_id(cookie)]
        visitor = scope["visitor"] = (found or [new_id()])[0]
        scope["is_new_visitor"] = not found

        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start":
                response = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    response.setdefault(name, value)
                response.setdefault("Content-Security-Policy", POLICY)
                if not found:
                    response.append("Set-Cookie", _cookie(_VISITOR + ending, visitor))
            await send(message)

        try:
            answer = self._refusal(scope, headers, _TOKEN + ending)
            await (answer or self._app)(scope, Paced(receive, self._settings), sending)
        except Exception as error:
            if not isinstance(error, RefusedError):
                LOG.error("%s %s: %s: %s", scope["method"], shown(scope["path"]), type(error).__name__, error)
            if not has_begun:
                await refusal(500, "the server could not do it", scope["path"])(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: Headers, name: str) -> Response | None:
        """Return the answer to a request that is refused; None = it may pass. name: of the cookie of visitors with the token."""
        host = headers.get("host", "")
        if not self._settings.token and _parts(f"//{host}").hostname not in LOCAL_HOSTS:
            return refusal(421, "this server answers to localhost only", scope["path"])  # another site's name that leads here
        if scope["method"] not in _SAFE and not _is_own_page(headers, host):
            return refusal(403, "this comes from another site's page", scope["path"])

        if not self._settings.token or scope["path"] == _STYLE:
            return None
        proofs = _cookies(headers, name)
        if any(hmac.compare_digest(proof.encode(), self._proof().encode()) for proof in proofs) or self._is_token(_borne(headers)):
            return None

        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0].encode()
        if scope["path"] == "/" and scope["method"] == "GET":
            if self._is_token(given):
                # Away from the address with the token, which would stay in the browser's history.
                answer = RedirectResponse("/", status_code=303)
                answer.headers.append("Set-Cookie", _cookie(name, self._proof()))
                return answer
            return HTMLResponse(_ASK.replace("<main>", f"<main>{_WRONG}") if given else _ASK, 401, _CHALLENGE)
        fault = "the token is wrong" if _borne(headers) else "the token is missing"
        refused = refusal(401, f"{fault}; expected Authorization: Bearer, or the address with the token", scope["path"])
        refused.headers.update(_CHALLENGE)
        return refused

    def _is_token(self, given: bytes) -> bool:
        # In constant time: how long a refusal takes says nothing about how much of a guess is right.
        return hmac.compare_digest(given, self._settings.token.encode())

    def _proof(self) -> str:
        """Return the value of the cookie of visitors with the token. It is valid for this run of the server."""
        return hmac.new(self._key, self._settings.token.encode(), hashlib.sha256).hexdigest()


def _borne(headers: Headers) -> bytes:
    """Return the token in the head of a program's request, b"" = none; whether it is the right one is not known here."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    return given.strip().encode("latin-1") if kind.lower() == "bearer" else b""


def _is_own_page(headers: Headers, host: str) -> bool:
    """Return whether a request comes from our page, or from no page at all (a program)."""
    origin = headers.get("origin")
    if origin is not None:
        return _parts(origin).netloc == host != ""
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _parts(address: str) -> SplitResult:
    """Return the parts of an address; they are empty where it is invalid or names a user."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")
    is_host = re.fullmatch(r"(\[[^][@]*\]|[^][@:]*)(:\d*)?", parts.netloc)
    return parts if is_host else SplitResult("", "", "", "", "")


def _cookie(name: str, value: str) -> str:
    return f"{name}={value}; Path=/; Max-Age={_A_YEAR_S}; HttpOnly; SameSite=Lax"


def _cookies(headers: Headers, name: str) -> Sequence[str]:
    """Return all values of a cookie. Cookies of other programs on the host may have any form: JSON, blanks, any letters."""
    pairs = (one.strip().partition("=") for line in headers.getlist("cookie") for one in line.split(";"))
    return [value.strip().strip('"') for given, _, value in pairs if given == name]
