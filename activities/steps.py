"""What activities are asked to do to a case and what they report back: small, and without text."""

from cases.ids import MAIN
from cases.records import Record
from cases.sections import SectionMap
from cases.state import CaseState, StepUpdate


class CaseRef(Record):
    """Which case, and the version of it that the workflow knows: older copies are not used."""

    case_id: str
    customer_id: str
    branch: str = MAIN
    at_least: int = 0


class StepDone(Record):
    """A step that is on record, with the sections it wrote."""

    step: str
    owner: str
    version: int
    sections: SectionMap


class StepReport(Record):
    """The steps that one activity committed."""

    done: tuple[StepDone, ...]

    def apply_to(self, state: CaseState) -> CaseState:
        """The workflow's own view after these steps."""
        for step in self.done:
            update = StepUpdate(step=step.step, owner=step.owner, sections=step.sections)
            state = state.after(update, step.version)
        return state
