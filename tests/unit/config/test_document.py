"""Strict YAML: what is read, what is refused, and where it says it is."""

import pytest

from connect.config.document import MAX_BYTES, parse, read_document
from connect.errors import ConfigError, Problem


def refused(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


def test_every_key_and_list_item_has_its_line():
    places = parse("a: 1\nb:\n  c: [x,\n      y]\n", "f.yaml").places

    assert places["a",] == "f.yaml:1"
    assert places["b", "c"] == "f.yaml:3"
    assert places["b", "c", 1] == "f.yaml:4"


def test_the_place_of_a_missing_key_is_that_of_the_mapping_around_it():
    assert parse("a:\n  b: 1\n", "f.yaml").where(("a", "c", "d")) == "f.yaml:1"


@pytest.mark.parametrize(
    "written", ["NO", "yes", "on", "0777", "012345", "12:30:45", "2024-01-01", "0x1F", "1_000", ".5", "+1", ".inf"]
)
def test_F157_what_yaml_1_1_would_turn_into_something_else_stays_text(written):
    assert parse(f"a: {written}", "f.yaml").data == {"a": written}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
    ],
)
def test_scalars_of_jsons_core_are_typed(written, value):
    assert parse(f"a: {written}", "f.yaml").data["a"] == value


@pytest.mark.parametrize("written", ["1e3", "1.10", "007", "12"])
def test_F157_a_number_remembers_how_it_was_written(written):
    assert str(parse(f"a: {written}", "f.yaml").data["a"]) == written


def test_quotes_make_text():
    assert parse("a: '12'\nb: \"true\"", "f.yaml").data == {"a": "12", "b": "true"}


def test_F156_a_duplicate_key_is_refused_with_both_lines():
    problem = refused("a: 1\nb: 2\na: 3\n")

    assert problem.where == "f.yaml:3"
    assert "'a'" in problem.message
    assert "f.yaml:1" in problem.message


def test_F156_every_duplicate_key_is_reported():
    with pytest.raises(ConfigError) as caught:
        parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f.yaml")

    assert [p.where for p in caught.value.problems] == ["f.yaml:2", "f.yaml:3"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [x]", "!!python/name:os.system", "!x y", "!!str 5"])
def test_F155_tags_are_refused(tag):
    problem = refused(f"a:\n  b: {tag}\n")

    assert problem.where == "f.yaml:2"
    assert "tag" in problem.message


def test_F158_an_alias_bomb_is_refused_while_it_is_small():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]

    assert "more than" in refused("\n".join(lines)).message


def test_F158_an_alias_to_itself_is_refused():
    assert "stands for nothing" in refused("a: &a [*a]").message


def test_an_alias_repeats_what_its_anchor_holds():
    assert parse("a: &x {b: 1}\nc: *x\n", "f.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_nesting_is_bounded():
    assert "deeper" in refused("a: " + "[" * 200 + "]" * 200).message


@pytest.mark.parametrize("text", ["a: {url: ${env:X}}", "a: [${env:X}]"])
def test_an_unquoted_reference_in_braces_gets_our_hint(text):
    problem = refused("x: 1\n" + text)

    assert problem.where == "f.yaml:2"
    assert '"${…}"' in problem.fix


@pytest.mark.parametrize("text", ["a: [*.public.*]", "a: *", "a: *orders", "a: [*]"])
def test_a_leading_star_without_quotes_gets_our_hint(text):
    assert "in quotes" in refused(text).fix


@pytest.mark.parametrize("text", ["a: %x", "a: @x", "a: `x`"])
def test_a_character_that_cannot_begin_a_value_gets_our_hint(text):
    assert refused(text).fix == "put it in quotes"


def test_a_tab_is_named():
    problem = refused("a:\n\tb: 1\n")

    assert (problem.where, problem.message) == ("f.yaml:2", "a tab indents this line")


def test_other_faults_of_yaml_name_the_line():
    assert refused("a: 1\nb: c: d\n").where == "f.yaml:2"


def test_a_second_document_is_refused():
    assert refused("a: 1\n---\nb: 2\n").where == "f.yaml:2"


def test_merge_keys_are_refused_by_name():
    assert "<<" in refused("a: &a {x: 1}\nb:\n  <<: *a\n").message


def test_a_control_character_is_refused_with_its_line():
    assert refused("a: 1\nb: \x07\n").where == "f.yaml:2"


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "word\n"])
def test_a_file_without_a_mapping_is_refused(text):
    assert "holds no configuration" in refused(text).message


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")

    with pytest.raises(ConfigError, match=r"f\.yaml:2: is not UTF-8"):
        read_document(path)


def test_a_file_above_the_limit_is_refused(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"# " + b"x" * MAX_BYTES)

    with pytest.raises(ConfigError, match="larger than"):
        read_document(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "gone.yaml")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert read_document(path).data == {"a": 1}


@pytest.mark.parametrize("escape", ["\\UFFFFFFFF", "\\ud800", "\\0"])
def test_an_escape_that_is_no_character_is_refused_with_its_line(escape):
    problem = refused(f'a: 1\nb: "{escape}"\n')

    assert problem.where in ("f.yaml:1", "f.yaml:2")
    assert "escape" in problem.message
