"""Whatever writers, delays and losses do, in whatever order, the stores agree with the model.

Checked after every rule: the durable state is the model's; a hot copy that can be read at all is
the durable state at the copy's version, and never goes back while it lives; the audit chain holds.
At the end: every version that there ever was, the trail, and a copy that one load makes whole.
"""

import logging
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from activities.record import CaseRecord
from activities.steps import CaseRef, StepReport
from cases.errors import CaseAlreadyExists, CaseError, CheckpointNotFound, Conflict
from cases.ids import MAIN
from cases.state import CaseState, Message, StepUpdate
from runtime.servers import Servers
from tests.samples import NOON
from tests.stores.machines import (
    ACCIDENTS,
    DRAFTS,
    FATES,
    LAGS,
    MACHINE,
    PLACES,
    SHRUNK_S,
    Fate,
    WaywardHotStore,
    World,
    answer,
    named,
    opened_world,
)
from tests.stores.model import CaseModel, exactly
from tests.stores.own_valkey import own_valkey
from tests.stores.support import ProbeSection


class CaseMachine(RuleBasedStateMachine):
    """One case: its record in Postgres, its copy in Redis, and the model."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.hot = WaywardHotStore(self.world.redis)
        self.record = CaseRecord(self.world.cases, self.hot)
        case_id = self.world.next_case()
        self.ref = CaseRef(case_id=case_id, customer_id=f"cus_{case_id}")
        self.request = Message(message_id="request", text="I was charged twice", received_at=NOON)
        self.model = CaseModel(case_id, self.ref.customer_id, self.request)
        self.names = 0
        #: The newest version that was read from the copy since it was last gone.
        self.seen = 0
        #: So many versions were compared with the model, each as it was then, and verified.
        self.compared = self.verified = 0

    @initialize(fate=FATES)
    def open_case(self, fate: Fate) -> None:
        self.hot.fate = fate
        committed = self.world.run(self.record.open(self.ref, self.request))
        assert (committed.version, committed.repeated) == (1, False)

    @rule(fate=FATES, other=st.booleans())
    def open_again(self, fate: Fate, other: bool) -> None:
        self.hot.fate = fate
        ref = self.ref.model_copy(update={"customer_id": "cus_else"}) if other else self.ref
        try:
            committed = self.world.run(self.record.open(ref, self.request))
        except CaseAlreadyExists:
            assert other
        else:
            assert not other
            assert (committed.version, committed.repeated) == (1, True)

    @rule(draft=DRAFTS, lag=LAGS, fate=FATES)
    def commit(self, draft: StepUpdate, lag: int, fate: Fate) -> None:
        self._commit([self._named(draft)], lag, fate)

    @rule(drafts=st.lists(DRAFTS, min_size=2, max_size=3), lag=LAGS, fate=FATES)
    def commit_together(self, drafts: list[StepUpdate], lag: int, fate: Fate) -> None:
        self._commit([self._named(draft) for draft in drafts], lag, fate)

    @rule(which=PLACES, draft=DRAFTS, more=st.lists(DRAFTS, max_size=1), lag=LAGS, fate=FATES)
    def repeat(
        self, which: int, draft: StepUpdate, more: list[StepUpdate], lag: int, fate: Fate
    ) -> None:
        """An attempt whose answer was lost comes again, perhaps with another finding."""
        known = self.model.steps[which % self.model.version].step
        again = self._named(draft).model_copy(update={"step": known})
        self._commit([again, *(self._named(one) for one in more)], lag, fate)

    @rule(draft=DRAFTS, fate=FATES)
    def write_what_another_owns(self, draft: StepUpdate, fate: Fate) -> None:
        foreign = self._named(draft).model_copy(
            update={"owner": "stranger", "sections": {"probe": ProbeSection(content="mine")}}
        )
        self._commit([foreign], 0, fate)

    @rule(drafts=st.lists(st.tuples(DRAFTS, LAGS, st.integers(1, 2)), min_size=2, max_size=4))
    def race(self, drafts: list[tuple[StepUpdate, int, int]]) -> None:
        """Writers at once, some of them twice; what was accepted fits one order of them."""
        self.hot.fate = Fate.ARRIVE
        self.seen = 0
        racers = [(self._named(draft), self._base(lag)) for draft, lag, _ in drafts]
        racers = [
            one for one, (_, _, times) in zip(racers, drafts, strict=True) for _ in range(times)
        ]
        results = self.world.run(
            self.world.all_of(*(self.record.commit(base, [update]) for update, base in racers))
        )
        accepted = {
            result.done[0].version: racer
            for racer, result in zip(racers, results, strict=True)
            if isinstance(result, StepReport)
        }
        for version, (update, base) in sorted(accepted.items()):
            committed = self.model.commit([update], base.expected(*update.sections))
            assert (committed.version, committed.repeated) == (version, False)
        for (update, base), result in zip(racers, results, strict=True):
            if not isinstance(result, StepReport):
                assert isinstance(result, Conflict), result
                with pytest.raises(Conflict):
                    self.model.commit([update], base.expected(*update.sections))

    @rule(lag=LAGS, fate=FATES)
    def load(self, lag: int, fate: Fate) -> None:
        self.hot.fate = fate
        at_least = max(1, self.model.version - lag)
        ref = self.ref.model_copy(update={"at_least": at_least})
        state = self.world.run(self.record.load(ref))
        assert at_least <= state.version <= self.model.version
        assert exactly(state) == exactly(self.model.at(state.version))

    @rule(which=PLACES, twice=st.booleans())
    def deliver(self, which: int, twice: bool) -> None:
        if self.hot.held:
            self.hot.fate = Fate.ARRIVE
            place = which % len(self.hot.held)
            self.world.run(self.hot.held[place]())
            if not twice:
                del self.hot.held[place]

    @rule(what=ACCIDENTS)
    def befall(self, what: str) -> None:
        self.world.run(self.world.befall(self.ref.case_id, what))
        if what != "scripts gone":
            self.seen = 0

    @invariant()
    def the_durable_state_is_the_models(self) -> None:
        """Now, and at each version that is new since the last look."""
        load, version = self.world.cases.load, self.model.version
        now = self.world.run(load(self.ref.case_id, MAIN))
        assert exactly(now) == exactly(self.model.at(version))
        for at in range(self.compared + 1, version + 1):
            then = self.world.run(load(self.ref.case_id, MAIN, at=at))
            assert exactly(then) == exactly(self.model.at(at))
        self.compared = version

    @invariant()
    def a_hot_copy_is_the_durable_state_at_its_version(self) -> None:
        copy = self.world.run(self.hot.read(self.ref.case_id, MAIN))
        if copy:
            assert self.seen <= copy.version <= self.model.version
            assert exactly(copy) == exactly(self.model.at(copy.version))
            self.seen = copy.version
        elif self.world.run(self.world.stored(self.ref.case_id)) is None:
            self.seen = 0  # dropped, perhaps late; an older one may come next

    @invariant()
    def a_hot_copy_does_not_live_for_ever(self) -> None:
        assert self.world.run(self.world.expires(self.ref.case_id))

    @invariant()
    def the_audit_chain_holds(self) -> None:
        if self.verified < self.model.version:
            assert self.world.run(self.world.audit.verify(self.ref.case_id, MAIN)) == []
            self.verified = self.model.version

    def teardown(self) -> None:
        """The whole history once more, and a copy that one load has made whole."""
        self.compared = self.verified = 0
        self.the_audit_chain_holds()
        self.the_durable_state_is_the_models()
        lines = self.world.run(self.world.cases.history(self.ref.case_id, MAIN))
        versions = sorted(line.version for line in lines)
        assert versions == list(range(1, self.model.version + 1))
        with pytest.raises(CheckpointNotFound):
            self.world.run(self.world.cases.load(self.ref.case_id, MAIN, at=self.model.version + 1))
        trail = self.world.run(self.world.audit.trail(self.ref.case_id, MAIN, limit=10_000))
        rows = [(row.event, row.actor, row.section, row.version) for row in reversed(trail)]
        assert rows == self.model.trail()
        self.load(0, Fate.ARRIVE)
        copy = self.world.run(self.hot.read(self.ref.case_id, MAIN))
        assert copy == self.model.at(self.model.version)

    def _commit(self, updates: list[StepUpdate], lag: int, fate: Fate) -> None:
        """The stores accept and refuse what the model does, in the same words."""
        base = self._base(lag)
        expected = base.expected(*(name for update in updates for name in update.sections))
        wanted = answer(lambda: self.model.commit(updates, expected))
        self.hot.fate = fate
        found = answer(lambda: self.world.run(self.record.commit(base, updates)))
        if isinstance(found, CaseError):
            assert (type(found), str(found)) == (type(wanted), str(wanted))
        else:
            assert not isinstance(wanted, CaseError)
            assert found.done == tuple(self.model.done(update.step) for update in updates)

    def _base(self, lag: int) -> CaseState:
        return self.model.at(max(1, self.model.version - lag))

    def _named(self, draft: StepUpdate) -> StepUpdate:
        self.names += 1
        return named(draft, self.names)


@pytest.mark.timeout(SHRUNK_S)
def test_stores_and_model_agree_whatever_happens(
    servers: Servers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "stores.hot")  # it warns of each wrong-type key
    with own_valkey(tmp_path) as valkey, opened_world(servers, valkey.url) as world:
        CaseMachine.world = world
        run_state_machine_as_test(CaseMachine, settings=MACHINE)
