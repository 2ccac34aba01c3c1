"""Who may ask what: the checks before every page (F162, F163, F164)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from connect.config.fields import Secret

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),  # one request a connection: nothing lingers
)


class Guard:
    """Wraps an ASGI application: GET without a body, from here or with the token, and no page for a browser's tricks.

    Args:
        app: The pages.
        hosts: Names that the ``Host`` header may have; a page of a stranger that rebinds its name to 127.0.0.1 sends
            its own. Not looked at when there is a token, which that page does not have.
        token: What ``Authorization: Bearer`` has to carry; None on loopback.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: Secret | None = None) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self._refusal(scope["method"], headers) or self._app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: dict[str, str]) -> Response | None:
        """Why a request is turned away; no refusal says more than it must."""
        if self._token is None and _host(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("This name is not served here.\n", 403)
        if self._token is not None and not _carries(headers.get("authorization", ""), self._token):
            return PlainTextResponse("", 401, {"www-authenticate": "Bearer"})
        if "origin" in headers:
            return PlainTextResponse("Pages of other sites may not ask.\n", 403)
        if method not in {"GET", "HEAD"}:
            return PlainTextResponse("Only GET is served.\n", 405, {"allow": "GET, HEAD"})
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            return PlainTextResponse("A body is not read here.\n", 413)
        return None


def _host(header: str) -> str:
    """The name in a Host header, without its port and brackets, in lower case."""
    name = header.rpartition("]")[0] if header.startswith("[") else header.partition(":")[0]
    return name.removeprefix("[").lower()


def _carries(authorization: str, token: Secret) -> bool:
    scheme, _, given = authorization.partition(" ")
    # In constant time: how long the answer takes says nothing about the token (F162).
    same = hmac.compare_digest(given.strip().encode("latin-1"), token.reveal().encode())
    return same and scheme.lower() == "bearer"
