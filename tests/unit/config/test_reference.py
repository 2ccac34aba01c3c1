"""Options as the reference shows them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from connect.config.fields import Milliseconds, Model, Secret, Size, option
from connect.config.plugins import discover
from connect.config.reference import options, page


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Model):
    limit: Size = 16_000_000


class Example(Model):
    """An example.

    Attributes:
        password: Never
            shown.
    """

    url: str = option(..., "Where.")
    password: Secret | None = None
    wait: Milliseconds = 90_000
    keep: Milliseconds | None = -1
    mode: Literal["a", "b"] = "a"
    colours: list[Colour] = option(["red"], "Which.")
    on: bool = True
    named: Annotated[int, Field(ge=1)] = Field(1, alias="class")
    inner: Inner = Inner()


def test_every_option_has_type_default_and_text():
    assert [(o.name, o.type, o.default, o.doc) for o in options(Example)] == [
        ("url", "text", None, "Where."),
        ("password", "secret", "", "Never shown."),
        ("wait", "duration", "90s", ""),
        ("keep", "duration", "forever", ""),
        ("mode", "`a`, `b`", "a", ""),
        ("colours", "list of `red`, `blue`", "[red]", "Which."),
        ("on", "true or false", "true", ""),
        ("class", "whole number", "1", ""),
        ("inner", "mapping", "", ""),
        ("inner.limit", "size", "16MB", ""),
    ]


def test_the_committed_page_is_current():
    committed = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"

    assert committed.read_text() == page(found.plugin for found in discover() if found.plugin) + "\n", (
        "make it anew: python -m connect.config.reference > docs/reference/configuration.md"
    )
