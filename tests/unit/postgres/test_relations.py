import pytest

from connect.api import TableOptions
from connect.errors import Failed
from connect.record import Row
from connect.schema.model import NO_DEFAULT, TableId
from connectors.postgres.catalog import CatalogColumn, CatalogTable
from connectors.postgres.pgoutput import Relation, RelationColumn, TypeMessage
from connectors.postgres.relations import Catalog, Relations, override_key
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions

T = TableId("public", "t")
INT, TEXT = 23, 25


def column(name, oid, *, not_null=False, default=None, comment=None):
    return CatalogColumn(name, oid, -1, "x", not_null, default, comment, "")


TABLE = CatalogTable(
    oid=7,
    table=T,
    kind="r",
    identity="d",
    columns=(
        column("id", INT, not_null=True),
        column("n", INT, not_null=True, default="5", comment="how many"),
        column("v", TEXT),
    ),
    primary_key=("id",),
    identity_index=(),
    unique_keys=(("id",),),
    row_security=False,
    rows=0,
    bytes=0,
)
RELATION = Relation(
    None,
    7,
    "public",
    "t",
    "d",
    (RelationColumn(True, "id", INT, -1), RelationColumn(False, "n", INT, -1), RelationColumn(False, "v", TEXT, -1)),
)


class Server:
    """What the catalog holds now, and how often it was asked."""

    def __init__(self, table=TABLE, types=()):
        self.table, self.types, self.asked = table, TypeCatalog(types), 0

    def read(self, _):
        self.asked += 1
        return self.table

    def relations(self, captured=None, start=None):
        catalog = Catalog(self.read, lambda: self.types, start or self.types)
        return Relations(captured or {T: TableOptions()}, {7: T}, catalog, TypeOptions())


def learnt(relation, table=TABLE, **options):
    relations = Server(table).relations({T: TableOptions(**options)})
    relations.learn(relation)
    return relations[7].shape


def flagged(*names, identity="d"):
    columns = tuple(c._replace(key=c.name in names) for c in RELATION.columns)
    return RELATION._replace(columns=columns, replica_identity=identity)


def test_inv8_an_identical_relation_gives_the_same_shape_object():
    server = Server()
    relations = server.relations()
    relations.learn(RELATION)
    first = relations[7].shape
    relations.learn(RELATION._replace(xid=99))
    assert relations[7].shape is first
    assert server.asked == 1


def test_F27_another_relation_gives_another_shape_and_the_old_one_comes_back():
    relations = Server().relations()
    relations.learn(RELATION)
    first = relations[7].shape
    relations.learn(RELATION._replace(columns=RELATION.columns[:2]))
    assert list(relations[7].shape.schema.index) == ["id", "n"]
    relations.learn(RELATION)
    assert relations[7].shape is first


def test_not_null_defaults_and_comments_come_from_the_catalog():
    fields = learnt(RELATION).schema.columns
    assert [(f.name, f.optional, f.default, f.doc) for f in fields] == [
        ("id", False, NO_DEFAULT, None),
        ("n", False, 5, "how many"),
        ("v", True, NO_DEFAULT, None),
    ]


def test_F29_a_column_that_the_catalog_has_otherwise_is_optional_without_default():
    newer = TABLE._replace(columns=(TABLE.columns[0], column("n", TEXT, not_null=True, default="'x'::text")))
    fields = learnt(RELATION, newer).schema.columns
    assert [(f.optional, f.default) for f in fields[1:]] == [(True, NO_DEFAULT), (True, NO_DEFAULT)]


def test_F29_a_dropped_table_still_has_its_key_from_the_log():
    shape = learnt(RELATION, None)
    assert shape.schema.key == ("id",)
    assert not shape.schema.column("id").optional


def test_F29_the_key_is_that_of_the_log_when_the_catalog_has_another_by_now():
    assert learnt(flagged("id"), TABLE._replace(primary_key=("n",))).schema.key == ("id",)


def test_key_columns_stand_in_the_order_of_the_primary_key():
    table = TABLE._replace(primary_key=("v", "id"))
    assert learnt(flagged("id", "v"), table).schema.key == ("v", "id")


def test_under_full_the_key_is_the_primary_key():
    assert learnt(flagged("id", "n", "v", identity="f")).schema.key == ("id",)
    assert learnt(flagged("id", "n", "v", identity="f"), TABLE._replace(primary_key=())).schema.key == ()


