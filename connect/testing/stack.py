"""The local stack as a pytest fixture: real servers, started when a test first asks for one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connect.local.stack import Stack


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    """One stack for the whole test session.

    Its servers ``kafka``, ``schema_registry``, ``elasticsearch``, ``postgres``, ``mysql`` and ``mariadb`` start when
    they are first asked for and end with the session. A test that breaks a server starts one of its own:
    ``stack.new_postgres(name)`` and so on. Where ``CONNECT_TEST_MYSQL`` or ``CONNECT_TEST_MARIADB`` has the URL of an
    account that may do everything, ``stack.mysql`` or ``stack.mariadb`` is that server and none is started.
    """
    # In the session's stash: a module that imports this fixture besides the plugin must not get a second stack.
    if _STACK not in pytestconfig.stash:
        pytestconfig.stash[_STACK] = _start(pytestconfig)
    return pytestconfig.stash[_STACK]


_STACK: pytest.StashKey[Stack] = pytest.StashKey()


def _start(config: pytest.Config) -> Stack:
    # Only here: pytest loads this module in every project that has connect-cdc, with the [local] extra or without.
    from connect.local.stack import NAMEABLE, Stack  # noqa: PLC0415

    urls = {name: os.environ.get(f"CONNECT_TEST_{name.upper()}") for name in NAMEABLE}
    started = Stack(named={name: url for name, url in urls.items() if url})
    config.add_cleanup(started.close)
    return started
