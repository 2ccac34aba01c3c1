"""Chains of transforms: order, cost, and every class of change."""

from connect.record import UNAVAILABLE, Op
from connect.transforms.pipeline import MAX_SHAPES, Chain, SinkPipeline, SourcePipeline


def test_where_nothing_applies_a_change_is_not_touched(event):
    change = event("c", None, "1,open,x")
    pipeline = SourcePipeline({})

    assert pipeline.apply(change) is change
    assert pipeline.shape(change.shape) is change.shape


def test_a_tables_chain_is_found_by_its_name(chain, event):
    change = event("c", None, "1,open,x")
    pipeline = SourcePipeline({change.table: chain(("drop", {"fields": ["email"]}))})

    assert pipeline.apply(change).after.to_dict() == {"id": 1, "status": "open"}
    assert pipeline.shape(change.shape) is pipeline.apply(change).shape


def test_the_derived_shape_of_a_shape_is_made_once(chain, event, shape):
    pipeline = chain(("drop", {"fields": ["email"]}), ("rename", {"fields": {"status": "state"}}))

    assert pipeline.shape(shape) is pipeline.shape(shape) is pipeline.apply(event("c", None, "1,a,b")).shape


def test_transforms_that_only_derive_shapes_decode_nothing(chain, event):
    change = chain(("keep", {"fields": ["id"]}), ("mask", {"fields": {"id": "hash"}})).apply(event("c", None, "x,y,z"))

    assert change.after.data == b"x,y,z"  # int(b"x") would have raised


def test_shapes_are_remembered_within_bounds(chain, shape):
    pipeline = chain(("drop", {"fields": ["email"]}))
    for _ in range(3 * MAX_SHAPES):
        pipeline.shape(type(shape)(shape.schema, shape.split, shape.decode))

    assert len(pipeline._segments[0]._shapes) <= MAX_SHAPES


def test_a_filter_looks_at_a_column_that_is_dropped_after_it(chain, event):
    pipeline = chain(("filter", {"column": "status", "equals": "open"}), ("drop", {"fields": ["status"]}))

    assert pipeline.apply(event("c", None, "1,open,x")).after.to_dict() == {"id": 1, "email": "x"}
    assert pipeline.apply(event("c", None, "1,done,x")) is None


def test_a_delete_made_by_a_filter_goes_through_what_follows(chain, event):
    pipeline = chain(("filter", {"column": "status", "equals": "open"}), ("drop", {"fields": ["status"]}))

    left = pipeline.apply(event("u", None, "1,done,x"))

    assert (left.op, left.before.to_dict()) == (Op.DELETE, {"id": 1, "email": UNAVAILABLE})


def test_a_truncate_gets_the_derived_shape(chain, event, shape):
    pipeline = chain(("drop", {"fields": ["email"]}))

    assert pipeline.apply(event("t", None, None)).shape is pipeline.shape(shape)


def test_columns_keep_the_tables_order(chain, shape):
    assert list(chain(("keep", {"fields": ["email", "id"]})).shape(shape).schema.index) == ["id", "email"]


def test_a_key_only_old_row_stays_so(chain, event):
    change = chain(("rename", {"fields": {"email": "mail"}})).apply(event("d", "1,?,?", None))

    assert change.before.unavailable == ("status", "mail")


def test_route_gives_another_table_name(chain, event):
    change = chain(("route", {"to": "{schema}.{table}_v2"})).apply(event("c", None, "1,open,x"))

    assert str(change.table) == "public.orders_v2"


def test_route_without_a_dot_keeps_the_schema(chain, event):
    assert str(chain(("route", {"to": "all_{table}"})).apply(event("c", None, "1,a,b")).table) == "public.all_orders"


def test_route_renames_a_sinks_record(chain, record):
    assert str(chain(("route", {"to": "wh.{table}"})).apply(record("u", 1, "1,open,x")).table) == "wh.orders"


def test_a_sinks_chain_is_made_once_for_each_topic(chain, record):
    asked = []

    def make(topic: str) -> Chain:
        asked.append(topic)
        return chain(("drop", {"fields": ["email"]}))

    pipeline = SinkPipeline(make)
    results = [pipeline.apply(record("u", 1, "1,open,x")) for _ in range(2)]

    assert asked == ["shop.public.orders"]
    assert [list(result.after) for result in results] == [["id", "status"]] * 2
