"""What a model is given, and the forms that it must fill in: strict, and nothing more than that."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from cases.answer_texts import Opening
from cases.answers import AnswerFacts
from cases.state import CaseStatus
from cases.understanding import MAX_NEEDS, Reason, Understanding, Urgency

#: Below that a person decides what a case is about. Models are not calibrated: what one says of its
#: own confidence is no probability, and only the evaluations say whether this is the right place.
PERSON_BELOW = 60


def _one_of(names: Iterable[str]) -> dict[str, Any]:
    """A schema that tells the model the names alone, and nothing of what is made of them."""
    return {"type": "string", "enum": list(names)}


class Form(BaseModel):
    """No field is missing, none is added, and none is of another type than it says."""

    model_config = ConfigDict(strict=True, extra="forbid")


class UnderstandingForm(Form):
    """What the messages need; `understanding_form` says which topics there are."""

    needs: list[str]
    reason: Annotated[Reason, WithJsonSchema(_one_of(Reason))]
    language: Annotated[str, StringConstraints(pattern="^[a-z]{2}$")]
    urgency: Annotated[Urgency, WithJsonSchema(_one_of(Urgency))]
    suspected_injection: bool
    confidence: Annotated[int, Field(ge=0, le=100)]

    def understanding(self) -> Understanding:
        """The same in the words of a case."""
        return Understanding(
            needs=frozenset(self.needs),
            reason=self.reason,
            language=self.language,
            urgency=self.urgency,
            suspected_injection=self.suspected_injection,
            sure=self.confidence >= PERSON_BELOW,
        )


class OpeningForm(Form):
    """Which of our own sentences stands before the facts."""

    opening: Annotated[Opening, WithJsonSchema(_one_of(Opening))]


def understanding_form(topics: Mapping[str, str]) -> type[UnderstandingForm]:
    """The form whose needs are these topics and no other."""

    def known(need: str) -> str:
        if need not in topics:
            raise ValueError(f"the topics are: {', '.join(topics)}")
        return need

    topic = WithJsonSchema(_one_of(topics))

    class Classification(UnderstandingForm):
        needs: Annotated[
            list[Annotated[str, AfterValidator(known), topic]], Field(max_length=MAX_NEEDS)
        ]

    return Classification


def kinds(facts: AnswerFacts) -> list[str]:
    """The facts without anything that is in them."""
    following = {
        "a refund was made": facts.refunded,
        "a refund was requested": facts.refund_requested,
        "a refund was made before": facts.past_refunds,
        "nothing wrong was found": facts.nothing_found,
        "a mail to reset the password was sent": facts.reset_sent,
        "a mail to reset the password was sent before": facts.reset_sent_before,
        "a colleague declined a refund": facts.denied,
        "waits for a person": facts.waits_for_person,
        "the request was cancelled": facts.closes_as is CaseStatus.CANCELLED,
    }
    return [kind for kind, is_so in following.items() if is_so]
