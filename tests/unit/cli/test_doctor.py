"""The script of ``doctor --sql``."""

from connect.api.preflight import Finding, Severity
from connect.cli.doctor import script
from connect.runtime.doctor import Checked

GRANT = Finding("public.t", Severity.PROBLEM, "no SELECT on the table", 'GRANT SELECT ON "t" TO "cdc";', is_sql=True)
BY_HAND = Finding("tables", Severity.PROBLEM, "there is no table x", "take it out of `tables:`")
FINE = Finding("wal_level", Severity.OK, "wal_level is logical")


def test_statements_stand_alone_on_their_lines_under_what_they_mend():
    session = "SET lock_timeout = '2s';"
    lines = script([Checked("shop", FINE, session), Checked("shop", GRANT, session)]).splitlines()
    assert [line for line in lines if not line.startswith("--") and line] == [
        "SET lock_timeout = '2s';",
        'GRANT SELECT ON "t" TO "cdc";',
    ]
    assert lines[lines.index('GRANT SELECT ON "t" TO "cdc";') - 1] == "-- problem: public.t: no SELECT on the table"


def test_what_sql_cannot_mend_is_a_comment():
    assert "-- by hand: take it out of `tables:`" in script([Checked("shop", GRANT), Checked("shop", BY_HAND)])


def test_each_database_has_a_part_of_its_own_and_others_have_none():
    text = script([Checked("kafka", BY_HAND), Checked("shop", GRANT), Checked("billing", GRANT)])
    assert [line for line in text.splitlines() if "connect to its database" in line] == [
        "-- shop: connect to its database",
        "-- billing: connect to its database",
    ]


def test_with_nothing_to_mend_it_says_so_and_is_still_sql():
    assert script([Checked("shop", FINE)]) == "-- connect doctor found nothing that SQL would mend."


def test_names_with_line_ends_cannot_leave_their_comment():
    evil = Finding("t\n; DROP TABLE x; --", Severity.WARNING, "m\nDROP TABLE y;", "SELECT 1;", is_sql=True)
    lines = script([Checked("s\nDROP TABLE z;", evil)]).splitlines()
    assert not any("DROP TABLE" in line for line in lines if not line.startswith("--"))
