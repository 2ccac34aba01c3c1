"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from connect.errors import ConnectError

LOOPBACK = "127.0.0.1"
_LOWEST = 15000


def free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on now; a caller that loses the race asks again.

    They lie below the kernel's ephemeral range, so that no outgoing connection takes the port of a server that is
    down for a moment: a client that knocks at an ephemeral port in a loop can even end up connected to itself.
    """
    candidates = range(_LOWEST, _ephemeral_start())
    found: list[int] = []
    for port in random.sample(candidates, min(len(candidates), 2000)):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise ConnectError(
        f"no {count} free ports between {candidates.start} and {candidates.stop}",
        code="local_port_taken",
        hint="name free ones with --port NAME=PORT",
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def check_given(server: str, port: int) -> None:
    """Refuse a port that the user named and another process holds.

    Raises:
        ConnectError: ``local_port_taken``.
    """
    if not is_free(port):
        raise ConnectError(
            f"{server}: port {port} of {LOOPBACK} is taken by another process",
            code="local_port_taken",
            hint=f"name another with --port {server}=PORT, or leave it out for a free one",
        )


def _ephemeral_start() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        first = 32768
    # A machine that hands out nearly every port leaves no room below; then its whole range must do.
    return first if first > _LOWEST + 1000 else 60999
