"""Sections: the typed parts of a case's state. Each has one name, one type and one owner.

A section registers itself when its class is defined, so that a new agent brings its own type
without an edit here. With an owner's first section comes its scratch: notes that only it reads.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializeAsAny,
    model_validator,
)

from cases.errors import UnknownSection
from cases.records import Record
from cases.schema import FIRST, Upgrade, check_complete, newest, upgraded
from cases.sizes import LongText

_REGISTERED: dict[str, "type[Section]"] = {}
_SCRATCH = ".scratch"


class Section(Record):
    """Base of all sections. `status` is "failed" with an `error` where its agent gave up."""

    #: A newer worker may have stored a field that this one does not know: keep it, do not refuse.
    model_config = ConfigDict(frozen=True, extra="allow")

    name: ClassVar[str]
    owner: ClassVar[str]
    #: By the schema version that each leads to; a version that leaves this type alone has none.
    upgrades: ClassVar[Mapping[int, Upgrade]] = {}

    status: str = "done"
    error: str | None = None
    #: The schema version that last changed this type; the first one is not written.
    schema_version: int = Field(default=FIRST, exclude_if=lambda version: version == FIRST)

    def __init__(self, **fields: Any) -> None:
        """Made by code, and so in the form that the code knows."""
        super().__init__(**{"schema_version": newest(self.upgrades), **fields})

    @model_validator(mode="wrap")
    @classmethod
    def _from_stored(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A stored body of any age; every way in comes through here."""
        if isinstance(value, dict):
            body = cast("dict[str, Any]", value)
            value = upgraded(getattr(cls, "name", cls.__name__), body, cls.upgrades)
        return handler(value)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            _register(cls)

    @property
    def failed(self) -> bool:
        return self.status == "failed"


class Scratch(Section):
    """An agent's working notes. Nobody else reads them, and nothing is decided by them."""

    text: LongText = ""


def section_type(name: str) -> type[Section]:
    """The type registered for a section's name; raises UnknownSection."""
    try:
        return _REGISTERED[name]
    except KeyError:
        raise UnknownSection(name) from None


def section_owners() -> dict[str, str]:
    """Whose each registered section is."""
    return {name: kind.owner for name, kind in _REGISTERED.items()}


def scratch_of(owner: str) -> type[Scratch]:
    """The type of an owner's scratch; raises UnknownSection for who owns no section."""
    return cast("type[Scratch]", section_type(f"{owner}{_SCRATCH}"))


def is_scratch(name: str) -> bool:
    """Whether the section of that name is private to its owner."""
    return name.endswith(_SCRATCH)


def check_upgrades() -> None:
    """Raise SchemaGap unless every older schema version can be read; for the start of a worker."""
    check_complete(kind.upgrades for kind in _REGISTERED.values())


def _register(kind: type[Section]) -> None:
    """Make the type known under its name, which is its alone, and its owner's scratch with it."""
    known = _REGISTERED.get(kind.name)
    # A module may be loaded again, as Temporal's workflow sandbox does: that is the same class.
    if known and _identity(known) != _identity(kind):
        raise TypeError(f"section {kind.name} is {known.__module__}.{known.__qualname__} already")
    if is_scratch(kind.name) != issubclass(kind, Scratch):
        raise TypeError(f"{kind.name}: names that end in {_SCRATCH} are for scratch")
    _REGISTERED[kind.name] = kind
    if not is_scratch(kind.name) and f"{kind.owner}{_SCRATCH}" not in _REGISTERED:
        type(
            f"Scratch[{kind.owner}]",
            (Scratch,),
            {"__module__": __name__, "name": f"{kind.owner}{_SCRATCH}", "owner": kind.owner},
        )


def _identity(kind: type[Section]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


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
