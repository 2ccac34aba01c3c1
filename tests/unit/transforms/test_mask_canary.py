"""A masked value is in no byte that leaves: records in both formats, keys, schemas, messages."""

import pytest

from connect.errors import Failed
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat

CANARY = "S3CR3T-canary"
BLOCK = SourceBlock(connector="postgresql", name="shop", database="shop", fields=())


@pytest.fixture(params=["hash", "nullify", {"fixed": "***"}])
def masked(request, chain):
    """A chain that masks the e-mail address."""
    return chain(("mask", {"fields": {"email": request.param}}))


@pytest.mark.parametrize("value", ["envelope", "row"])
@pytest.mark.parametrize(
    ("op", "before", "after"),
    [
        ("c", None, f"1,open,{CANARY}"),
        ("r", None, f"1,open,{CANARY}"),
        ("u", f"1,open,{CANARY}", f"1,done,{CANARY}"),
        ("d", f"1,open,{CANARY}", None),
    ],
)
def test_no_record_carries_it(masked, event, value, op, before, after):
    change = masked.apply(event(op, before, after))
    encoder = JsonFormat().encoder("shop.public.orders", change.shape, BLOCK, value)
    row = change.before if change.after is None else change.after

    change.source = ()
    assert CANARY.encode() not in encoder.value(change, 1) + encoder.key(row)


def test_no_schema_carries_the_columns_default(masked, shape):
    assert "nobody@example" not in repr(masked.shape(shape).schema)


def test_no_printed_event_carries_it(masked, event):
    change = masked.apply(event("u", f"1,open,{CANARY}", f"1,done,{CANARY}"))

    assert CANARY not in repr(change.before) + repr(change.after) + repr(change.after.to_dict())


def test_a_python_function_after_the_mask_never_sees_it(chain, event, tmp_path, monkeypatch):
    (tmp_path / "leaky_e.py").write_text("def leak(change): raise RuntimeError(change.after['email'])\n")
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    pipeline = chain(("mask", {"fields": {"email": "hash"}}), ("python", {"call": "leaky_e:leak"}), folder=tmp_path)

    with pytest.raises(Failed) as caught:
        pipeline.apply(event("c", None, f"1,open,{CANARY}"))
    assert CANARY not in str(caught.value) + repr(caught.value.__context__)


def test_a_sinks_record_carries_it_in_no_row(masked, record):
    change = masked.apply(record("u", 1, f"1,open,{CANARY}", f"1,new,{CANARY}"))

    assert CANARY not in repr(change)