def test_under_index_the_key_is_the_index():
    table = TABLE._replace(identity="i", identity_index=("n", "id"))
    assert learnt(flagged("id", "n", identity="i"), table).schema.key == ("n", "id")


def test_without_an_identity_there_is_no_key():
    assert learnt(flagged(identity="n")).schema.key == ()


def test_a_key_of_the_file_inside_the_identity_is_taken():
    assert learnt(flagged("id", "n", "v", identity="f"), key=("v",)).schema.key == ("v",)


@pytest.mark.parametrize("identity", ["d", "i", "n"])
def test_a_key_of_the_file_outside_the_identity_is_refused_with_the_alter(identity):
    relation = flagged(*(() if identity == "n" else ("id",)), identity=identity)
    with pytest.raises(Failed) as failed:
        learnt(relation, key=("v",))
    assert failed.value.code == "key_outside_identity"
    assert failed.value.hint == 'ALTER TABLE "public"."t" REPLICA IDENTITY FULL;'


def test_a_key_of_the_file_that_is_no_column_is_refused():
    with pytest.raises(Failed) as failed:
        override_key(T, ("nope",), ["id"], None)
    assert failed.value.code == "column_missing"


def test_a_table_that_is_not_captured_has_no_shape_and_is_not_asked_for():
    server = Server()
    relations = server.relations()
    relations.learn(RELATION._replace(oid=8, name="other"))
    assert relations[8].shape is None
    assert server.asked == 0


def test_S13_a_row_without_its_relation_fails():
    with pytest.raises(Failed) as failed:
        Server().relations()[7]
    assert failed.value.code == "unknown_relation"


def test_a_captured_table_renamed_out_of_the_file_fails():
    relations = Server(TABLE._replace(table=TableId("public", "t_old"))).relations()
    with pytest.raises(Failed) as failed:
        relations.learn(RELATION._replace(name="t_old"))
    assert failed.value.code == "table_renamed"


def test_an_older_name_of_a_captured_table_goes_under_its_name_of_today():
    relations = Server().relations()
    relations.learn(RELATION._replace(name="t_before"))
    assert relations[7].table == T


ENUM = TypeInfo(90001, "public", "mood", "e", labels=("happy",))
ENUM_RELATION = RELATION._replace(columns=(*RELATION.columns[:1], RelationColumn(False, "mood", 90001, -1)))


def enum_row(relations, label):
    data = b"\0\2t\0\0\0\0011t" + len(label).to_bytes(4, "big") + label
    return relations.with_new_labels(relations[7], Row(relations[7].shape, data))


def allowed(shape):
    return shape.schema.column("mood").type.parameter("allowed")


def test_F28_a_new_label_refreshes_the_schema_at_once():
    server = Server(types=[ENUM])
    relations = server.relations()
    relations.learn(ENUM_RELATION)
    assert allowed(enum_row(relations, b"happy").shape) == "happy"
    server.types = TypeCatalog([TypeInfo(90001, "public", "mood", "e", labels=("happy", "sad"))])
    row = enum_row(relations, b"sad")
    assert row["mood"] == "sad"
    assert allowed(row.shape) == "happy,sad"
    assert relations[7].shape is row.shape


def test_F28_a_label_that_is_gone_by_now_passes_and_is_asked_for_once():
    server = Server(types=[ENUM])
    relations = server.relations()
    relations.learn(ENUM_RELATION)
    first = enum_row(relations, b"renamed since")
    asked = server.asked
    assert enum_row(relations, b"renamed since").shape is first.shape
    assert server.asked == asked


def test_an_unknown_type_reloads_the_types():
    server = Server(types=[ENUM])
    relations = server.relations(start=TypeCatalog())
    relations.learn(ENUM_RELATION)
    assert allowed(relations[7].shape) == "happy"


def test_a_type_that_was_dropped_is_kept_as_the_log_describes_it():
    relations = Server().relations()
    relations.learn_type(TypeMessage(None, 90002, "pg_catalog", "int4"))  # a domain over int4
    relations.learn(RELATION._replace(columns=(*RELATION.columns[:1], RelationColumn(False, "d", 90002, -1))))
    assert relations[7].shape.schema.column("d").type.kind == "int32"
