"""What a command that dropped things says."""

from __future__ import annotations

import pytest
import typer

from connect.cli.asking import confirmed, tell


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


class _Terminal:
    """A terminal at which somebody presses keys."""

    def __init__(self, ends: type[BaseException]) -> None:
        self._ends = ends

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        raise self._ends


@pytest.mark.parametrize(("ends", "code"), [(KeyboardInterrupt, 130), (EOFError, 3)])
def test_a_question_that_is_broken_off_does_nothing_and_says_so(
    ends: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", _Terminal(ends))

    with pytest.raises(typer.Exit) as caught:
        confirmed("Drop it?", yes=False)

    assert caught.value.exit_code == code
    assert capsys.readouterr().err.endswith("\nNothing was done.\n")
