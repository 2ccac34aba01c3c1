"""What may be said to the server about progress: rules S5 and S6 as a state machine without I/O."""

from __future__ import annotations


class AckGate:
    """Turns acknowledged positions into the ``flush_lsn`` of standby status updates.

    The replication thread calls ``seen``, the task's loop calls ``acknowledge``; each writes one attribute of its own
    and ``flush_lsn`` is read by the replication thread only, so no lock is needed.
    """

    def __init__(self, start: int, server_end: int) -> None:
        """``start`` is where the stream starts from; ``server_end`` the server's WAL end when the connection began."""
        self._seen = server_end
        self._acknowledged = start
        self._sent = start

    @property
    def seen_lsn(self) -> int:
        """The highest end of WAL that this server named on this connection."""
        return self._seen

    @property
    def acknowledged_lsn(self) -> int:
        """The highest position that is durable in Kafka."""
        return self._acknowledged

    def seen(self, wal_end: int) -> None:
        """The server named an end of its WAL, in a keepalive or with a change."""
        self._seen = max(self._seen, wal_end)

    def acknowledge(self, lsn: int) -> None:
        """The stream up to ``lsn``, where no transaction is open, is durable in Kafka."""
        self._acknowledged = max(self._acknowledged, lsn)

    def flush_lsn(self) -> int:
        """What to confirm now; the caller sends it."""
        # Invariant 1: only what Kafka has; F4: never beyond the server's WAL, which it would silently believe;
        # and never lower than what was sent before.
        if self._sent < self._acknowledged <= self._seen:
            self._sent = self._acknowledged
        return self._sent
