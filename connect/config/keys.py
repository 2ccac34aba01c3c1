"""The keys that a file may hold, with their types, defaults and meaning; the reference page is made from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from connect.api.tables import View
from connect.config import msk
from connect.config.client import refusal
from connect.config.fields import Changes, HttpUrl, Milliseconds, Model, Secret, option
from connect.config.window import Hours  # noqa: TC001 - pydantic reads the annotation when it runs
from connect.transforms.mask import MaskKind  # noqa: TC001 - pydantic reads the annotation when it runs

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")


def _is_name(value: str) -> str:
    if not NAME.fullmatch(value) or value in (".", ".."):
        message = "a name has 1 to 128 letters, digits, dots, _ and -"
        raise ValueError(message)
    return value


def _is_address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        message = f"{value!r} is no address: write host:port"
        raise ValueError(message)
    return value


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_is_name)]
Address = Annotated[str, AfterValidator(_is_address)]


class Tls(Model):
    """Encryption, with the server's certificate and name checked (F171). ``{}`` trusts the system's authorities."""

    ca: str | None = option(None, "File of the authorities' certificates; the system's where left out.")
    cert: str | None = option(None, "File of the client's certificate.")
    key: str | None = option(None, "File of the client's private key.")
    key_password: Secret | None = option(None, "Password of that key.")


class Oidc(Model):
    """Where a token is had for `OAUTHBEARER`: an OpenID provider, asked with client credentials."""

    token_url: HttpUrl = option(..., "The provider's token endpoint.")
    client_id: str = option(..., "Who asks.")
    client_secret: Secret = option(..., "Its secret.")
    scope: str | None = option(None, "What is asked for, where the provider wants to know.")
    ca: str | None = option(None, "File of the provider's authorities; the system's where left out.")


class Sasl(Model):
    """Who the worker is for the brokers."""

    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER", "AWS_MSK_IAM", "GSSAPI"] = option(
        "SCRAM-SHA-512",
        "How it says so. `PLAIN` shows the password itself, so give `tls` too; `AWS_MSK_IAM` is for Amazon MSK, and "
        "comes with `pip install 'connect-cdc[msk]'`.",
    )
    username: str | None = option(None, "The principal's name, for `SCRAM-…` and `PLAIN`.")
    password: Secret | None = option(None, "Its password.")
    oidc: Oidc | None = option(None, "For `OAUTHBEARER`.")
    region: str | None = option(
        None, "AWS region of the cluster, for `AWS_MSK_IAM`; credentials are found as AWS's own tools find them."
    )

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needs = _NEEDED.get(self.mechanism, ())
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            message = f"mechanism {self.mechanism} needs {' and '.join(missing)} beside it"
            raise ValueError(message)
        idle = [
            name for name in ("username", "password", "oidc", "region") if getattr(self, name) and name not in needs
        ]
        if idle and self.mechanism != "GSSAPI":
            message = f"mechanism {self.mechanism} has no use for {' and '.join(idle)}: take it out"
            raise ValueError(message)
        if self.mechanism == "AWS_MSK_IAM" and not msk.is_installed():
            message = "mechanism AWS_MSK_IAM comes with an extra: pip install 'connect-cdc[msk]'"
            raise ValueError(message)
        return self


_LOGIN = ("username", "password")
_NEEDED = {
    "SCRAM-SHA-256": _LOGIN,
    "SCRAM-SHA-512": _LOGIN,
    "PLAIN": _LOGIN,
    "OAUTHBEARER": ("oidc",),
    "AWS_MSK_IAM": ("region",),
}


class KafkaSecurity(Model):
    """How the brokers are talked to; nothing set is plain text."""

    tls: Tls | None = option(None, "Encryption.")
    sasl: Sasl | None = option(None, "Log-in.")

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        if self.sasl and self.sasl.mechanism == "AWS_MSK_IAM" and self.tls is None:
            message = "mechanism AWS_MSK_IAM needs tls beside it: write tls: {}"
            raise ValueError(message)
        return self


class KafkaConfig(Model):
    """The Kafka cluster."""

    bootstrap: Annotated[list[Address], BeforeValidator(_comma_list), Field(min_length=1)] = option(
        ..., "`host:port` of one or more brokers."
    )
    security: KafkaSecurity = option(KafkaSecurity(), "Encryption and log-in.")
    client: dict[str, str] = option({}, "Literal librdkafka settings of the connection; those that pass through only.")

    @field_validator("client")
    @classmethod
    def _passes_through(cls, client: dict[str, str]) -> dict[str, str]:
        refused = [f"{name}: {why}" for name in client if (why := refusal(name))]
        if refused:
            raise ValueError("; ".join(refused))
        return client

    def settings(self) -> dict[str, Any]:
        """Librdkafka's settings of the connection, secrets read anew and in clear: for its constructors, no log."""
        tls, sasl = self.security.tls, self.security.sasl
        protocol = f"{'SASL_' if sasl else ''}{'SSL' if tls else 'PLAINTEXT'}"
        found: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.bootstrap),
            "security.protocol": protocol,
            **self.client,
        }
        if tls:
            found |= _present(
                {
                    "ssl.ca.location": tls.ca,
                    "ssl.certificate.location": tls.cert,
                    "ssl.key.location": tls.key,
                    "ssl.key.password": _revealed(tls.key_password),
                }
            )
        return found | (_sasl(sasl) if sasl else {})


