"""Binary JSON: the server's text, and partial updates applied to the old document (types.md A11, F54)."""

import pytest

from connect.errors import Failed
from connectors.mysql.json_binary import double_text, patched_text, to_text

# Printed by the first test.
DOCUMENT = bytes.fromhex(
    "00 0200 2a00 1200 0100 1300 0100 00 1400 05 0300 61 63"
    "0100 1600 0b00 0100 02 0c00 62 0200 0a00 05 0100 05 0200".replace(" ", "")
)


def diff(operation, path, value=b""):
    data = bytes([operation, len(path)]) + path.encode()
    return data + (bytes([len(value)]) + value if operation != 2 else b"")


def test_a_document_is_printed_with_blanks():
    assert to_text(DOCUMENT) == '{"a": {"b": [1, 2]}, "c": 3}'


def test_an_empty_document_is_null():
    assert to_text(b"") == "null"


@pytest.mark.parametrize("end", range(2, len(DOCUMENT)))
def test_S13_a_document_that_ends_early_is_refused(end):
    with pytest.raises(Failed) as failure:
        to_text(DOCUMENT[:end])

    assert failure.value.code == "undecodable_value"


@pytest.mark.parametrize("document", [b"\x0d", b"\x04\x07", b"\x0c\xff\xff\xff\xff\xff\xff\xff"])
def test_S13_what_is_no_document_is_refused(document):
    with pytest.raises(Failed):
        to_text(document)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (0.1, "0.1"),
        (1e-5, "0.00001"),
        (1e14, "100000000000000.0"),
        (1e15, "1e15"),
        (2824637800000000.5, "2824637800000000.5"),
        (1.5e300, "1.5e300"),
        (5e-324, "5e-324"),
        (-1.25e-20, "-1.25e-20"),
    ],
)
def test_a_double_is_printed_as_mysql_prints_it(value, text):
    assert double_text(value) == text


@pytest.mark.parametrize(
    ("diffs", "text"),
    [
        (diff(0, "$.a.b[1]", b"\x05\x63\x00"), '{"a": {"b": [1, 99]}, "c": 3}'),
        (diff(2, "$.c"), '{"a": {"b": [1, 2]}}'),
        (diff(1, "$.a.b[0]", b"\x04\x01"), '{"a": {"b": [true, 1, 2]}, "c": 3}'),
        (diff(1, "$.a.b[2]", b"\x04\x02"), '{"a": {"b": [1, 2, false]}, "c": 3}'),
        (diff(1, "$.b", b"\x04\x00"), '{"a": {"b": [1, 2]}, "b": null, "c": 3}'),
        (diff(1, "$.aa", b"\x04\x00"), '{"a": {"b": [1, 2]}, "c": 3, "aa": null}'),
        (diff(1, '$."x \\"y"', b"\x04\x00"), '{"a": {"b": [1, 2]}, "c": 3, "x \\"y": null}'),
        (diff(0, "$", b"\x0c\x01q"), '"q"'),
        (diff(2, "$.c") + diff(2, "$.a.b[0]"), '{"a": {"b": [2]}}'),
    ],
)
def test_F54_diffs_are_applied_one_after_another(diffs, text):
    assert patched_text(DOCUMENT, diffs) == text


@pytest.mark.parametrize(
    "diffs",
    [
        diff(2, "$.x"),
        diff(0, "$.x", b"\x04\x00"),
        diff(1, "$.c", b"\x04\x00"),
        diff(0, "$.a.b[2]", b"\x04\x00"),
        diff(1, "$.a.b[3]", b"\x04\x00"),
        diff(0, "$.c[0]", b"\x04\x00"),
        diff(0, "$.c.d", b"\x04\x00"),
        diff(0, "$.a.b.x", b"\x04\x00"),
        diff(2, "$.a[0]"),
        diff(0, "$..", b"\x04\x00"),
        diff(7, "$.c", b"\x04\x00"),
        diff(2, "$"),
    ],
)
def test_F54_a_diff_that_does_not_fit_the_document_is_refused(diffs):
    with pytest.raises(Failed) as failure:
        patched_text(DOCUMENT, diffs)

    assert failure.value.code == "partial_json"
