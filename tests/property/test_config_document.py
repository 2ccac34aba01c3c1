"""Whatever stands in a file, reading it gives data or problems, never anything else."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from connect.config.document import parse
from connect.config.patterns import pattern
from connect.config.references import resolve
from connect.errors import ConfigError

yaml_pieces = st.lists(
    st.one_of(
        st.sampled_from(list("{}[],:-?&*!|>'\"%@`#\n\t ~<.$=\\0123456789")),
        st.sampled_from(
            ["a: ", "- ", "  ", "&a ", "*a", "!!str ", "---\n", "...\n", "%YAML 1.1\n", "${env:X}", "<<: ", "\\x"]
        ),
        st.text(max_size=3),
    ),
    max_size=30,
).map("".join)


@given(text=yaml_pieces)
@example(text='a: "\\UFFFFFFFF"')
@example(text='a: "\\ud800"')
@example(text="%YAML 99.9\n--- a")
@example(text="? [a]\n: b")
@example(text="a: " + "9" * 5000)
@example(text="a: 1e999")
@example(text="{" * 500)
@example(text="- " * 500)
def test_any_text_is_data_or_problems_with_lines(text):
    try:
        document, problems = parse(text, "f"), ()
    except ConfigError as error:
        document, problems = None, error.problems

    assert all(problem.where.startswith("f:") for problem in problems)
    assert problems or isinstance(document.data, dict)


@given(text=st.text(st.sampled_from(list("${}env:file/.ABC_@?#%")), max_size=40))
def test_any_template_is_resolved_or_refused_with_two_sentences(text):
    try:
        resolved, refused = resolve(text), ()
    except LookupError as error:
        resolved, refused = None, error.args

    assert isinstance(resolved, str) or len(refused) == 2


@given(
    text=st.text(st.sampled_from(list("ab.*?/()[]{}|+\\^$,0123:=P<>")), max_size=30), name=st.text("ab.", max_size=30)
)
def test_any_pattern_matches_quickly_or_is_refused(text, name):
    try:
        found = pattern(text)
    except ValueError:
        return
    assert found.matches(name) in (True, False)
