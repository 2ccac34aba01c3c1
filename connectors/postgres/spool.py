"""Transactions that the server streams before they commit: in memory up to a bound, then in a file each.

The server sends a big transaction in blocks while it runs (protocol 2 and later), and says later whether it committed.
Until then its messages lie here, in WAL order. Nothing here survives the process: after a restart the server streams
the transaction again from its first block.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from connect.compiled import COMPILED
from connect.errors import Failed

if COMPILED:
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_HEADER: Final = struct.Struct(">IQI")  # sub-transaction, LSN, length of the message that follows
_PAYLOAD: Final = struct.Struct(">cQ16x")  # what stands before a message in the stream; its end and time nobody needs
_BLOCK_BYTES: Final = 1 << 20
_PREFIX: Final = "transaction-"
_CUT: Final = (
    "Is something else writing to the spool's folder? Restart the connector: the transaction is streamed again."
)
_DISK_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


Data = bytes  # the name that annotations need beside the property ``bytes``


@dataclass(slots=True)
class _Transaction:
    """Records in WAL order: the first ``file_bytes`` bytes of them in the file, the rest in memory."""

    memory: bytearray = field(default_factory=bytearray)
    file: BinaryIO | None = None
    file_bytes: int = 0
    aborted: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        return self.file_bytes + len(self.memory)

    def read(self, at: int, count: int) -> bytes:
        """At most ``count`` bytes from ``at``; no record lies across the end of the file."""
        if self.file is None or at >= self.file_bytes:
            at -= self.file_bytes
            return bytes(self.memory[at : at + count])
        return os.pread(self.file.fileno(), min(count, self.file_bytes - at), at)


class TransactionSpool:
    """Holds streamed transactions until they commit or abort (F24, F25). One thread uses it.

    Args:
        folder: Where files go; made with mode 0700 where it is missing. Files have mode 0600 and no name (where the
            system can), so nothing is left of them after a ``kill -9``; leftovers with a name are removed here.
        memory_bytes: Above this the biggest transaction moves to a file, and what follows of it too, a MiB at a time.
        max_bytes: Never hold more than this in memory and files together.
    """

    def __init__(self, folder: Path, memory_bytes: int, max_bytes: int) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._max_bytes = max_bytes
        self._transactions: dict[int, _Transaction] = {}
        self._in_memory = 0
        self._in_files = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PREFIX}*"):
            leftover.unlink(missing_ok=True)

    @property
    def bytes(self) -> int:
        """What is held, in memory and files."""
        return self._in_memory + self._in_files

    def append(self, xid: int, subxid: int, lsn: int, message: Data) -> None:
        """Keep one message of a streamed block.

        Args:
            xid: The top-level transaction, from Stream Start.
            subxid: The transaction that the message itself names: ``xid`` or a sub-transaction of it.
            lsn: The message's position in the WAL.
            message: A row message, Truncate, logical message, Relation or Type.

        Raises:
            Failed: ``spool_full`` above ``max_bytes``; ``disk_full`` when the disk is (invariant 7).
        """
        size = _HEADER.size + len(message)
        if self.bytes + size > self._max_bytes:  # Invariant 7: bounded
            raise Failed(
                "spool_full",
                f"transaction {xid} and what else is in progress need more than the spool's {self._max_bytes} bytes",
                hint="Raise `spool: {max: …}` if the disk has the room, or end the big transaction on the server.",
            )
        transaction = self._transactions.get(xid)
        if transaction is None:
            transaction = self._transactions[xid] = _Transaction()
        transaction.memory += _HEADER.pack(subxid, lsn, len(message))
        transaction.memory += message
        self._in_memory += size
        if transaction.file is not None and len(transaction.memory) >= _BLOCK_BYTES:
            self._spill(transaction)
        elif self._in_memory > self._memory_bytes:
            self._spill(max(self._transactions.values(), key=lambda each: len(each.memory)))

    def abort(self, xid: int, subxid: int) -> None:
        """Drop a rolled back sub-transaction, or all of ``xid`` when both are the same.

        Sub-transactions inside ``subxid`` have aborts of their own, which the server sends too.
        """
        if xid == subxid:
            self.discard(xid)
        elif xid in self._transactions:
            self._transactions[xid].aborted.add(subxid)

    def replay(self, xid: int) -> Iterator[Sequence[Data]]:
        """A committed transaction in WAL order, as bursts of CopyData payloads; nothing for an unknown xid.

        A burst is what a block holds, or one message that is bigger. Messages of aborted sub-transactions are left out,
        their Relation messages too: the shape may have been rolled back with them, and the server sends each shape
        again after a Stream Abort. May be called more than once.
        """
        transaction = self._transactions.get(xid)
        if transaction is None:
            return
        try:
            yield from _bursts(transaction)
        except OSError as error:
            raise self._failed(error) from error

    def discard(self, xid: int) -> None:
        """Forget a transaction, replayed or aborted; nothing happens for an unknown xid."""
        transaction = self._transactions.pop(xid, None)
        if transaction is None:
            return
        self._in_memory -= len(transaction.memory)
        self._in_files -= transaction.file_bytes
        if transaction.file is not None:
            transaction.file.close()

    def close(self) -> None:
        """Forget everything. Idempotent."""
        for xid in tuple(self._transactions):
            self.discard(xid)

    def _spill(self, transaction: _Transaction) -> None:
        """Move what a transaction has in memory to its file."""
        size, written = len(transaction.memory), 0
        try:
            if transaction.file is None:
                transaction.file = self._new_file()
            while written < size:
                piece = memoryview(transaction.memory)[written : written + _BLOCK_BYTES]
                written += os.pwrite(transaction.file.fileno(), piece, transaction.file_bytes + written)
        except OSError as error:
            raise self._failed(error) from error
        transaction.memory = bytearray()
        transaction.file_bytes += size
        self._in_memory -= size
        self._in_files += size

    def _new_file(self) -> BinaryIO:
        return cast("BinaryIO", tempfile.TemporaryFile(prefix=_PREFIX, dir=self._folder, buffering=0))

    def _failed(self, error: OSError) -> Failed:
        if error.errno in _DISK_FULL:
            hint = "Free space there and restart the connector; with `streaming: off` the server holds them instead."
            return Failed("disk_full", f"no room for streamed transactions in {self._folder}", hint=hint)
        hint = "The folder must exist and be writable for the user that runs the worker."
        return Failed("spool_unusable", f"cannot write to or read from {self._folder}: {error.strerror}", hint=hint)


def _bursts(transaction: _Transaction) -> Iterator[Sequence[bytes]]:
    """Payloads, read in blocks; a message bigger than a block is read as one."""
    at, wanted = 0, _BLOCK_BYTES
    while at < transaction.size:
        block = transaction.read(at, wanted)
        burst, end = _unpacked(block, transaction.aborted)
        if burst:
            yield burst
        needed = _BLOCK_BYTES
        if end + _HEADER.size <= len(block):
            needed = max(needed, _HEADER.size + _HEADER.unpack_from(block, end)[2])
        if not end and needed <= wanted:
            raise Failed("spool_unusable", "a file of the spool is shorter than what was written to it", hint=_CUT)
        at, wanted = at + end, needed


def _unpacked(block: bytes, aborted: AbstractSet[int]) -> tuple[Sequence[bytes], int]:
    """The payloads of the records that end in the block, and where the next one begins."""
    if COMPILED:
        burst = stream_c.Burst()
        return burst, burst.unpack(block, aborted)
    return _unpacked_payloads(block, aborted)


def _unpacked_payloads(block: bytes, aborted: AbstractSet[int]) -> tuple[Sequence[bytes], int]:
    """The twin of ``Burst.unpack``."""
    payloads, at = [], 0
    while at + _HEADER.size <= len(block):
        subxid, lsn, length = _HEADER.unpack_from(block, at)
        end = at + _HEADER.size + length
        if end > len(block):
            break
        if subxid not in aborted:
            payloads.append(_PAYLOAD.pack(b"w", lsn) + block[at + _HEADER.size : end])
        at = end
    return payloads, at