def _sasl(sasl: Sasl) -> dict[str, Any]:
    if sasl.mechanism == "AWS_MSK_IAM":
        return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": msk.signer(str(sasl.region))}
    found = {
        "sasl.mechanism": sasl.mechanism,
        "sasl.username": sasl.username,
        "sasl.password": _revealed(sasl.password),
    }
    if oidc := sasl.oidc:
        found |= {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": oidc.token_url.reveal(),
            "sasl.oauthbearer.client.id": oidc.client_id,
            "sasl.oauthbearer.client.secret": oidc.client_secret.reveal(),
            "sasl.oauthbearer.scope": oidc.scope,
            "https.ca.location": oidc.ca,
        }
    return _present(found)


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _present(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


_GLUE = re.compile(r"^arn:aws[\w-]*:glue:|^https?://([\w.-]*\.)?glue[.-][\w.-]*amazonaws\.com", re.IGNORECASE)


def _not_glue(url: Any) -> Any:
    if isinstance(url, str) and _GLUE.match(url):
        message = (
            "AWS Glue Schema Registry does not speak Confluent's API and is not supported: run a registry that does "
            "(Apicurio, Confluent, Karapace), or leave schema_registry out for JSON"
        )
        raise ValueError(message)
    return url


class RegistryConfig(Model):
    """The schema registry. Without one the format is Debezium's JSON with schema and payload."""

    url: Annotated[HttpUrl, BeforeValidator(_not_glue)] = option(
        ..., "Its address; user name and password may stand in it."
    )
    username: str | None = option(None, "User name, where it is not in the URL.")
    password: Secret | None = option(None, "Password, where it is not in the URL.")
    token: Secret | None = option(None, "What `Authorization: Bearer` carries, instead of user name and password.")
    tls: Tls | None = option(None, "Own authorities or a client certificate.")
    auto_register: bool = option(
        True,
        "Register schemas; `false`: somebody else does, and a schema that is missing stops its source.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.token and (self.username or self.password or "@" in self.url.reveal()):
            message = "token stands instead of user name and password: take one of them out"
            raise ValueError(message)
        if self.password and not self.username and "@" not in self.url.reveal():
            message = "password needs username beside it"
            raise ValueError(message)
        return self


class ServerTls(Model):
    """The certificate that the worker shows to those who ask for its pages."""

    cert: str = option(..., "PEM file of the certificate and its chain.")
    key: str = option(..., "PEM file of its private key.")


class WorkerConfig(Model):
    """The worker process. A `listen` that other machines reach needs `token` and `tls` (F162)."""

    listen: Address = option("127.0.0.1:8083", "Where /health, /metrics and /status are served; port 0 is a free one.")
    on_failed: Literal["keep_others", "exit"] = option(
        "keep_others", "When a connector is FAILED: the others go on, or the worker ends."
    )
    token: Secret | None = option(None, "What `Authorization: Bearer` has to carry on every page.")
    tls: ServerTls | None = option(None, "Serve the pages over HTTPS.")


class EventsOptions(Model):
    """The event view of a table."""

    keep: Milliseconds = option(-1, "How long its records are kept.")


class TableSnapshot(Model):
    """How the rows that are there already are read."""

    mode: Literal["initial", "never"] = option("initial", "Read them, or begin with the log.")
    where: str | None = option(None, "A SQL condition on the rows that are read.")


class TableEntry(Model):
    """Options of one table or pattern under ``tables:``, and of ``defaults:``."""

    views: Annotated[tuple[View, ...], Field(min_length=1)] = option(
        (View.STATE,),
        "`state`: a compacted topic with the latest row of each key; `events`: every change, in `….events`.",
        changes=Changes.IDENTITY,
    )
    value: Literal["envelope", "row"] = option(
        "envelope", "Debezium's envelope, or the flat row and `__pos`.", changes=Changes.IDENTITY
    )
    partitions: Annotated[int, Field(ge=1, le=10_000)] = option(
        1, "Partitions of its topics.", changes=Changes.IDENTITY
    )
    key: Annotated[tuple[str, ...], Field(min_length=1)] | None = option(
        None, "Topic-key columns instead of the primary key.", changes=Changes.IDENTITY
    )
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = option(
        None, "Only these columns.", changes=Changes.NEW_RECORDS
    )
    mask: dict[str, MaskKind] | None = option(
        None, "Column → `hash`, `nullify` or `{fixed: value}`.", changes=Changes.NEW_RECORDS
    )
    new_columns: Literal["publish", "hold", "fail"] = option(
        "publish",
        "What a column does that is added later. The log does not carry what its DEFAULT fills into older rows: "
        "a constant reaches the targets with the schema; what is computed (`now()`, a sequence) does not, before "
        "`connect snapshot SOURCE FILE --table T` reads the table anew.",
        changes=Changes.LIVE,
    )
    changed_types: Literal["fail", "publish"] = option(
        "fail",
        "What a column does whose type changes so that no reader reads both. `publish` allows it; with a registry so "
        "does the compatibility NONE of the topic's value subject, and the registry is asked in any case.",
        changes=Changes.LIVE,
    )
    events: EventsOptions = option(EventsOptions(), "The event view.")
    snapshot: TableSnapshot = option(TableSnapshot(), "The rows that are there already.")


class SourceSnapshot(Model):
    """What the framework reads of a source's ``snapshot:``; the plugin's own keys stand beside it."""

    max_rows_per_second: Annotated[int, Field(ge=1)] | None = option(
        None,
        "Limit over all tables with a key, by pauses between chunks; none where left out. A table without a key is "
        "read in one piece, as fast as it comes.",
    )
    window: Hours | None = option(
        None,
        "Hours in which rows are read, by this machine's clock or a zone's: `22:00-05:00 Europe/Berlin`. The log is "
        "followed at any time; a table without a key is read at its first start.",
    )


class SourceKeys(Model):
    """Keys of a source that the framework reads itself."""

    plugin: str = option(..., "The plugin's name, as `connect plugins` lists it.", changes=Changes.IDENTITY)
    topic_prefix: Name | None = option(None, "First part of topic names; the source's name.", changes=Changes.IDENTITY)
    adopt: bool = option(
        False, "Write to topics that hold records of somebody else too; without it the first start refuses them."
    )
    tables: dict[str, TableEntry] = option(..., "Tables to capture: names and patterns, as a list or with options.")
    exclude: list[str] = option([], "Names and patterns of tables that stay out, whatever `tables` says.")
    defaults: TableEntry = option(TableEntry(), "Options of every table that does not say otherwise.")
    snapshot: SourceSnapshot = option(SourceSnapshot(), "Shared by all tables.")
    transforms: list[dict[str, Any]] = option([], "What happens to changes, in this order, after `mask` and `columns`.")


class DeadLetters(Model):
    """Where records go that cannot be written."""

    topic: Name | None = option(None, "The topic; `<name>.<sink>.dead`.", changes=Changes.IDENTITY)
    keep: Milliseconds = option(14 * 86_400_000, "How long they are kept.")


class TargetKeys(Model):
    """Options of one topic or pattern under ``topics:`` that the framework reads itself."""

    fields: Annotated[tuple[str, ...], Field(min_length=1)] | None = option(
        None, "Only these fields.", changes=Changes.NEW_RECORDS
    )


class SinkKeys(Model):
    """Keys of a sink that the framework reads itself."""

    plugin: str = option(..., "The plugin's name, as `connect plugins` lists it.", changes=Changes.IDENTITY)
    topics: dict[str, dict[str, Any]] = option(
        ...,
        "Topics to read: names and patterns, as a list or with options. A `*` stops at a dot: `shop.*.*` are the state "
        "topics, `shop.*.*.events` the event views, all that a table without a key has.",
    )
    exclude: list[str] = option(
        [], "Names and patterns of topics that stay out, whatever `topics` says; also of those deleted on purpose."
    )
    defaults: dict[str, Any] = option({}, "Options of every topic that does not say otherwise.")
    transforms: list[dict[str, Any]] = option([], "What happens to records, in this order, before `fields`.")
    on_error: Literal["fail", "dead_letter"] = option("fail", "What a record does that cannot be written.")
    dead_letters: DeadLetters = option(DeadLetters(), "Only with `on_error: dead_letter`.")


class FileKeys(Model):
    """The keys of a file besides ``sources`` and ``sinks``."""

    name: Name = option(
        ..., "The worker group: prefix of transactional ids and internal topics.", changes=Changes.IDENTITY
    )
    kafka: KafkaConfig = option(..., "The Kafka cluster.")
    schema_registry: RegistryConfig | None = option(
        None, "The registry; JSON where left out.", changes=Changes.IDENTITY
    )
    worker: WorkerConfig = option(WorkerConfig(), "The worker process.")
    mask_key: Secret | None = option(
        None, "Secret of `mask: hash`, 16 characters or more.", changes=Changes.NEW_RECORDS
    )

    @field_validator("mask_key")
    @classmethod
    def _is_long(cls, key: Secret | None) -> Secret | None:
        if key is not None and len(key.reveal()) < 16:
            message = "16 characters or more are needed, or hashes can be guessed: openssl rand -hex 32"
            raise ValueError(message)
        return key
