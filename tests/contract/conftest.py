"""Servers of the environment, else of the local stack."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """A Postgres whose superuser we are."""
    return os.environ.get("CONNECT_TEST_POSTGRES") or str(request.getfixturevalue("stack").postgres.address)


@pytest.fixture(scope="session")
def elasticsearch(request: pytest.FixtureRequest) -> str:
    """An Elasticsearch node."""
    return os.environ.get("CONNECT_TEST_ELASTICSEARCH") or str(request.getfixturevalue("stack").elasticsearch.address)


@pytest.fixture(scope="session")
def mysql(request: pytest.FixtureRequest) -> str:
    """A MySQL whose root we are."""
    return os.environ.get("CONNECT_TEST_MYSQL") or str(request.getfixturevalue("stack").mysql.address)


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> str:
    """A MariaDB whose root we are."""
    return os.environ.get("CONNECT_TEST_MARIADB") or str(request.getfixturevalue("stack").mariadb.address)
