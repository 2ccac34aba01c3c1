"""What an operator writes for an Elasticsearch sink."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from connect.config.fields import Changes, Milliseconds, Model, Secret, Size, Template, fill, one_host, option
from connect.errors import Failed

_NO_INDEX_NAME: Final = re.compile(r'^[-_+.]|[\\/*?"<>| ,#:\x00-\x1f]|^$')
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_MAX_NAME_BYTES: Final = 240  # of 255: the dated index adds its date and number


def _one_or_more(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _http(url: Secret) -> Secret:
    parts = urlsplit(one_host(url).reveal())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "an address looks like https://es.example:9200 (http or https, F167)"
        raise ValueError(message)
    return url


class ElasticsearchConfig(Model):
    """Options of the sink. TLS certificates are always verified and redirects never followed (F167)."""

    url: Annotated[
        tuple[Annotated[Secret, AfterValidator(_http)], ...],
        BeforeValidator(_one_or_more),
        Field(min_length=1, description="Address of the cluster, or a list of its nodes; http or https."),
    ]
    username: str | None = Field(None, description="User of HTTP basic authentication; needs `password`.")
    password: Secret | None = Field(None, description="Password of `username`.")
    api_key: Secret | None = Field(None, description="Encoded API key, instead of user and password.")
    ca: Path | None = Field(None, description="PEM file of the authority that signed the cluster's certificate.")
    fingerprint: str | None = Field(
        None,
        description="SHA-256 of the cluster's certificate or of its authority's, as Elasticsearch prints it at its "
        "first start, instead of `ca`.",
    )
    batch_bytes: Size = Field(5_000_000, ge=10_000, le=5_000_000, description="Upper size of a bulk request.")
    in_flight: int = Field(2, ge=1, le=16, description="Bulk requests under way at once; never two with one key.")
    timeout: Milliseconds = Field(30_000, ge=100, description="Longest wait for the answer to one request.")
    retries: int = Field(5, ge=0, le=20, description="How often refused items are sent again before the task waits.")
    gc_deletes: Milliseconds = Field(
        3_600_000, ge=1_000, description="How long the indices remember the version of a deleted document."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            message = "username and password stand together"
            raise ValueError(message)
        if self.api_key and self.username:
            message = "api_key stands instead of username and password"
            raise ValueError(message)
        return self

    @field_validator("fingerprint")
    @classmethod
    def _is_sha256(cls, fingerprint: str | None) -> str | None:
        if fingerprint is not None and not _SHA256.fullmatch(fingerprint.replace(":", "")):
            message = "a fingerprint has 64 hexadecimal digits, with or without colons"
            raise ValueError(message)
        return fingerprint

    @model_validator(mode="after")
    def _one_trust(self) -> Self:
        if self.fingerprint and self.ca:
            message = "fingerprint stands instead of ca: take one of them out"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _deletes_outlive_late_writes(self) -> Self:
        late_ms = (self.retries + 1) * self.timeout  # rule E3: a zombie's last request ends by then
        if self.gc_deletes < late_ms:
            message = f"gc_deletes must be at least (retries + 1) x timeout = {late_ms}ms, or late writes undo deletes"
            raise ValueError(message)
        return self


class ElasticsearchTarget(Model):
    """Options of one topic's target."""

    index: Template = option(
        "{table}",
        "Alias to write to, in lower case; `{topic}`, `{prefix}`, `{schema}`, `{table}` are parts of the topic's name.",
        changes=Changes.IDENTITY,
    )


def alias_name(target: ElasticsearchTarget, topic: str) -> str:
    """The alias for a topic, in lower case as Elasticsearch wants it.

    Raises:
        Failed: ``index_name``: Elasticsearch takes no such name.
    """
    name = fill(target.index, topic).lower()
    if _NO_INDEX_NAME.search(name) or len(name.encode()) > _MAX_NAME_BYTES:
        hint = f"Set another one: topics: {{{topic}: {{index: NAME}}}}"
        raise Failed("index_name", f"{name!r}, the target of {topic}, is no index name", hint=hint)
    return name
