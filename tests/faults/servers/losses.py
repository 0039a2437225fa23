"""One request of each case is lost on its way to Postgres, or only its answer."""

import re
from dataclasses import dataclass, field

from tests.faults.servers.relay import Loss

#: How every answer of Postgres ends; the letter tells whether a transaction is open.
_READY = re.compile(rb"Z\x00\x00\x00\x05([ITE])\Z")

#: Messages that run something. What only prepares a statement is not there on every connection.
_RUNS = (b"B", b"Q")


@dataclass
class ToLose:
    """The request of a case that is lost, counted from 1; `seen` counts on."""

    number: int
    loss: Loss
    seen: int = 0
    made: bool = False


@dataclass
class OneOfEachCase:
    """Fits `relay.Losses`.

    A request is a case's when it holds its number, or follows such a one in its transaction.
    """

    by_case: dict[bytes, ToLose] = field(default_factory=dict[bytes, ToLose])
    #: Whose transaction a connection is in.
    _open: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def of_request(self, connection: int, data: bytes) -> Loss:
        case = self._open.get(connection) or self._case_of(data)
        if case is None or data[:1] not in _RUNS:
            return Loss.NOTHING
        self._open[connection] = case
        wanted = self.by_case[case]
        wanted.seen += 1
        if wanted.made or wanted.seen != wanted.number:
            return Loss.NOTHING
        wanted.made = True
        return wanted.loss

    def is_answered(self, connection: int, data: bytes) -> bool:
        ready = _READY.search(data)
        if ready and ready[1] == b"I":
            self._open.pop(connection, None)
        return bool(ready)

    def _case_of(self, data: bytes) -> bytes | None:
        return next((case for case in self.by_case if case in data), None)
