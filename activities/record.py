"""The case's record: durable first, then its hot copy."""

from collections.abc import Mapping, Sequence

from activities.measures import count_closed
from activities.steps import CaseRef, StepDone, StepReport
from cases.errors import CaseNotFound, ConcurrentModification, ForeignWrite
from cases.ids import MAIN
from cases.ports import CaseStore, Committed, Dossier, HotStore
from cases.sizes import LongText
from cases.state import CaseState, Message, StepUpdate, opening_step


class CaseRecord:
    """Reads and writes cases. Postgres is the truth; the hot copy only spares it reads."""

    def __init__(self, store: CaseStore, hot: HotStore) -> None:
        self._store = store
        self._hot = hot

    async def open(self, ref: CaseRef, request: Message, *, opened_by: str = "") -> Committed:
        """Put the case on record and make its hot copy."""
        committed = await self._store.open(
            ref.case_id, ref.branch, ref.customer_id, request, opened_by=opened_by
        )
        if not committed.repeated:
            state = CaseState(case_id=ref.case_id, customer_id=ref.customer_id, branch=ref.branch)
            await self._hot.write(state.after(opening_step(request), committed.version))
        return committed

    async def forget(self, case_id: str, branch: str) -> None:
        """Take out the hot copy."""
        await self._hot.drop(case_id, branch)

    async def load(self, ref: CaseRef) -> CaseState:
        """The state, from the hot copy if it is at least as new as the caller knows."""
        hot = await self._hot.read(ref.case_id, ref.branch)
        if hot and hot.version >= ref.at_least and _is_of(ref, hot):
            return hot
        state = await self._store.load(ref.case_id, ref.branch)
        await self._hot.write(state)
        return _of_customer(ref, state)

    async def load_dossier(self, ref: CaseRef, *, limit_days: int) -> Dossier:
        """What a decision about money is made from: the durable record."""
        dossier = await self._store.load_dossier(ref.case_id, ref.branch, limit_days=limit_days)
        _of_customer(ref, dossier.state)
        return dossier

    async def renew(self, state: CaseState) -> None:
        """Make the hot copy anew from what the record holds by now."""
        await self._hot.write(state)

    async def read_back(self, case_id: str, text: LongText) -> str:
        """The whole of a text that may have gone into the archive; raises DamagedBody."""
        return text if isinstance(text, str) else await self._store.read_back(case_id, text)

    async def commit(self, state: CaseState, updates: Sequence[StepUpdate]) -> StepReport:
        """Commit steps that were made from `state`, then project them."""
        updates = [update.fitted() for update in updates]
        names = [name for update in updates for name in update.sections]
        try:
            committed = await self._store.commit(
                state.case_id, state.branch, updates, state.expected(*names)
            )
        except ConcurrentModification:
            # The hot copy may be what misled the caller, or may know more than a record that was
            # restored: the next attempt must not meet it again.
            await self._hot.drop(state.case_id, state.branch)
            raise
        return await self.project(state.case_id, state.branch, updates, committed)

    async def project(
        self, case_id: str, branch: str, updates: Sequence[StepUpdate], committed: Committed
    ) -> StepReport:
        """Bring the hot copy up to steps that are on record, and report them."""
        if committed.repeated:
            return await self._as_recorded(case_id, branch, updates)
        for update in updates:
            if branch == MAIN and update.status and update.status.closed:
                count_closed(update.status)
        first = committed.version - len(updates) + 1
        versioned = list(zip(updates, range(first, committed.version + 1), strict=True))
        try:
            await self._hot.merge(case_id, branch, versioned)
        except ForeignWrite:
            # The record, which knows the owners, has taken the step: it is the copy that is wrong.
            await self._hot.drop(case_id, branch)
        return StepReport(
            done=tuple(
                StepDone.of(u.sections, step=u.step, owner=u.owner, version=v) for u, v in versioned
            )
        )

    async def _as_recorded(
        self, case_id: str, branch: str, updates: Sequence[StepUpdate]
    ) -> StepReport:
        """Another attempt committed first, perhaps with another finding: the record's counts."""
        state = await self._store.load(case_id, branch)
        done: list[StepDone] = []
        for update in updates:
            # Each step made one version, so a step's place in the list is its version.
            version = state.completed_steps.index(update.step) + 1
            then = await self._store.load(case_id, branch, at=version)
            written = {
                name: section
                for name, section in then.sections.items()
                if then.section_versions[name] == version
            }
            owner = then.current_owner or update.owner
            done.append(StepDone.of(written, step=update.step, owner=owner, version=version))
        await self._hot.write(state)
        return StepReport(done=tuple(done))


def reported(state: CaseState, steps: Mapping[str, str]) -> StepReport:
    """The report of steps that are on record already; `steps` maps a section to its step."""
    return StepReport(
        done=tuple(
            StepDone.of(
                {name: state.sections[name]},
                step=step,
                owner=state.sections[name].owner,
                version=state.section_versions[name],
            )
            for name, step in steps.items()
            if name in state.sections
        )
    )


def whole(state: CaseState) -> StepReport:
    """The report of all that is on record, for a workflow that begins with it."""
    done: list[StepDone] = []
    # Each step made one version, so a step's place in the list is its version.
    for version, step in enumerate(state.completed_steps, start=1):
        written = {n: s for n, s in state.sections.items() if state.section_versions[n] == version}
        # Of several owners only where a branch begins: as if each had written its own.
        for owner in sorted({section.owner for section in written.values()}) or [""]:
            own = {name: section for name, section in written.items() if section.owner == owner}
            done.append(StepDone.of(own, step=step, owner=owner, version=version))
    return StepReport(done=tuple(done))


def _of_customer(ref: CaseRef, state: CaseState) -> CaseState:
    """A case is never worked on for another customer than its own."""
    if not _is_of(ref, state):
        raise CaseNotFound(ref.case_id, ref.branch)
    return state


def _is_of(ref: CaseRef, state: CaseState) -> bool:
    same_customer = ref.customer_id in {"", state.customer_id}
    return same_customer and (ref.case_id, ref.branch) == (state.case_id, state.branch)
