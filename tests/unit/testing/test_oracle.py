"""Lines of the server's ``test_decoding`` are taken apart as the server means them."""

from __future__ import annotations

from collections import Counter

import pytest

from connect.demo.verdict import Change
from connect.testing.oracle import LogOracle, TableLog, parse_cells


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("id[integer]:1 note[text]:'it''s: a[1]:2 '", {"id": "1", "note": "it's: a[1]:2 "}),
        ("id[integer]:-1 note[text]:null", {"id": "-1", "note": None}),
        ('"a b"[integer]:1 "q""q"[text]:\'\'', {"a b": "1", 'q"q': ""}),
        ("f[character]:'  ' t[timestamp without time zone]:'1970-01-01 00:00:01.5'", {"f": "  ", "t": "1500000"}),
    ],
)
def test_cells_keep_their_text(text, cells) -> None:
    assert dict(parse_cells(text)) == cells


@pytest.fixture
def taken():
    def take(*lines: str) -> dict[str, TableLog]:
        logs = {"public.t": TableLog(), "public.k": TableLog()}
        oracle = LogOracle("", "", {"public.t": ("id",), "public.k": ()})
        for line in lines:
            oracle._take(logs, line)
        return logs

    return take


def test_a_changed_key_is_an_end_and_a_beginning(taken) -> None:
    logs = taken("table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 n[integer]:5")
    assert logs["public.t"].histories == {("1",): [Change("d", None)], ("2",): [Change("c", ("2", "5"))]}


def test_a_whole_old_row_is_no_changed_key(taken) -> None:
    line = "table public.t: UPDATE: old-key: id[integer]:1 n[integer]:4 new-tuple: id[integer]:1 n[integer]:5"
    assert taken(line)["public.t"].histories == {("1",): [Change("u", ("1", "5"))]}


def test_a_truncate_ends_every_living_key(taken) -> None:
    logs = taken(
        "table public.t: INSERT: id[integer]:1",
        "table public.t: INSERT: id[integer]:2",
        "table public.t: DELETE: id[integer]:2",
        "table public.x, public.t: TRUNCATE: (no-flags)",
    )
    assert [history[-1].op for history in logs["public.t"].histories.values()] == ["d", "d"]
    assert len(logs["public.t"].histories[("2",)]) == 2


def test_rows_without_a_key_are_counted(taken) -> None:
    lines = ["BEGIN 7", "table public.k: INSERT: n[integer]:1", "table public.other: INSERT: n[integer]:1", "COMMIT 7"]
    assert taken(*lines, *lines)["public.k"].events == Counter({("1",): 2})
