"""What the commands of dead letters say where there is none."""

import pytest

from connect.cli.dead_letters import none_is_well
from connect.errors import ConnectError


def test_a_sink_that_has_put_nothing_aside_is_no_failure(capsys):
    with none_is_well("store"):
        raise ConnectError("there is no topic d.store.dead", code="topic_unknown")
    said = "store has put no record aside: there is no topic d.store.dead, or this principal may not see it\n"
    assert capsys.readouterr() == ("", said)


def test_other_errors_pass():
    with pytest.raises(ConnectError, match="down"), none_is_well("store"):
        raise ConnectError("down", code="kafka_unreachable")
