import psycopg
import pytest

from connect.errors import Failed, Retriable
from connect.schema.model import TableId
from connectors.postgres import PLUGIN
from connectors.postgres.errors import translate
from connectors.postgres.failures import FAILURES

STATES = [
    ("08006", Retriable, "source_unreachable"),
    ("57P01", Retriable, "source_unreachable"),
    ("57P03", Retriable, "source_unreachable"),
    ("53300", Retriable, "source_unreachable"),
    ("53400", Failed, "no_free_slot"),
    ("55P03", Retriable, "source_unreachable"),
    ("40001", Retriable, "source_unreachable"),
    ("57014", Retriable, "query_budget"),
    ("55006", Retriable, "slot_busy"),
    ("28P01", Failed, "password"),
    ("28000", Failed, "permission"),
    ("3D000", Failed, "database_missing"),
    ("42501", Failed, "permission"),
    ("42P01", Failed, "table_missing"),
    ("42703", Failed, "column_missing"),
    ("42601", Failed, "source_error"),
    ("55000", Failed, "source_error"),
]
TEXTS = [
    ('FATAL:  password authentication failed for user "cdc"', Failed, "password"),
    ("fe_sendauth: no password supplied", Failed, "password"),
    ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', Failed, "permission"),
    ("FATAL:  must be superuser or replication role to start walsender", Failed, "permission"),
    ("FATAL:  permission denied to start WAL sender", Failed, "permission"),
    ('FATAL:  role "cdc" does not exist', Failed, "permission"),
    ('FATAL:  database "shop" does not exist', Failed, "database_missing"),
    ("SSL error: certificate verify failed", Failed, "tls"),
    ("FATAL:  unsupported startup parameter: replication", Failed, "pooler"),
    ("FATAL:  unsupported startup parameter in options: search_path", Failed, "pooler"),
    ("connection refused\n\tIs the server running?", Retriable, "source_unreachable"),
    ("FATALE : erreur inconnue", Retriable, "source_unreachable"),
]


@pytest.mark.parametrize(("state", "kind", "code"), STATES)
def test_W4_each_sqlstate_has_its_row(state, kind, code):
    error = psycopg.errors.lookup(state)("secret row value")
    found = translate(error, "shop: reading")
    assert (type(found), found.code) == (kind, code)
    assert "secret" not in str(found)
    assert state in found.message
    assert found.hint


@pytest.mark.parametrize(
    ("state", "code"), [("55000", "slot_lost"), ("58P01", "slot_lost"), ("42704", "publication_missing")]
)
def test_W4_what_ends_the_stream_has_a_meaning_of_its_own(state, code):
    assert translate(psycopg.errors.lookup(state)("x"), "shop", stream=True).code == code


@pytest.mark.parametrize(("text", "kind", "code"), TEXTS)
def test_W4_a_connection_that_never_came_up_is_told_by_its_text(text, kind, code):
    found = translate(psycopg.OperationalError(text), "shop: connecting")
    assert (type(found), found.code) == (kind, code)
    assert "\n" not in found.message


def test_a_missing_right_on_a_table_comes_with_its_grant():
    error = psycopg.errors.lookup("42501")("permission denied for table orders")
    found = translate(error, "shop: reading public.orders", role='"cdc"', table=TableId("public", "orders"))
    assert 'GRANT SELECT ON "public"."orders" TO "cdc";' in found.hint


def test_a_missing_right_of_the_role_comes_with_its_alter():
    error = psycopg.OperationalError("FATAL:  permission denied to start WAL sender")
    assert translate(error, "shop: connecting", role='"cdc"').hint.startswith('ALTER ROLE "cdc" REPLICATION;')


def test_every_code_of_the_table_is_explained():
    codes = {code for _, _, code in (*STATES, *TEXTS)}
    assert codes <= set(PLUGIN.failures)


def test_what_to_do_about_a_missing_publication_fits_whoever_manages_it():
    what_to_do = FAILURES["publication_missing"][2]
    assert "manage: false" in what_to_do
    assert "connect remove SOURCE" in what_to_do
    assert "take that table out" in what_to_do


@pytest.mark.parametrize("state", ["08006", "55P03"])
def test_a_hint_does_not_promise_what_only_a_worker_does(state):
    """``peek`` and ``init`` print it too, and they end."""
    hint = translate(psycopg.errors.lookup(state)("x"), "opening").hint

    assert "again by itself" not in hint
