"""The local stack as a pytest fixture: real servers, started when a test first asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connect.local.stack import Stack


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    """One stack for the whole test session.

    Its servers ``kafka``, ``schema_registry``, ``elasticsearch`` and ``postgres`` start when they are first asked for
    and end with the session. A test that breaks a server starts one of its own: ``stack.new_postgres(name)`` and so on.
    """
    # In the session's stash: a module that imports this fixture besides the plugin must not get a second stack.
    if _STACK not in pytestconfig.stash:
        pytestconfig.stash[_STACK] = _start(pytestconfig)
    return pytestconfig.stash[_STACK]


_STACK: pytest.StashKey[Stack] = pytest.StashKey()


def _start(config: pytest.Config) -> Stack:
    # Only here: pytest loads this module in every project that has connect-cdc, with the [local] extra or without.
    from connect.local.stack import Stack  # noqa: PLC0415

    started = Stack()
    config.add_cleanup(started.close)
    return started
