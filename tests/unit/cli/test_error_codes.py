"""The page of codes that is committed is the one that the code makes."""

from pathlib import Path

from connect.cli.error_codes import page


def test_the_page_of_codes_is_current():
    committed = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
    assert committed.read_text() == page(), "run: make docs"
