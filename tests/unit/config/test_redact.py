"""A file that is shown to strangers holds no secret, however it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from connect.config.redact import redacted, without_secrets

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
# the password is hunter2
name: shop-cdc
mask_key: hunter2hunter2hunter2
kafka:
  bootstrap: "127.0.0.1:9092"
  security: {sasl: {username: cdc, password: hunter2}}
  client: {sasl.oauthbearer.config: hunter2}
schema_registry: {url: "https://me:hunter2@registry:8081"}
sources:
  shop:
    plugin: postgres
    url: postgresql://cdc:hunter2@db:5432/shop?sslmode=require&sslpassword=hunter2
    tables: {public.orders: {key: [id], partitions: 12}}
sinks:
  search: {plugin: elasticsearch, url: "http://es:9200", api_key: hunter2, topics: ["shop.*.*"]}
  warehouse:
    {plugin: sql, url: "postgresql://app:${env:APP_PASSWORD}@wh/w", password: "${file:/run/secrets/app}", topics: [a]}
"""


@pytest.fixture
def shown(tmp_path: Path) -> str:
    file = tmp_path / "shop.yaml"
    file.write_text(FILE)
    return redacted([file])


def test_no_secret_is_in_it(shown: str) -> None:
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    "line",
    [
        'url: "postgresql://cdc:hunter2/x@db/shop"',  # no valid URL: those that report a fault have such
        'url: "postgresql://cdc:hunter2 y@db/shop"',
        'url: "postgresql://cdc:hunter2@x@db/shop"',
        'url: "host=db user=cdc password=hunter2"',
        "url: \"host=db password='hunter2 x' user=cdc\"",
        "pasword: hunter2",
        "Passwort: hunter2",
        "pw: hunter2",
        'headers: {Authorization: "Bearer hunter2"}',
        'comment: "curl -H Bearer hunter2"',
    ],
)
def test_a_file_with_faults_shows_no_secret_either(tmp_path: Path, line: str) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(f"name: shop\n{line}\nsources: {{shop: {{{line}}}}}\n")

    shown = redacted([file])
    assert "hunter2" not in shown
    assert yaml.safe_load(shown)["name"] == "shop"


def test_what_helps_to_understand_it_stays(shown: str) -> None:
    data = yaml.safe_load(shown)
    assert data["sources"]["shop"]["tables"] == {"public.orders": {"key": ["id"], "partitions": 12}}
    assert data["sources"]["shop"]["url"] == "postgresql://cdc:***@db:5432/shop?sslmode=require&sslpassword=***"
    assert data["kafka"]["security"]["sasl"]["username"] == "cdc"


def test_references_stay_since_they_only_name_a_place(shown: str) -> None:
    data = yaml.safe_load(shown)["sinks"]["warehouse"]
    assert (data["url"], data["password"]) == (
        "postgresql://app:${env:APP_PASSWORD}@wh/w",
        "${file:/run/secrets/app}",
    )


def test_a_file_that_cannot_be_read_is_its_problem(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("password: [hunter2\n")
    assert "hunter2" not in redacted([file])
    assert redacted([file]).startswith("# broken.yaml\n# ")


def test_urls_in_messages_show_no_password() -> None:
    assert without_secrets("to postgresql://u:pw@h/d, and http://h/?token=abc") == (
        "to postgresql://u:***@h/d, and http://h/?token=***"
    )
