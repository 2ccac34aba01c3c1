"""Which findings are SQL: those go into the script of `doctor --sql` as statements."""

import pytest

from connect.errors import Failed
from connectors.postgres.preflight import _finding


@pytest.mark.parametrize(
    ("hint", "is_sql"),
    [
        ('CREATE PUBLICATION "p" FOR TABLE "t";', True),
        ('ALTER PUBLICATION "p" ADD TABLE "t"; -- if it is there: ALTER PUBLICATION "p" SET (…);', True),
        ("`connect remove SOURCE FILE` and start anew: the tables are read again.", False),
    ],
)
def test_a_publication_that_is_missing_is_mended_by_a_statement(hint, is_sql):
    assert _finding(Failed("publication_missing", "there is no publication p", hint=hint)).is_sql is is_sql
