"""A table that changes is published by its policy, before and after a restart."""

import pytest

from connect.api.tables import TableOptions
from connect.errors import Failed
from connect.record import plain_shape
from connect.runtime.shape_history import ShapeHistory
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE = TableId("public", "orders")
ID = Field("id", Type(Kind.INT32), optional=False)
NOTE = Field("note", Type(Kind.STRING))


def shape(*columns):
    return plain_shape(TableSchema(TABLE, columns, ("id",)))


class Table:
    """A history whose notes live as long as the topic."""

    def __init__(self, policy="publish", *, may_break=False, changed_types="fail"):
        self.notes = {}
        self.options = TableOptions(new_columns=policy, changed_types=changed_types)
        self.may_break = may_break

    def start(self):
        return ShapeHistory(TABLE, self.options, self.notes, self.notes.__setitem__, lambda: self.may_break)


def names(found):
    return [column.name for column in found.schema.columns]


def test_an_unchanged_table_keeps_its_very_shape():
    history, first = Table().start(), shape(ID)
    assert history.shape(first) is first


def test_a_new_column_is_published_by_default():
    history = Table().start()
    history.shape(shape(ID))
    assert names(history.shape(shape(ID, NOTE))) == ["id", "note"]


def test_a_held_column_stays_out_after_a_restart_too():
    table = Table("hold")
    table.start().shape(shape(ID))
    table.start().shape(shape(ID, NOTE))
    assert names(table.start().shape(shape(ID, NOTE))) == ["id"]


def test_a_new_column_stops_the_table_where_the_policy_says_so():
    table = Table("fail")
    table.start().shape(shape(ID))
    with pytest.raises(Failed) as failed:
        table.start().shape(shape(ID, NOTE))
    assert failed.value.code == "columns_added"


def test_F101_an_incompatible_type_stops_the_table_and_the_note_stays():
    table = Table()
    table.start().shape(shape(ID, NOTE))
    before = dict(table.notes)
    with pytest.raises(Failed) as failed:
        table.start().shape(shape(ID, Field("note", Type(Kind.INT64))))
    assert failed.value.code == "schema_incompatible"
    assert table.notes == before


@pytest.mark.parametrize("word", [{"may_break": True}, {"changed_types": "publish"}], ids=["registry", "file"])
def test_an_incompatible_type_passes_once_the_operator_allowed_it(word):
    table = Table(**word)
    table.start().shape(shape(ID, NOTE))
    found = table.start().shape(shape(ID, Field("note", Type(Kind.INT64))))
    assert found.schema.column("note").type.kind is Kind.INT64


def test_F109_a_changed_key_stops_the_table_whatever_is_allowed():
    table = Table(may_break=True, changed_types="publish")
    table.start().shape(shape(ID, NOTE))
    with pytest.raises(Failed) as failed:
        table.start().shape(plain_shape(TableSchema(TABLE, (ID, NOTE), ("note",))))
    assert failed.value.code == "key_changed"
