"""Rule W1: the source's process ends at each named place, and the next one neither loses nor repeats anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

pytestmark = [pytest.mark.stack, pytest.mark.slow]

AT_START = ("source.after_fence", "source.after_open")
IN_SNAPSHOT = ("snapshot.before_keyless_commit", "snapshot.after_chunk", "snapshot.before_commit")
IN_STREAM = ("source.after_read", "source.before_commit", "source.after_position", "source.after_commit")
IN_STREAM += ("source.after_acknowledge",)


def hits(names: tuple[str, ...], *numbers: int) -> list[ParameterSet]:
    """Each place at each of these hits; later hits than the first belong to the long suite."""
    return [
        pytest.param(f"{name}:exit:{number}", marks=pytest.mark.long if number > 1 else ())
        for name in names
        for number in numbers
    ]


FIRST_RUN = hits(AT_START, 1) + hits(IN_SNAPSHOT[:1], 1) + hits(IN_SNAPSHOT[1:] + IN_STREAM, 1, 3)


@pytest.mark.parametrize("failpoint", FIRST_RUN)
def test_W1_the_first_run_dies_and_the_second_goes_on(failpoint, make_chain, load, run_source, assert_equal) -> None:
    chain = make_chain(sql=False)
    writing = load(chain)
    assert run_source(chain, failpoint=failpoint) == 137
    writing.stop()
    assert run_source(chain, lsn=chain.origin.end()) == 0
    assert_equal(chain, late=chain.tables)


@pytest.mark.parametrize("failpoint", hits(AT_START, 1) + hits(IN_STREAM, 1, 3))
def test_W1_a_streaming_run_dies_and_the_next_goes_on(failpoint, make_chain, load, run_source, assert_equal) -> None:
    chain = make_chain(sql=False)
    assert run_source(chain) == 0
    writing = load(chain)
    assert run_source(chain, lsn=1 << 63, failpoint=failpoint) == 137
    writing.stop()
    assert run_source(chain, lsn=chain.origin.end()) == 0
    assert_equal(chain)
