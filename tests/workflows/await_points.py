"""Every place where a case's workflow waits, read from its own code.

A place is the function that waits and what it waits for: an activity by its name, a timer by its
summary, or a condition. What only passes on to another function of the workflow is no place; an
await of which neither is known is an error, so that none is overlooked.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.agents import AGENTS

ROOM = Path(__file__).parents[2] / "workflows"
CASE = "support_case"
_Function = ast.FunctionDef | ast.AsyncFunctionDef
#: These only start or join what waits.
_JOINS = frozenset({"asyncio.gather", "asyncio.shield"})
#: What is awaited by a name: the case's own task, and what the saga was given.
_BY_NAME = frozenset({"self._life", "undo()", "self._hand_over()"})


@dataclass(frozen=True, order=True)
class AwaitPoint:
    """Where a case may stand."""

    function: str
    waits_for: str

    def __str__(self) -> str:
        return f"{self.function}-{self.waits_for}"


def await_points(room: Path = ROOM) -> set[AwaitPoint]:
    """All places of the case's workflow, and of the modules of its room that it is made of."""
    trees = [_parse(room, module) for module in _modules(room)]
    ours = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, _Function)}
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    points: set[AwaitPoint] = set()
    for name, function in (found for tree in trees for found in _functions(tree)):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and _waits(node):
                points |= {AwaitPoint(name, what) for what in _waits_for(node, function, calls)}
            elif isinstance(node, ast.Await):
                _check_known(node.value, ours)
    return points


def _parse(room: Path, module: str) -> ast.Module:
    return ast.parse((room / f"{module}.py").read_text("utf-8"))


def _modules(room: Path) -> set[str]:
    """The case's module, those of the same room that it imports, and theirs."""
    known: set[str] = set()
    to_read = [CASE]
    while to_read:
        module = to_read.pop()
        if module not in known:
            known.add(module)
            to_read += [
                node.module.removeprefix("workflows.")
                for node in ast.walk(_parse(room, module))
                if isinstance(node, ast.ImportFrom)
                and node.module
                and node.module.startswith("workflows.")
            ]
    return known


def _functions(tree: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Functions and methods; what is defined within one of them belongs to it."""
    for node in tree.body:
        if isinstance(node, _Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, _Function):
                    yield f"{node.name}.{inner.name}", inner


def _waits(call: ast.Call) -> bool:
    return ast.unparse(call.func).startswith(
        ("workflow.execute_", "workflow.start_", "workflow.sleep", "workflow.wait_")
    )


def _check_known(awaited: ast.expr, ours: set[str]) -> None:
    name = ast.unparse(awaited.func if isinstance(awaited, ast.Call) else awaited)
    if isinstance(awaited, ast.Call):
        if _waits(awaited) or name in _JOINS or name.rpartition(".")[2] in ours:
            return
        name += "()"
    assert name in _BY_NAME, f"line {awaited.lineno}: what `await {name}` waits for is not known"


def _waits_for(call: ast.Call, function: _Function, calls: list[ast.Call]) -> Iterator[str]:
    kind = ast.unparse(call.func)
    if kind == "workflow.sleep":
        yield from (
            str(ast.literal_eval(keyword.value))
            for keyword in call.keywords
            if keyword.arg == "summary"
        )
    elif kind == "workflow.wait_condition":
        yield "a condition"
    else:
        yield from _activities(ast.unparse(call.args[0]), function, calls)


def _activities(given: str, function: _Function, calls: list[ast.Call]) -> Iterator[str]:
    """The activity's name; one for each that is registered, or that callers pass."""
    if given == "agent.activity_name()":
        yield from (agent.activity_name() for agent in AGENTS)
    elif "." in given:
        yield given.rpartition(".")[2]
    else:
        place = [argument.arg for argument in function.args.args].index(given) - 1  # after self
        callers = [call for call in calls if ast.unparse(call.func) == f"self.{function.name}"]
        assert callers, f"nobody calls {function.name}"
        yield from (ast.unparse(call.args[place]).rpartition(".")[2] for call in callers)
