"""Managed Postgres: who runs the server, and that platform's own step in place of ALTER SYSTEM, which is refused there.

Each is known by a role that every server of the platform has, and that anybody may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connectors.postgres.server import row

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True)
class Platform:
    """A platform.

    Attributes:
        title: For people.
        role: The role that every server of it has.
        logical: What makes ``wal_level`` logical.
        setting: Where another setting is changed, with ``{name}`` and ``{value}``.
        replication: SQL that lets ``{role}`` replicate; words where there is none.
        granted_by: The role whose members may replicate, where it is not an attribute.
        notice: What bites there and nowhere else.
    """

    title: str
    role: str
    logical: str
    setting: str
    replication: str = "ALTER ROLE {role} REPLICATION;"
    granted_by: str | None = None
    notice: str | None = None


_PLATFORMS: Final = (
    Platform(
        "Amazon RDS or Aurora",
        "rds_superuser",
        "in the parameter group (Aurora: the cluster's) set rds.logical_replication = 1, then reboot the writer",
        "in the parameter group (Aurora: the cluster's) set {name} = {value}; a static one needs a reboot",
        "GRANT rds_replication TO {role};",
        "rds_replication",
    ),
    Platform(
        "Google Cloud SQL",
        "cloudsqlsuperuser",
        "set the database flag cloudsql.logical_decoding = on; the instance restarts",
        "set the database flag {name} = {value}",
    ),
    Platform(
        "Azure Database for PostgreSQL",
        "azure_pg_admin",
        "under Server parameters set wal_level = logical, save, and restart the server",
        "under Server parameters set {name} = {value}, save, and restart the server where it asks for it",
    ),
    Platform(
        "Supabase",
        "supabase_admin",
        "supabase postgres-config update --config wal_level=logical, then restart the project",
        "supabase postgres-config update --config {name}={value}",
    ),
    Platform(
        "Neon",
        "neon_superuser",
        "in the project's settings, Logical Replication, press Enable; every compute restarts",
        "Neon chooses {name} itself: ask its support for {value}",
        "make the role in Neon's console, CLI or API: roles made there may replicate, those made by SQL may not",
        notice="Neon drops a slot that nobody has read for about 40 hours while another is read: a worker that is "
        "stopped for that long begins anew",
    ),
)


def platform_of(connection: psycopg.Connection[Any]) -> Platform | None:
    """The platform that runs the server; None where it is nobody's, or nobody's that is known."""
    names = [platform.role for platform in _PLATFORMS]
    query = "SELECT array_agg(rolname::text) FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"
    found = row(connection, query, (names,))[0] or ()
    return next((platform for platform in _PLATFORMS if platform.role in found), None)


@dataclass(frozen=True)
class Step:
    """What mends something: ``text``, and whether it is SQL that an administrator can run as it stands."""

    text: str
    is_sql: bool = True


def logical_step(platform: Platform | None) -> Step:
    """What makes ``wal_level`` logical."""
    if platform is None:
        return Step("ALTER SYSTEM SET wal_level = logical; -- then restart the server")
    return Step(f"{platform.title}: {platform.logical}", is_sql=False)


def setting_step(platform: Platform | None, name: str, value: str, *, restart: bool = False) -> Step:
    """What changes a setting, with ``restart`` one that a running server does not take."""
    if platform is not None:
        return Step(f"{platform.title}: {platform.setting.format(name=name, value=value)}", is_sql=False)
    then = " -- then restart the server" if restart else " SELECT pg_reload_conf();"
    return Step(f"ALTER SYSTEM SET {name} = '{value}';{then}")


def replication_step(platform: Platform | None, role: str) -> Step:
    """What lets a role, given as SQL, replicate."""
    text = (platform.replication if platform else Platform.replication).format(role=role)
    return Step(text, is_sql=text.endswith(";"))


def check_ready(connection: psycopg.Connection[Any], connector: str) -> None:
    """Settings without which nothing works.

    Raises:
        Failed: ``wal_level``, ``standby``.
    """
    level, standby = row(connection, "SELECT current_setting('wal_level'), pg_catalog.pg_is_in_recovery()")
    if level != "logical":
        raise Failed(
            "wal_level",
            f"{connector}: wal_level is {level}, so the log does not carry rows",
            hint=logical_step(platform_of(connection)).text,
        )
    if standby:
        raise Failed("standby", f"{connector}: the server is a standby", hint="Point the URL at the primary.")
