"""URLs that are given to commands."""

import pytest

from connect.cli.urls import clear
from connect.errors import ConfigError


def test_a_password_may_stand_in_the_environment(monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "secret")
    assert clear("postgresql://cdc:${env:SHOP_PASSWORD}@db/shop") == "postgresql://cdc:secret@db/shop"


def test_a_variable_that_is_not_there_is_named(monkeypatch):
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    with pytest.raises(ConfigError) as told:
        clear("postgresql://cdc:${env:SHOP_PASSWORD}@db/shop")
    assert "SHOP_PASSWORD" in told.value.problems[0].message
