"""The keys of a Postgres source in the operator's file."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from connect.config.fields import Changes, Milliseconds, Model, Secret, Size, Url
from connectors.postgres.types import TypeOptions

_IDENTITY: Final[dict[str, Any]] = {"changes": Changes.IDENTITY.value}
_MAX_NAME: Final = 63  # bytes; NAMEDATALEN - 1
_SLOT_NAME: Final = re.compile(r"[a-z0-9_]{1,63}")


class Publication(Model):
    """``publication:``. With ``manage`` Connect creates it and keeps its tables equal to the file's."""

    name: str | None = None
    manage: bool = True

    @field_validator("name")
    @classmethod
    def _fits(cls, name: str | None) -> str | None:
        if name is not None and (not name or "\0" in name or len(name.encode()) > _MAX_NAME - 4):
            raise ValueError(f"a publication's name has 1 to {_MAX_NAME - 4} bytes")  # "_ins" may follow
        return name


class Spool(Model):
    """``spool:``. Where the rows of transactions still in progress wait: memory first, then a file."""

    memory: Size = 16 * 2**20
    max: Size = 20 * 2**30


class SnapshotReads(Model):
    """``snapshot:``. How hard the reading of existing rows may press on the database.

    Attributes:
        max_query: A chunk's query may run so long; then it is cancelled and asked for fewer rows.
        readers: So many connections read a chunk at once, each a range of its keys in the same database snapshot. Pays
            where the database takes longer to make the rows than the source to publish them (wide rows, TOAST) and
            both have cores to spare.
    """

    max_query: Milliseconds = Field(default=2_000, ge=10)
    readers: int = Field(default=1, ge=1, le=8)


def _publication(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class PostgresConfig(Model):
    """A Postgres source.

    Attributes:
        url: ``postgresql://user:password@host:port/database?sslmode=…``; libpq's parameters in the query.
        password: Instead of the URL's; read again at each connection.
        slot: Replication slot; by default made of the group's and the source's name.
        publication: A name, or ``{name, manage}``; by default named as the slot.
        heartbeat: While nothing is captured, the position moves on at this period, so that WAL is not held (F15).
        streaming: Whether big transactions are received while still in progress (protocol 2 and later, Postgres 14).
        spool: Bounds of the store for such transactions.
        snapshot: Limits of reading existing rows.
        types: How columns map to values.
    """

    url: Url
    password: Secret | None = None
    slot: str | None = Field(default=None, json_schema_extra=_IDENTITY)
    publication: Annotated[Publication, BeforeValidator(_publication)] = Field(
        default=Publication(), json_schema_extra=_IDENTITY
    )
    heartbeat: Milliseconds = Field(default=10_000, ge=100)
    streaming: Literal["on", "off"] = "on"
    spool: Spool = Spool()
    snapshot: SnapshotReads = SnapshotReads()
    types: TypeOptions = Field(default_factory=TypeOptions, json_schema_extra={"changes": Changes.NEW_RECORDS.value})

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: Secret) -> Secret:
        scheme = url.reveal().partition("://")[0]
        if scheme != "postgresql" and scheme.startswith("postgres"):  # of other tools: postgres, postgresql+psycopg
            raise ValueError(f"{scheme}:// is written postgresql:// here, without a driver's name")
        if scheme != "postgresql":
            raise ValueError("a URL postgresql://user@host:port/database is needed here")
        return url

    @field_validator("slot")
    @classmethod
    def _is_slot(cls, slot: str | None) -> str | None:
        if slot is not None and not _SLOT_NAME.fullmatch(slot):
            raise ValueError("a slot's name has 1 to 63 of the characters a-z, 0-9 and _")
        return slot


def default_name(group: str, connector: str) -> str:
    """The slot's and publication's name of a source that names none: of ``[a-z0-9_]``, at most 59 characters.

    A name that is altered beyond ``-`` → ``_``, or cut, or that holds ``_`` itself, carries a hash of the true one: two
    sources that share a slot would lose changes.
    """
    wanted = f"connect_{group}__{connector}"
    plain = wanted.replace("-", "_")
    if "_" not in group + connector and len(plain) <= _MAX_NAME - 4 and _SLOT_NAME.fullmatch(plain):
        return plain
    name = re.sub(r"[^a-z0-9_]", "_", plain.lower())
    return f"{name[: _MAX_NAME - 13]}_{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"


def default_prefix(group: str) -> str:
    """What the default names of a group's sources begin with, unless they are cut."""
    return re.sub(r"[^a-z0-9_]", "_", f"connect_{group}__".lower())


def slot_name(config: PostgresConfig, group: str, connector: str) -> str:
    """The replication slot of this source."""
    return config.slot or default_name(group, connector)


def publication_name(config: PostgresConfig, group: str, connector: str) -> str:
    """The main publication of this source; tables without a replica identity are in ``inserts_publication``."""
    return config.publication.name or default_name(group, connector)


def server_names(config: PostgresConfig, group: str, connector: str) -> dict[str, str]:
    """What ``Plugin.names`` says: a slot and a publication cannot be renamed under a stored position (F20)."""
    main = publication_name(config, group, connector)
    return {"slot": slot_name(config, group, connector), "publication": main}


def inserts_publication(main: str) -> str:
    """The publication of tables whose UPDATE and DELETE must not be published (F21)."""
    return f"{main}_ins"
