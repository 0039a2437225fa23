"""What the pages say exists."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from runtime.settings import Settings
from starters.cli import app

_ROOT = Path(__file__).parents[1]
_PAGES = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md")])
_NAMES = [str(page.relative_to(_ROOT)) for page in _PAGES]


def _commands() -> dict[str, set[str]]:
    """Every command of the command line with its options, subcommands with a space."""
    found: dict[str, set[str]] = {}
    for name, command in typer.main.get_group(app).commands.items():
        parts = command.commands if isinstance(command, TyperGroup) else {"": command}
        for sub, inner in parts.items():
            options = {option for param in inner.params for option in param.opts}
            found[f"{name} {sub}".strip()] = options
    return found


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_every_command_and_option_that_a_page_shows_exists(page: Path) -> None:
    known = _commands()
    groups = {name.split()[0] for name in known if " " in name}
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:uv run |`)casekeeper ([a-z][^\n`#|]*)", text)
    shown += re.findall(r"^casekeeper ([a-z][^\n`#|]*)", text, flags=re.MULTILINE)

    for line in shown:
        words = line.split()
        name = " ".join(words[:2]) if words[0] in groups else words[0]
        assert name in known, line
        options = {word for word in words if word.startswith("--")}
        assert options <= known[name] | {"--help"}, line


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_every_setting_stands_in_the_table_of_operations() -> None:
    text = (_ROOT / "docs" / "operations.md").read_text("utf-8")

    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"CASEKEEPER_{name.upper()}"
        assert f"`{variable}`" in text, variable
