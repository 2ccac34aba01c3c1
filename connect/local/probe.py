"""Asking a local server over HTTP whether it serves, past any proxy of the environment."""

from __future__ import annotations

import base64
import http.client
import ssl
from typing import TYPE_CHECKING

from connect.local.ports import LOOPBACK

if TYPE_CHECKING:
    from connect.local.tls import Security


def status(port: int, path: str, security: Security | None, *, timeout: float = 5.0) -> int | None:
    """The status code of a GET; None while nobody answers."""
    connection: http.client.HTTPConnection
    headers = {}
    if security is None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    else:
        context = ssl.create_default_context(cafile=str(security.authority))
        connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=timeout, context=context)
        pair = f"{security.user}:{security.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
