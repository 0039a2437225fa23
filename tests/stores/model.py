"""A case, its hot copy and its lease in memory: what the real stores are compared with.

Plain lists and loops: nothing here is shared with the stores, and none of the reducers is used.
"""

from collections.abc import Mapping, Sequence

from activities.steps import StepDone
from cases.errors import CaseClosed, ConcurrentModification, ForeignWrite, LeaseLost
from cases.ports import Committed
from cases.records import canonical
from cases.sections import Section
from cases.state import CaseState, CaseStatus, Message, StepUpdate

#: So many messages stay in the state: written out, as this is what was asked for.
KEPT_MESSAGES = 50
CLOSED = ("answered", "rejected", "manual_review", "cancelled")


class CaseModel:
    """The steps that were accepted, in their order: step n made version n."""

    def __init__(self, case_id: str, customer_id: str, request: Message) -> None:
        self.case_id, self.customer_id = case_id, customer_id
        self.steps = [StepUpdate(step="open", owner="intake", messages=(request,))]

    @property
    def version(self) -> int:
        return len(self.steps)

    def commit(self, updates: Sequence[StepUpdate], expected: Mapping[str, int]) -> Committed:
        """Accept all of the steps or none; raises what the durable store should raise."""
        for update in updates:
            for name, section in update.sections.items():
                if section.owner != update.owner:
                    raise ForeignWrite(update.owner, name, section.owner)
        steps, version, repeated = list(self.steps), 0, False
        for update in updates:
            known = [step.step for step in steps]
            if update.step in known:
                version, repeated = known.index(update.step) + 1, True
            else:
                self._check(steps, update, expected)
                steps.append(update)
                version = len(steps)
        self.steps = steps
        return Committed(version=version, repeated=repeated)

    def at(self, version: int) -> CaseState:
        """The state that those steps make."""
        steps = self.steps[:version]
        messages = [message for step in steps for message in step.messages]
        retries: dict[str, int] = {}
        for step in steps:
            for key, count in step.retries.items():
                retries[key] = retries.get(key, 0) + count
        versions = _versions(steps)
        return CaseState(
            case_id=self.case_id,
            customer_id=self.customer_id,
            version=len(steps),
            status=CaseStatus(_status(steps)),
            messages=tuple(messages[-KEPT_MESSAGES:]),
            messages_pruned=max(0, len(messages) - KEPT_MESSAGES),
            sections={name: steps[at - 1].sections[name] for name, at in versions.items()},
            section_versions=versions,
            completed_steps=tuple(step.step for step in steps),
            current_owner=steps[-1].owner,
            retries=retries,
            error=([None] + [step.error for step in steps if step.error])[-1],
        )

    def done(self, step: str) -> StepDone:
        """What is reported of a step that is on record."""
        version = [known.step for known in self.steps].index(step) + 1
        made = self.steps[version - 1]
        return StepDone(step=step, owner=made.owner, version=version, sections=made.sections)

    def trail(self) -> list[tuple[str, str, str | None, int]]:
        """The audit rows that the steps leave: event, actor, section and version."""
        rows: list[tuple[str, str, str | None, int]] = []
        for version, step in enumerate(self.steps, 1):
            events: list[tuple[str, str | None]] = [
                *(("section_written", name) for name in step.sections),
                *(("message_received", None) for _ in step.messages),
            ]
            rows += [
                (event, step.owner, section, version)
                for event, section in events or [("step_done", None)]
            ]
        return rows

    def _check(
        self, steps: Sequence[StepUpdate], update: StepUpdate, expected: Mapping[str, int]
    ) -> None:
        if _status(steps) in CLOSED:
            raise CaseClosed(self.case_id, _status(steps))
        versions = _versions(steps)
        for name in update.sections:
            found = versions.get(name, 0)
            if expected.get(name, 0) != found:
                raise ConcurrentModification(self.case_id, expected.get(name, 0), found)


class LeaseModel:
    """One holder at a time, and every token that was given out, lowest first."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.tokens: list[int] = []

    def may_take(self, holder: str) -> bool:
        return self.holder in (None, holder)

    def taken(self, holder: str, token: int) -> None:
        self.holder = holder
        self.tokens.append(token)

    def holds(self, token: int) -> bool:
        return self.holder is not None and self.tokens[-1] == token

    def over(self) -> None:
        """The lease has expired, or was given back, or Redis has forgotten it."""
        self.holder = None


class HotModel:
    """A copy in Redis: the versions that it has, and the highest token that came to it."""

    def __init__(self, case: CaseModel) -> None:
        self.case = case
        #: None where there is no copy.
        self.versions: set[int] | None = None
        self.token = 0
        #: Something that is no copy lies in its place: only a whole case takes that over.
        self.wrong_type = False

    def write(self, version: int, fence: int | None) -> bool:
        self._check(fence)
        self._remember(fence)
        if self.versions and max(self.versions) > version:
            return False
        self.versions, self.wrong_type = set(range(1, version + 1)), False
        return True

    def merge(self, versions: Sequence[int], fence: int | None) -> bool:
        self._check(fence)
        if self.wrong_type:
            return False
        self._remember(fence)
        if self.versions is None:
            return False
        self.versions |= set(versions)
        return True

    def gone(self, *, wrong_type: bool = False) -> None:
        """The copy is lost, perhaps to something else under its key."""
        self.versions, self.wrong_type = None, wrong_type

    def read(self) -> CaseState | None:
        """The whole case: only where no version before the newest is missing."""
        if self.versions is None or len(self.versions) < max(self.versions):
            return None
        return self.case.at(max(self.versions))

    def section(self, name: str) -> Section | None:
        """What the newest of the versions that are here wrote."""
        steps = [self.case.steps[version - 1] for version in sorted(self.versions or ())]
        return ([None] + [step.sections[name] for step in steps if name in step.sections])[-1]

    def _check(self, fence: int | None) -> None:
        if fence is not None and fence < self.token:
            raise LeaseLost("the case", fence, self.token)

    def _remember(self, fence: int | None) -> None:
        self.token = max(self.token, fence or 0)


def exactly(state: CaseState) -> bytes:
    """All of a state, so that 1, 1.0 and true differ."""
    return canonical(state.model_dump(mode="json"))


def _versions(steps: Sequence[StepUpdate]) -> dict[str, int]:
    return {name: version for version, step in enumerate(steps, 1) for name in step.sections}


def _status(steps: Sequence[StepUpdate]) -> str:
    return ["received", *(step.status.value for step in steps if step.status)][-1]
