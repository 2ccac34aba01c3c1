"""What a command that dropped things says."""

from __future__ import annotations

import pytest

from connect.cli.asking import tell


@pytest.mark.parametrize(
    ("done", "as_json", "said"),
    [
        (["Dropped a.", "Dropped b."], False, "Dropped a.\nDropped b.\n"),
        ([], False, "Nothing there.\n"),
        (["Dropped a."], True, '{"done": ["Dropped a."]}\n'),
        ([], True, '{"done": []}\n'),
    ],
)
def test_what_was_dropped_is_told(
    *,
    done: list[str],
    as_json: bool,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(done, nothing="Nothing there.", as_json=as_json)

    assert capsys.readouterr().out == said
