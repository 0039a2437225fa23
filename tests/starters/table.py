"""Every command with what is common to all: its arguments, and the servers that it needs."""

from dataclasses import dataclass
from importlib.resources import files

TEMPORAL, POSTGRES, REDIS = "TEMPORAL_ADDRESS", "DATABASE_URL", "REDIS_URL"

#: An address of each where nothing listens.
CLOSED = {
    TEMPORAL: "127.0.0.1:1",
    POSTGRES: "postgresql://keeper:hunter2@127.0.0.1:1/casekeeper",
    REDIS: "redis://:hunter2@127.0.0.1:1/0",
}
#: A file that is there.
_POLICY = str(files("cases").joinpath("refund_policy.toml"))
SERVER = {TEMPORAL: "Temporal", POSTGRES: "Postgres", REDIS: "Redis"}


@dataclass(frozen=True)
class Command:
    """`arguments` are well-formed, and name what is not there; `needs` it cannot do without."""

    name: str
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = (POSTGRES,)
    about_a_case: bool = False
    #: Begins servers where there are none, and so is not asked about missing ones.
    brings_servers: bool = False

    @property
    def line(self) -> tuple[str, ...]:
        return (*self.name.split(), *self.arguments)


def _on_case(name: str, *more: str, needs: tuple[str, ...] = (POSTGRES,)) -> Command:
    return Command(name, ("no_such_case", *more), needs, about_a_case=True)


# 👉 A new command has its line here, or `test_every_command_has_its_line` fails.
COMMANDS = (
    Command("up", needs=(), brings_servers=True),
    Command("demo", needs=(TEMPORAL, POSTGRES), brings_servers=True),
    Command("start", ("--customer", "cus_1", "Hello?"), (TEMPORAL, POSTGRES)),
    _on_case("say", "Hello?", needs=(TEMPORAL, POSTGRES)),
    _on_case("cancel", "--reason", "none", needs=(TEMPORAL, POSTGRES)),
    _on_case("reopen", "--by", "kim", needs=(TEMPORAL, POSTGRES)),
    Command("approvals"),
    _on_case("approve", needs=(TEMPORAL, POSTGRES)),
    _on_case("deny", needs=(TEMPORAL, POSTGRES)),
    Command("resolve", ("no_such_task", "--note", "looked")),
    _on_case("unlock", "--note", "it is them", needs=(TEMPORAL, POSTGRES)),
    Command("approvers add", ("kim", "--limit", "USD=1.00")),
    Command("approvers list"),
    Command("approvers revoke", ("no_such_name",)),
    Command("policy check", (_POLICY,), needs=()),
    _on_case("show", needs=(TEMPORAL, POSTGRES)),
    _on_case("history"),
    _on_case("diff", "main.1", "main.2"),
    _on_case("explain"),
    _on_case("audit"),
    _on_case("fork", "--at", "main.1", needs=(TEMPORAL, POSTGRES)),
    _on_case("promote", "--branch", "b1", needs=(TEMPORAL, POSTGRES)),
    Command("backtest", ("--policy", _POLICY)),
    Command("worker", needs=(TEMPORAL, POSTGRES)),
    Command("replay", needs=(TEMPORAL,)),
    Command("deployment current", ("no-such-build",), (TEMPORAL,)),
    Command("deployment show", needs=(TEMPORAL,)),
    Command("reconcile", ("--days", "1"), (TEMPORAL, POSTGRES)),
    Command("invariants", ("--case", "no_such_case")),
    Command(
        "erase",
        ("no_such_customer", "--reason", "none", "--by", "kim", "--yes"),
        (TEMPORAL, POSTGRES),
    ),
    Command("migrate", needs=(TEMPORAL, POSTGRES)),
    Command("doctor", needs=(TEMPORAL, POSTGRES, REDIS)),
    Command("codec serve", needs=()),
    Command("keys rotate", needs=()),
    Command("keys list", needs=()),
    Command("keys forget", needs=(POSTGRES,)),
    Command("sandbox load", ("-",)),
    Command("sandbox show"),
    Command("sandbox advance", ("0s",)),
)
BY_NAME = {command.name: command for command in COMMANDS}
