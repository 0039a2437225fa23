"""Sections: the typed parts of a case's state. Each has one name, one type and one owner.

A section registers itself when its class is defined, so that a new agent brings its own type
without an edit here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast

from pydantic import BeforeValidator, ConfigDict, SerializeAsAny

from cases.errors import UnknownSection
from cases.records import Record

_REGISTERED: dict[str, "type[Section]"] = {}


class Section(Record):
    """Base of all sections. `status` is "failed" with an `error` where its agent gave up."""

    #: A newer worker may have stored a field that this one does not know: keep it, do not refuse.
    model_config = ConfigDict(frozen=True, extra="allow")

    name: ClassVar[str]
    owner: ClassVar[str]

    status: str = "done"
    error: str | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            _REGISTERED[cls.name] = cls

    @property
    def failed(self) -> bool:
        return self.status == "failed"


def section_type(name: str) -> type[Section]:
    """The type registered for a section's name; raises UnknownSection."""
    try:
        return _REGISTERED[name]
    except KeyError:
        raise UnknownSection(name) from None


def _typed(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {
        name: _section(name, body) for name, body in cast("Mapping[str, object]", value).items()
    }


def _section(name: str, body: object) -> Section:
    if not isinstance(body, Section):
        return section_type(name).model_validate(body)
    if getattr(body, "name", None) != name:
        raise ValueError(f"{name} cannot hold a {type(body).__name__}")
    return body


#: Sections by name, each validated and serialised as its registered type.
SectionMap = Annotated[dict[str, SerializeAsAny[Section]], BeforeValidator(_typed)]
