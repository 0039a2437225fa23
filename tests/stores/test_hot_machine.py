"""The hot copy and its lease, command by command: what it has, what it answers, whom it refuses.

The copy is filled from a history that is on record; here the model says exactly what is there.
"""

import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cases.errors import LeaseLost
from cases.ids import MAIN
from cases.state import Message, StepUpdate
from runtime.servers import Servers
from stores.hot import RedisHotStore
from stores.leases import Lease, RedisLeases, case_lease
from tests.samples import NOON
from tests.stores.machines import (
    ACCIDENTS,
    DRAFTS,
    MACHINE,
    PLACES,
    SHRUNK_S,
    World,
    answer,
    named,
    opened_world,
)
from tests.stores.model import CaseModel, HotModel, LeaseModel, exactly
from tests.stores.own_valkey import own_valkey
from tests.stores.support import OtherProbeSection, ProbeSection

LEASE_TTL_S = 60.0


class HotMachine(RuleBasedStateMachine):
    """One copy, one lease, and a history of steps that come to the copy in any order."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.case_id = self.world.next_case()
        self.hot = RedisHotStore(self.world.redis)
        self.leases = RedisLeases(self.world.redis)
        self.lease_name = case_lease(self.case_id, MAIN)
        self.lease = LeaseModel()
        self.taken: list[Lease] = []

    @initialize(drafts=st.lists(DRAFTS, min_size=4, max_size=6))
    def put_on_record(self, drafts: list[StepUpdate]) -> None:
        request = Message(message_id="request", text="I was charged twice", received_at=NOON)
        self.case = CaseModel(self.case_id, "cus_1", request)
        for number, draft in enumerate(drafts):
            # Only the last step may close the case.
            status = draft.status if draft is drafts[-1] else None
            update = named(draft, number).model_copy(update={"status": status})
            now = self.case.at(self.case.version)
            self.case.commit([update], now.expected(*update.sections))
        self.copy = HotModel(self.case)
        for _ in range(2):  # so that the first token is outdated from the beginning
            self.take_the_lease("a")
        self.write(0, None)

    @rule(which=PLACES, by=st.none() | PLACES)
    def write(self, which: int, by: int | None) -> None:
        version, fence = self._version(which), self._token(by)
        command = self.hot.write(self.case.at(version), fence=fence)
        self._agree(lambda: self.copy.write(version, fence), command)

    @rule(which=PLACES, count=st.integers(1, 3), by=st.none() | PLACES)
    def merge(self, which: int, count: int, by: int | None) -> None:
        """Steps that were committed together, or one; too late perhaps, or again."""
        first, fence = self._version(which), self._token(by)
        versions = range(first, min(first + count, self.case.version + 1))
        updates = [(self.case.steps[version - 1], version) for version in versions]
        command = self.hot.merge(self.case_id, MAIN, updates, fence=fence)
        self._agree(lambda: self.copy.merge(versions, fence), command)

    @rule(what=ACCIDENTS | st.just("dropped"))
    def befall(self, what: str) -> None:
        if what == "dropped":
            self.world.run(self.hot.drop(self.case_id, MAIN))
        else:
            self.world.run(self.world.befall(self.case_id, what))
        if what != "scripts gone":
            self.copy.gone(wrong_type=what in ("a string", "a list"))
        if what == "emptied":
            self.copy.token = 0
            self.lease.over()

    @rule(holder=st.sampled_from("ab"))
    def take_the_lease(self, holder: str) -> None:
        lease = self.world.run(self.leases.acquire(self.lease_name, LEASE_TTL_S, holder))
        assert (lease is not None) == self.lease.may_take(holder)
        if lease:
            assert lease.token > max(self.lease.tokens, default=0)
            self.lease.taken(holder, lease.token)
            self.taken.append(lease)

    @rule(which=PLACES, what=st.sampled_from(["renew", "release", "expire"]))
    def change_the_lease(self, which: int, what: str) -> None:
        lease = self.taken[which % len(self.taken)]
        held = self.lease.holds(lease.token)
        if what == "renew":
            assert self.world.run(self.leases.renew(lease)) == held
        elif what == "release":
            assert self.world.run(self.leases.release(lease)) == held
            self.lease.holder = None if held else self.lease.holder
        else:
            self.world.run(self.world.expire(f"lease:{self.lease_name}"))
            self.lease.over()

    @invariant()
    def the_copy_reads_as_the_model(self) -> None:
        found = self.world.run(self.hot.read(self.case_id, MAIN))
        wanted = self.copy.read()
        assert (found and exactly(found)) == (wanted and exactly(wanted))

    @invariant()
    def each_section_reads_as_the_model(self) -> None:
        for kind in (ProbeSection, OtherProbeSection):
            found = self.world.run(self.hot.read_section(self.case_id, MAIN, kind))
            wanted = self.copy.section(kind.name)
            assert (found and found.model_dump_json()) == (wanted and wanted.model_dump_json())

    @invariant()
    def the_newest_checkpoint_is_known(self) -> None:
        found = self.world.run(self.hot.latest_checkpoint(self.case_id, MAIN))
        assert found == (f"main.{max(self.copy.versions)}" if self.copy.versions else None)

    @invariant()
    def a_copy_does_not_live_for_ever(self) -> None:
        assert self.world.run(self.world.expires(self.case_id))

    def _version(self, which: int) -> int:
        return 1 + which % self.case.version

    def _token(self, which: int | None) -> int | None:
        return (
            None if which is None or not self.taken else self.taken[which % len(self.taken)].token
        )

    def _agree(self, model: Callable[[], bool], command: Coroutine[Any, Any, bool]) -> None:
        """Both answer the same; who is refused has changed nothing."""
        before = self.world.run(self.world.stored(self.case_id))
        wanted, found = answer(model), answer(lambda: self.world.run(command))
        if isinstance(found, LeaseLost):
            assert isinstance(wanted, LeaseLost)
            assert (found.token, found.newest) == (wanted.token, wanted.newest)
            assert self.world.run(self.world.stored(self.case_id)) == before
        else:
            assert found == wanted


@pytest.mark.timeout(SHRUNK_S)
def test_copy_lease_and_model_agree_whatever_happens(
    servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "stores.hot")  # it warns of each wrong-type key
    with own_valkey(tmp_path) as valkey, opened_world(servers, valkey.url) as world:
        HotMachine.world = world
        run_state_machine_as_test(HotMachine, settings=settings(MACHINE, max_examples=60))
