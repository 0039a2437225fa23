"""The workflow's own view of its case: built from the reports of committed steps, never stored."""

from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from activities.cases import Resumed
from activities.steps import CaseRef, StepReport
from cases.effects import RefundSection
from cases.ids import MAIN, NEWEST
from cases.sections import Section
from cases.state import CaseState, CaseStatus
from cases.understanding import UnderstandingSection
from workflows.story import TimelineEntry, as_markdown, describe

S = TypeVar("S", bound=Section)

CASE_STATUS = SearchAttributeKey.for_keyword("CaseStatus")
CASE_BRANCH = SearchAttributeKey.for_keyword("CaseBranch")
NEEDS_HUMAN = SearchAttributeKey.for_bool("NeedsHuman")

#: What a Temporal namespace must know before cases run in it; nothing personal is in them.
SEARCH_ATTRIBUTES: dict[str, str] = {
    CASE_STATUS.name: "Keyword",
    CASE_BRANCH.name: "Keyword",
    NEEDS_HUMAN.name: "Bool",
}


def first_attributes(status: CaseStatus, branch: str) -> TypedSearchAttributes:
    """What a line of a case is listed by from its start on."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(CASE_STATUS, status.value),
            SearchAttributePair(CASE_BRANCH, branch),
            SearchAttributePair(NEEDS_HUMAN, False),
        ]
    )


_NEEDS_HUMAN = (CaseStatus.AWAITING_APPROVAL, CaseStatus.MANUAL_REVIEW)


class CaseFile:
    """State, timeline and what the Web UI shows of a case."""

    def __init__(self, case_id: str, customer_id: str, branch: str) -> None:
        self.state = CaseState(case_id=case_id, customer_id=customer_id, branch=branch or MAIN)
        self.timeline: list[TimelineEntry] = []
        self._heard_of = 0

    def ref(self) -> CaseRef:
        """How activities are told which case, and how new a copy they need."""
        return CaseRef(
            case_id=self.state.case_id,
            customer_id=self.state.customer_id,
            branch=self.state.branch,
            at_least=max(self.state.version, self._heard_of),
        )

    def hear_of(self, version: int) -> None:
        """Something was put on record beside the workflow; 0 where nobody says at which version."""
        self._heard_of = max(self._heard_of, version or NEWEST)

    def has_read(self) -> None:
        """What was put on record beside the workflow is read, and stands in its own state."""
        self._heard_of = 0

    def resume(self, resumed: Resumed) -> None:
        """Begin with what is on record already."""
        self.state = self.state.model_copy(
            update={"customer_id": resumed.customer_id, "status": resumed.status}
        )
        self.apply(resumed.report)

    @property
    def on_branch(self) -> bool:
        """Whether nothing of this line may leave."""
        return self.state.branch != MAIN

    def rounds_done(self) -> int:
        """How many rounds of messages are behind it; the one that it is in is not."""
        done = begun = 0
        for step in self.state.completed_steps:
            name, _, rest = step.partition(":")
            if name == UnderstandingSection.owner:
                begun = int(rest)
                done = begun - 1
            elif name == "message":
                done = begun  # what was said since is read in the next one, all at once
        return done

    def texts_recorded(self) -> int:
        """How many texts came by signal."""
        return sum(s.startswith("message:signal-") for s in self.state.completed_steps)

    def section(self, kind: type[S]) -> S:
        """The section of that type; only for what an earlier step must have written."""
        section = self.state.get(kind)
        if section is None:
            raise LookupError(f"no step has written section {kind.name}")
        return section

    def has_done(self, step: str) -> bool:
        return step in self.state.completed_steps

    def money_moved(self) -> bool:
        """Whether the case is past its pivot: a refund was made, or may have been."""
        refund = self.state.get(RefundSection)
        return refund is not None and any(item.state.moved for item in refund.items)

    def newest_step(self, kind: str) -> str:
        """The last step of that kind; empty where none is reported."""
        steps = (s for s in reversed(self.state.completed_steps) if s.startswith(f"{kind}:"))
        return next(steps, "")

    def expects(self, kind: type[Section]) -> int:
        """The version at which a section was last written, 0 for never."""
        return self.state.section_versions.get(kind.name, 0)

    def apply(self, report: StepReport) -> None:
        """Take over what committed steps wrote, and tell it in the Web UI."""
        self.state = report.apply_to(self.state)
        for step in report.done:
            for section in step.sections.values():
                self._tell(step.step, describe(section))

    def assume(self, section: Section) -> None:
        """Take over a section that the record was shown to hold, without a step of our own."""
        sections = {**self.state.sections, section.name: section}
        self.state = self.state.model_copy(update={"sections": sections})
        self._tell(section.name, describe(section))

    def stand_at(self, status: CaseStatus) -> None:
        """Show where the case stands, as search attributes; each change is one history event."""
        if status is self.state.status:
            return
        self.state = self.state.model_copy(update={"status": status})
        changes: list[SearchAttributeUpdate[Any]] = [
            CASE_STATUS.value_set(status.value),
            CASE_BRANCH.value_set(self.state.branch),
            NEEDS_HUMAN.value_set(status in _NEEDS_HUMAN),
        ]
        workflow.upsert_search_attributes(changes)  # pyright: ignore[reportUnknownMemberType]  upstream
        workflow.set_current_details(as_markdown(self.state, self.timeline))

    def _tell(self, step: str, text: str) -> None:
        at = workflow.now().isoformat(timespec="milliseconds")
        self.timeline.append(TimelineEntry(at=at, step=step, text=text))
        workflow.set_current_details(as_markdown(self.state, self.timeline))

    def as_json(self) -> dict[str, Any]:
        """What the `case_state` query answers."""
        return self.state.model_dump(mode="json", exclude={"messages"})
