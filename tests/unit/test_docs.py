"""What the documentation shows is there: links lead somewhere, files are valid, commands and options exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
from typer.main import get_command

from connect.cli.main import app
from connect.config.load import load_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
SECRETS = ("SHOP_PASSWORD", "MASK_KEY", "KAFKA_PASSWORD", "REGISTRY_PASSWORD", "LEGACY_PASSWORD", "WAREHOUSE_PASSWORD")


def blocks(page, *kinds):
    found = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind in kinds]


def named(path):
    return str(path.relative_to(ROOT))


FILES = [(page, text) for page in PAGES for text in blocks(page, "yaml") if re.search("^name:", text, re.MULTILINE)]
COMMANDS = [
    (page, line.removeprefix("$ ").partition(" > ")[0])
    for page in PAGES
    for text in blocks(page, "console")
    for line in text.splitlines()
    if line.startswith(("connect ", "$ connect "))
]


def test_there_is_something_to_check():
    assert len(FILES) >= 8
    assert len(COMMANDS) >= 25


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize(("page", "text"), FILES, ids=lambda value: named(value) if isinstance(value, Path) else "")
def test_files_are_valid(page, text, tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "0123456789abcdef")
    file = tmp_path / "shop.yaml"
    file.write_text(text)
    load_config([file])


@pytest.mark.parametrize("line", sorted({line for _, line in COMMANDS}))
def test_commands_and_options_are_there(line):
    arguments = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    context = click.Context(command, info_name="connect")
    while isinstance(command, click.Group):
        _, command, arguments = command.resolve_command(context, arguments)
        assert command is not None
        context = click.Context(command, parent=context, info_name=command.name)
    command.make_context(command.name, arguments, parent=context.parent)
