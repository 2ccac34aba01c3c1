"""``${env:…}`` and ``${file:…}``: resolved, quoted in URLs, named when missing, never shown."""

import pickle

import pytest

from connect.config.fields import Secret
from connect.config.references import Reference, resolve
from connect.errors import Retriable


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("PW", "p@ss/w:rd %")
    monkeypatch.delenv("NOPE", raising=False)


def test_a_variable_is_resolved_inside_a_text():
    assert resolve("a ${env:PW} b") == "a p@ss/w:rd % b"


def test_a_file_is_read_without_its_last_line_end(tmp_path):
    (tmp_path / "s").write_text("secret\n")

    assert resolve(f"${{file:{tmp_path}/s}}") == "secret"


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("postgresql://u:${env:PW}@h/d", "postgresql://u:p%40ss%2Fw%3Ard%20%25@h/d"),
        ("postgresql://${env:PW}:x@h/d", "postgresql://p%40ss%2Fw%3Ard%20%25:x@h/d"),
        ("http://h/p?token=${env:PW}", "http://h/p?token=p%40ss%2Fw%3Ard%20%25"),
        ("http://h/${env:PW}", "http://h/p@ss/w:rd %"),
        ("${env:PW}", "p@ss/w:rd %"),
        ("password ${env:PW}@x", "password p@ss/w:rd %@x"),
    ],
)
def test_credentials_and_parameters_of_a_url_are_percent_encoded(template, url):
    assert resolve(template) == url


def test_a_whole_url_in_a_variable_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("URL", "http://u:p%40@h:9200")

    assert resolve("${env:URL}") == "http://u:p%40@h:9200"


def test_two_dollars_are_a_literal_dollar():
    assert resolve("$${env:PW}") == "${env:PW}"


def test_what_a_variable_holds_is_not_resolved_again(monkeypatch):
    monkeypatch.setenv("A", "${env:PW}")

    assert resolve("${env:A}") == "${env:PW}"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("${env:NOPE}", "NOPE is not set"),
        ("${file:/no/such/file}", "/no/such/file is not there"),
        ("${file:relative}", "no absolute path"),
        ("${file:/run/../etc/passwd}", "no absolute path"),
        ("${file:/dev/zero}", "is not there"),
        ("${NOPE}", "no reference"),
        ("${vault:x}", "no reference"),
        ("${env:A B}", "no reference"),
    ],
)
def test_F161_what_cannot_be_resolved_is_named(template, said):
    with pytest.raises(LookupError) as caught:
        resolve(template)

    assert said in caught.value.args[0]
    assert caught.value.args[1]


def test_F160_a_resolved_text_prints_as_the_file_says():
    assert repr(resolve("x ${env:PW}")) == "'x ${env:PW}'"


def test_F160_a_secret_never_prints():
    secret = Secret("S3CR3T")

    assert [repr(secret), str(secret), f"{secret}", f"{secret:>5}", "".join([str(secret)])] == ["***"] * 5
    assert b"S3CR3T" not in pickle.dumps(secret)


def test_a_secret_reads_its_file_again_at_each_use(tmp_path):
    path = tmp_path / "s"
    path.write_text("old")
    reference = resolve(f"${{file:{path}}}")
    assert isinstance(reference, Reference)
    secret = Secret(*reference.parts)
    path.write_text("new")

    assert secret.reveal() == "new"


def test_a_secret_whose_file_went_away_is_waited_for(tmp_path):
    path = tmp_path / "s"
    path.write_text("old")
    reference = resolve(f"${{file:{path}}}")
    assert isinstance(reference, Reference)
    path.unlink()

    with pytest.raises(Retriable, match="is not there") as caught:
        Secret(*reference.parts).reveal()
    assert caught.value.code == "secret_unavailable"
