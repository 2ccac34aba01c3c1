"""The operator's own functions."""

import pytest

from connect.errors import Failed

MODULE = """
def same(change): return change
def none(change): return None
def upper(change):
    return change.with_rows(change.before, change.after.with_values({"email": change.after["email"].upper()}))
def bad(change): raise ValueError(f"value {change.after['email']}")
def wrong(change): return {"a": 1}
def columns(change):
    from connect.record import plain_row
    from connect.schema.model import TableSchema
    schema = TableSchema(change.table, change.shape.schema.columns[:1], ("id",))
    return change.with_rows(change.before, plain_row(schema, [1]))
NOT_CALLABLE = 1
"""


@pytest.fixture
def call(tmp_path, chain, monkeypatch):
    """A function of the module above → the chain that calls it."""
    name = f"fixes_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setattr("sys.path", __import__("sys").path.copy())
    return lambda function: chain(("python", {"call": f"{name}:{function}"}), folder=tmp_path)


def test_a_function_can_pass_a_change_on(call, event):
    change = event("c", None, "1,open,x")

    assert call("same").apply(change) is change


def test_a_function_can_drop_a_change(call, event):
    assert call("none").apply(event("c", None, "1,open,x")) is None


def test_a_function_can_change_values(call, event):
    change = call("upper").apply(event("u", "1,open,a", "1,open,b"))

    assert (change.before["email"], change.after["email"]) == ("a", "B")
    assert change.shape is change.before.shape is change.after.shape


def test_rows_made_by_a_function_share_one_shape(call, event):
    pipeline = call("upper")

    assert pipeline.apply(event("c", None, "1,open,a")).shape is pipeline.apply(event("c", None, "2,open,b")).shape


def test_a_function_can_change_a_sinks_record(call, record):
    assert call("upper").apply(record("u", 1, "1,open,b")).after["email"] == "B"


def test_an_exception_names_place_and_line_but_no_values(call, event):
    with pytest.raises(Failed) as caught:
        call("bad").apply(event("c", None, "1,open,S3CR3T"))

    assert caught.value.code == "transform_error"
    assert "shop: public.orders: the function" in caught.value.message
    assert "raised ValueError at" in caught.value.message
    assert "[1,2]" in caught.value.message
    assert "S3CR3T" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_no_change_is_refused(call, event):
    with pytest.raises(Failed, match="returned a dict, not a change"):
        call("wrong").apply(event("c", None, "1,open,x"))


def test_old_and_new_row_must_have_the_same_columns(call, event):
    with pytest.raises(Failed, match="rows with different columns"):
        call("columns").apply(event("u", "1,open,x", "1,open,y"))


@pytest.mark.parametrize(("function", "said"), [("gone", "cannot be loaded"), ("NOT_CALLABLE", "is no function")])
def test_a_function_that_is_not_there_is_named(call, function, said):
    with pytest.raises(Failed, match=said) as caught:
        call(function)
    assert caught.value.code == "transform_import"


@pytest.mark.parametrize("path", ["os.system", "a b:c", "a:", ":f", "a:b()", "https://x:y", "../x:f"])
def test_F165_only_an_import_path_names_a_function(chain, path):
    with pytest.raises(ValueError, match="names no function"):
        chain(("python", {"call": path}))
