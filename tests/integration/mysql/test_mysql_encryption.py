"""A log that lies encrypted on the server's disk is sent decrypted, and read like any other (F70)."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from connect.local.mysql import Mysql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.mysql.conftest import Shop

pytestmark = pytest.mark.stack


@pytest.fixture
def shop(new_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """On a MySQL with a keyring, which it looks for beside its program: so the program lies in a folder of its own."""
    tree_of = Mysql._tree

    def tree(server: Mysql) -> Path:
        own = server.folder / "tree"
        if not own.exists():
            shutil.copytree(tree_of(server), own, symlinks=True, copy_function=_link)
            _write(own / "usr/sbin/mysqld.my", {"components": "file://component_keyring_file"})
            keys = {"path": str(server.data / "keyring"), "read_only": False}
            _write(own / "usr/lib/mysql/plugin/component_keyring_file.cnf", keys)
        return own

    monkeypatch.setattr(Mysql, "_tree", tree)
    return new_shop("mysql", "encrypted", settings={"binlog_encryption": "ON"})


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system
        shutil.copy2(source, target)


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o644)


def test_F70_an_encrypted_log_is_read_and_gone_on_with(shop: Shop) -> None:
    reader = shop.open()
    shop.sql("INSERT INTO t VALUES (1, 'a text that nobody reads on the disk')")
    first = reader.read(1)
    shop.sql("FLUSH BINARY LOGS", "ALTER INSTANCE ROTATE BINLOG MASTER KEY", "INSERT INTO t (id) VALUES (2)")
    reader.read(1)
    resume = reader.close()
    shop.insert(3, 3)

    [last] = shop.open(resume).read(1)

    assert first[0].after.to_dict() == {"id": 1, "v": "a text that nobody reads on the disk"}
    assert last.after["id"] == 3
    assert {row[2] for row in shop.sql("SHOW BINARY LOGS")[-2:]} == {"Yes"}
    assert all(b"a text that nobody" not in path.read_bytes() for path in shop.server.binlogs)
