"""A configuration file that uses a stack's servers, to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connect.local.tls import Security

_TLS = 'tls: {{ca: "{ca}"}}'


def file_of(addresses: dict[str, str], security: Security) -> str:
    """YAML of a worker that captures a secure stack's databases, and keeps a copy of them in its search."""
    ca = str(security.authority)
    tls = _TLS.format(ca=ca)
    lines = ["name: local"]
    if "kafka" in addresses:
        sasl = f'sasl: {{mechanism: SCRAM-SHA-512, username: {security.user}, password: "{security.password}"}}'
        lines += ["kafka:", f'  bootstrap: "{addresses["kafka"]}"', f"  security: {{{tls}, {sasl}}}"]
    if "schema_registry" in addresses:
        lines += [f'schema_registry: {{url: "{addresses["schema_registry"]}", {tls}}}']
    lines += ["sources:"] if {"postgres", "mysql", "mariadb"} & addresses.keys() else []
    if "postgres" in addresses:
        lines += [f'  postgres: {{plugin: postgres, url: "{addresses["postgres"]}", tables: ["public.*"]}}']
    for name in ("mysql", "mariadb"):
        if name in addresses:
            lines += [f'  {name}: {{plugin: mysql, url: "{addresses[name]}", {tls}, tables: ["test.*"]}}']
    if "elasticsearch" in addresses:
        url = f'url: "{addresses["elasticsearch"]}", ca: "{ca}"'
        lines += ["sinks:", f'  search: {{plugin: elasticsearch, {url}, topics: ["*.*.*"]}}']
    return "\n".join(lines) + "\n"
