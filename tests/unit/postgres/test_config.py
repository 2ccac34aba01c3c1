import pytest
from pydantic import ValidationError

from connectors.postgres.config import (
    PostgresConfig,
    default_name,
    inserts_publication,
    publication_name,
    slot_name,
)

URL = "postgresql://cdc:s3cret@db/shop"


def test_the_minimal_source_needs_a_url_only():
    config = PostgresConfig(url=URL)
    assert slot_name(config, "shop-cdc", "shop") == "connect_shop_cdc__shop"
    assert publication_name(config, "shop-cdc", "shop") == "connect_shop_cdc__shop"
    assert config.publication.manage


def test_a_publication_may_be_just_its_name():
    assert PostgresConfig(url=URL, publication="p").publication.name == "p"
    assert not PostgresConfig(url=URL, publication={"name": "p", "manage": False}).publication.manage


@pytest.mark.parametrize("url", ["mysql://db/shop", "http://db", "db", "", "postgres://db/x"])
def test_another_scheme_is_refused_without_repeating_the_url(url):
    with pytest.raises(ValidationError) as refused:
        PostgresConfig(url=url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgres"])
def test_a_scheme_of_another_tool_is_refused_with_ours(scheme):
    with pytest.raises(ValidationError, match=r"is written postgresql:// here"):
        PostgresConfig(url=f"{scheme}://cdc@db/shop")


@pytest.mark.parametrize("slot", ["", "Upper", "with-dash", "ü", "a" * 64, "p','q", 'x"; DROP'])
def test_F169_a_slot_name_outside_the_servers_alphabet_is_refused(slot):
    with pytest.raises(ValidationError):
        PostgresConfig(url=URL, slot=slot)


@pytest.mark.parametrize("name", ["", "a" * 60, "ü" * 30, "nul\0"])
def test_F169_a_publication_name_is_measured_in_bytes(name):
    with pytest.raises(ValidationError):
        PostgresConfig(url=URL, publication=name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a-b", "c"), ("a_b", "c")),
        (("A", "c"), ("a", "c")),
        (("x" * 80, "c"), ("x" * 80, "d")),
        (("ä", "c"), ("ö", "c")),
        (("a", "b-c"), ("a-b", "c")),
    ],
)
def test_two_sources_never_share_a_default_slot(one, other):
    assert default_name(*one) != default_name(*other)


@pytest.mark.parametrize("group", ["g", "G-1", "é" * 100, "with space", "_"])
def test_default_names_fit_the_server(group):
    name = default_name(group, "source")
    assert PostgresConfig(url=URL, slot=name, publication=name).slot == name
    assert len(inserts_publication(name).encode()) <= 63


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="slots"):
        PostgresConfig(url=URL, slots="x")
