"""What activities are asked to do to a case and what they report back: small, and without text."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from cases.ids import MAIN
from cases.records import Record
from cases.sections import Section, SectionMap, is_scratch
from cases.sizes import REPORT_BYTES, encoded_size
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
    #: Written as well, and not carried here: too large for a history, or nobody else's business.
    left_out: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)

    @classmethod
    def of(cls, written: Mapping[str, Section], **step: Any) -> "StepDone":
        """The report of a step that wrote those sections."""
        out = tuple(name for name, body in written.items() if _stays_out(name, body))
        carried = {name: body for name, body in written.items() if name not in out}
        return cls(sections=carried, left_out=out, **step)


class StepReport(Record):
    """The steps that one activity committed."""

    done: tuple[StepDone, ...]

    def apply_to(self, state: CaseState) -> CaseState:
        """The workflow's own view after these steps."""
        for step in self.done:
            update = StepUpdate(step=step.step, owner=step.owner, sections=step.sections)
            state = state.after(update, step.version)
            unseen = dict.fromkeys(step.left_out, step.version)
            state = state.model_copy(
                update={"section_versions": {**state.section_versions, **unseen}}
            )
        return state


def _stays_out(name: str, body: Section) -> bool:
    return is_scratch(name) or encoded_size(name, body) > REPORT_BYTES
