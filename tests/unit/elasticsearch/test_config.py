"""What an operator may write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget


def test_one_address_or_a_list():
    assert len(ElasticsearchConfig(url="http://es:9200").url) == 1
    assert len(ElasticsearchConfig(url=["https://a:9200", "https://b:9200"]).url) == 2


@pytest.mark.parametrize("url", ["ftp://es", "es:9200", "file:///etc/passwd", ""])
def test_F167_only_http_and_https_are_addresses(url):
    with pytest.raises(ValidationError, match="http or https"):
        ElasticsearchConfig(url=url)


def test_F160_neither_the_password_nor_an_address_prints():
    config = ElasticsearchConfig(url="http://u:S3CR3T-1@es:9200", api_key="S3CR3T-2")

    assert "S3CR3T" not in repr(config) + config.model_dump_json()


def test_a_user_needs_a_password():
    with pytest.raises(ValidationError, match="stand together"):
        ElasticsearchConfig(url="http://es:9200", username="u")


@pytest.mark.parametrize(
    ("given", "says"),
    [({"fingerprint": "abc"}, "64 hexadecimal digits"), ({"fingerprint": "a" * 64, "ca": "/c"}, "instead of ca")],
)
def test_a_fingerprint_is_a_sha256_and_stands_alone(given, says):
    with pytest.raises(ValidationError, match=says):
        ElasticsearchConfig(url="https://e", **given)


def test_F146_deletes_must_be_remembered_longer_than_the_latest_write():
    with pytest.raises(ValidationError, match="late writes undo deletes"):
        ElasticsearchConfig(url="http://es:9200", gc_deletes="60s")


def test_an_unknown_placeholder_is_named():
    with pytest.raises(ValidationError, match=r"\{database\} is no part of a topic"):
        ElasticsearchTarget(index="{database}_{table}")
