"""Names of tables and topics as the operator writes them."""

import pytest

from connect.config.patterns import MAX_REGEX, pattern


@pytest.mark.parametrize(
    ("text", "name", "fits"),
    [
        ("public.orders", "public.orders", True),
        ("public.orders", "public.orders2", False),
        ("public.*", "public.orders", True),
        ("public.*", "public.orders.events", False),
        ("*.*", "a.b", True),
        ("*.*", "a.b.c", False),
        ("public.tmp_?", "public.tmp_1", True),
        ("public.tmp_?", "public.tmp_12", False),
        ("public.a+b", "public.a+b", True),
        ("public.a+b", "public.aab", False),
        ("/public\\.(a|b)/", "public.a", True),
        ("/public\\.(a|b)/", "public.ab", False),
        ("/public.*/", "public.orders.events", True),
    ],
)
def test_a_star_stops_at_a_dot_and_the_whole_name_must_fit(text, name, fits):
    assert pattern(text).matches(name) is fits


@pytest.mark.parametrize(("text", "exact"), [("a.b", True), ("a.*", False), ("a.?", False), ("/a/", False)])
def test_an_exact_name_is_known_as_one(text, exact):
    assert pattern(text).exact is exact


@pytest.mark.parametrize(
    "body", ["(a+)+", "(a|aa)*", "(a*)*b", "((a+)b)+", "(a{1,9}){1,9}", r"(a)\1", "(?P<x>a)(?P=x)"]
)
def test_a_regular_expression_that_could_run_for_ever_is_refused(body):
    with pytest.raises(ValueError, match="for ever"):
        pattern(f"/{body}/")


@pytest.mark.parametrize("body", ["a.*b.*", "(ab)+", r"public\.(x|y)_\d+", "[(+)*]+", "(a|b)c"])
def test_harmless_regular_expressions_are_taken(body):
    assert pattern(f"/{body}/").text == f"/{body}/"


def test_a_long_regular_expression_is_refused():
    with pytest.raises(ValueError, match="longer"):
        pattern("/" + "a" * (MAX_REGEX + 1) + "/")


@pytest.mark.parametrize("text", ["/(/", "/[/", ""])
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(ValueError):
        pattern(text)
