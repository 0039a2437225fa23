"""What each room must not do, read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_WORKFLOWS = sorted((_ROOT / "workflows").glob("*.py"))
_PRODUCT = sorted(
    path
    for room in ("activities", "cases", "gateways", "runtime", "starters", "stores", "workers")
    for path in (_ROOT / room).rglob("*.py")
)

_TESTS = sorted((_ROOT / "tests").rglob("*.py"))

#: What differs between a first run and its replay, or does something twice.
_NOT_IN_WORKFLOWS = {
    "datetime.now", "datetime.utcnow", "date.today", "time.time", "time.sleep", "time.monotonic",
    "uuid.uuid4", "random.random", "random.choice", "secrets.token_hex", "os.environ", "os.getenv",
    "asyncio.TaskGroup", "asyncio.wait", "asyncio.as_completed", "logging.getLogger", "print",
    "open",
}  # fmt: skip
_RUN_ACTIVITY = {
    "execute_activity",
    "execute_activity_method",
    "execute_local_activity",
    "execute_local_activity_method",
    "start_activity",
    "start_local_activity",
}


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute | ast.Name):
            yield _dotted(node)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", _WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_touches_no_clock_no_chance_and_no_outside(path: Path) -> None:
    assert set(_names(path)) & _NOT_IN_WORKFLOWS == set()
    assert _imports(path) & {"logging", "structlog", "random", "secrets", "time", "os"} == set()


def _activity_calls() -> list[ast.Call]:
    return [
        node
        for path in _WORKFLOWS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] in _RUN_ACTIVITY
    ]


def test_every_activity_takes_its_limits_from_the_one_table_and_says_what_it_does() -> None:
    calls = _activity_calls()

    assert len(calls) >= 8
    for call in calls:
        options = [ast.unparse(k.value) for k in call.keywords if k.arg is None]
        named = {keyword.arg for keyword in call.keywords}
        assert len(options) == 1, ast.unparse(call)
        assert options[0].endswith((".normal()", ".local()")), ast.unparse(call)
        assert "summary" in named, ast.unparse(call)
        assert not {name for name in named if name and "timeout" in name}, ast.unparse(call)


@pytest.mark.parametrize("path", _PRODUCT, ids=lambda path: str(path.relative_to(_ROOT)))
def test_the_environment_is_read_in_runtime_alone(path: Path) -> None:
    if path.relative_to(_ROOT).parts[0] == "runtime":
        pytest.skip("this is where it is read")

    assert set(_names(path)) & {"os.environ", "os.getenv"} == set()


@pytest.mark.parametrize(
    "path", [*_PRODUCT, *_WORKFLOWS, *_TESTS], ids=lambda path: str(path.relative_to(_ROOT))
)
def test_no_module_has_more_than_300_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300
