"""What a run would change: from the notes of the last one, without a server."""

import pytest

from connect.api.tables import TableInfo, TableOptions, View
from connect.config.fields import Changes, Model, Secret, option
from connect.config.keys import SourceKeys
from connect.errors import Failed
from connect.runtime.applied import acts_on
from connect.runtime.difference import TableNow, option_changes, table_changes, topic_changes
from connect.runtime.snapshot_rate import SnapshotRate, noted
from connect.runtime.standing import SinkStanding
from connect.runtime.table_identity import check_identity, identity
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE = TableId("public", "orders")
TOPICS = {View.STATE: "s.public.orders"}


def table(rows=1_000, size=80_000, topics=TOPICS, **options):
    fields = tuple(Field(name, Type(Kind.INT32), optional=True) for name in ("id", "email"))
    info = TableInfo(schema=TableSchema(TABLE, fields, ("id",)), identity=None, rows=rows, bytes=size)
    return TableNow(info, identity(info, TableOptions(**options), topics, "Avro"))


def notes(progress=None, **options):
    done = {"run": 1, "after": ["9"], "rows": 1_000, "done": True}
    return {"table:public.orders": table(**options).note, "snapshot:public.orders": progress or done}


def changes(now, before):
    return list(table_changes("s", "f.yaml", now, before, 100.0))


def test_a_first_plan_is_all_plus_with_rows_bytes_and_time():
    (change,) = changes([table()], {})
    assert (change.sign, change.what, change.rows, change.bytes, change.seconds) == (
        "+",
        "public.orders",
        1_000,
        80_000,
        10.0,
    )


def test_a_table_that_the_server_never_counted_is_not_called_empty():
    (change,) = changes([table(rows=-1)], {})
    assert (change.rows, change.bytes, change.seconds) == (-1, 80_000, 0.0)


def test_what_is_as_it_was_changes_nothing():
    assert changes([table()], notes()) == []


def test_a_note_of_a_release_without_options_changes_nothing():
    before = notes()
    del before["table:public.orders"]["options"]
    assert changes([table(new_columns="hold")], before) == []


def test_of_a_table_that_is_still_being_read_the_rest_counts():
    (change,) = changes([table()], notes({"run": 1, "after": ["3"], "rows": 400, "done": False}))
    assert (change.sign, change.rows, change.bytes, change.text) == ("+", 600, 48_000, "its rows are still being read")


def test_a_table_whose_rows_were_left_out_and_are_wanted_now_is_read():
    before = {"table:public.orders": table(snapshot="never").note}
    change, option_ = changes([table()], before)
    assert (change.sign, change.rows) == ("+", 1_000)
    assert option_.text == 'snapshot.mode: "never" → "initial"'


def test_a_table_that_is_left_out_keeps_its_topic():
    (change,) = changes([], notes())
    assert (change.sign, change.what) == ("-", "public.orders")
    assert "s.public.orders stays" in change.text


def test_a_changed_option_of_identity_is_refused_in_the_words_of_the_run():
    now = table(value="row")
    (change,) = changes([now], notes())
    with pytest.raises(Failed) as refused:
        check_identity(TABLE, notes()["table:public.orders"], now.note)
    assert (change.text, change.remedy, change.code) == (
        refused.value.message,
        refused.value.hint,
        "identity_changed",
    )
    assert change.acts == "identity"


@pytest.mark.parametrize(
    ("options", "acts", "says", "remedy"),
    [
        ({"new_columns": "hold"}, "live", 'new_columns: "publish" → "hold"', ""),
        ({"columns": ("id",)}, "new records only", 'columns: not set → ["id"]', "connect snapshot s f.yaml --table"),
        ({"mask": {"email": "hash"}}, "new records only", "hold clear values", "connect snapshot s f.yaml --table"),
        ({"where": "id > 5"}, "live", "rows read from now on", "connect snapshot s f.yaml --table"),
    ],
)
def test_a_changed_option_says_what_it_acts_on_and_what_does_more(options, acts, says, remedy):
    (change,) = changes([table(**options)], notes())
    assert (change.sign, change.acts, says in change.text) == ("~", acts, True)
    assert change.remedy.startswith(remedy)


def test_a_mask_that_goes_is_told():
    (change,) = changes([table()], notes(mask={"email": "hash"}))
    assert "email is published clear from now on" in change.text


def test_a_view_that_ends_keeps_its_topic():
    both = {**TOPICS, View.EVENTS: "s.public.orders.events"}
    (change,) = changes([table()], notes(topics=both))
    assert (change.sign, change.text) == ("-", "its events view ends; s.public.orders.events stays as it is")


def test_retention_of_an_event_view_needs_a_command_of_kafkas():
    both = {**TOPICS, View.EVENTS: "s.public.orders.events"}
    (change,) = changes([table(topics=both, events_keep_ms=5)], notes(topics=both))
    assert "--topic s.public.orders.events --add-config retention.ms=5" in change.remedy


class Plugin(Model):
    slot: str | None = option(None, "Its slot.", changes=Changes.IDENTITY)
    password: Secret | None = option(None, "Its password.")


def acts(name):
    return acts_on(name, (Plugin, SourceKeys))


def test_a_connectors_options_are_compared_with_those_of_its_last_run():
    found = list(option_changes({"slot": "a", "adopt": False}, {"slot": "b", "adopt": True}, acts, "anew"))
    assert [(change.what, change.acts, change.remedy) for change in found] == [
        ("adopt", "live", ""),
        ("slot", "identity", "anew"),
    ]
    assert list(option_changes(None, {"slot": "b"}, acts, "anew")) == []


def test_a_sinks_topics_come_change_and_go():
    standing = SinkStanding(None, {"a": {"table": "x"}, "gone": None}, frozenset({"a", "gone", "back"}), 10.0)
    now = {"a": {"table": "y"}, "new": {"table": "n"}, "back": {"table": "b"}}
    found = list(topic_changes(standing, now, {"new": 50, "back": 9}, acts, "connect rebuild w f.yaml"))
    assert [(change.sign, change.what, change.rows, change.seconds) for change in found] == [
        ("~", "a", 0, 0.0),
        ("+", "new", 50, 5.0),
        ("+", "back", 0, 0.0),
        ("-", "gone", 0, 0.0),
    ]


def test_the_rate_is_measured_over_big_chunks_without_pauses():
    rate = SnapshotRate()
    rate.add(500, 0.1)
    rate.add(9_000, 1.0)
    assert rate.note() is None
    rate.add(5_000, 400.0)
    rate.add(11_000, 3.0)
    assert noted({"rate": rate.note()}) == 5_000
