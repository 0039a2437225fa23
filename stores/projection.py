"""How a case lies in its Redis hash: fields of opaque bytes, and the way back to a state."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from cases.schema import SCHEMA_VERSION
from cases.sizes import kept
from cases.state import CaseState, Message, StepUpdate, add
from stores.seals import NO_SEAL, Seal
from stores.steps import storable

#: A field's name, the owner of the section that it holds ("" for other fields), and its value.
Field = tuple[str, str, bytes]
Argument = str | bytes | int


def section_field(name: str) -> str:
    """The field that holds a section."""
    return f"section:{name}"


def encode_step(update: StepUpdate, version: int, seal: Seal = NO_SEAL) -> list[Argument]:
    """One step as merge.lua takes it."""
    fields = _step_fields(update, version, seal)
    head: list[Argument] = [f"step:{update.step}", version, update.owner, len(fields)]
    return head + [part for field in fields for part in field]


def _step_fields(update: StepUpdate, version: int, seal: Seal) -> list[Field]:
    """What a step writes. Each field keeps its newest version, so the order of steps is free."""
    fields: list[Field] = [("owner", "", update.owner.encode())]
    if update.status:
        fields.append(("status", "", update.status.encode()))
    if update.error:
        fields.append(("error", "", seal.body(storable(update.error).encode())))
    if update.retries:
        fields.append((f"retries:{update.step}", "", json.dumps(update.retries).encode()))
    fields += [
        (section_field(name), section.owner, seal.body(section.model_dump_json().encode()))
        for name, section in update.sections.items()
    ]
    fields += [
        (_message_field(version, place), "", seal.body(message.model_dump_json().encode()))
        for place, message in enumerate(update.messages)
    ]
    return fields


def _message_field(version: int, place: int) -> str:
    # The order of the names is the order of the messages.
    return f"message:{version:08d}:{place:04d}"


def encode_state(state: CaseState, seal: Seal = NO_SEAL) -> list[Argument]:
    """All fields of a case's hash, each followed by its value."""
    messages, gone = kept(state.messages)
    pruned = state.messages_pruned + gone
    fields: dict[str, Argument] = {
        "version": state.version,
        "case": json.dumps([state.case_id, state.branch, state.customer_id]),
        "schema_version": state.schema_version,
        "updated_at": now(),
        "pruned": pruned,
        "said": pruned + len(messages),
        **({"closed": 1} if state.status.closed else {}),
        **_versioned("status", state.status, state.version),
        **_versioned("owner", state.current_owner or "", state.version),
        **_versioned("error", seal.body((state.error or "").encode()), state.version),
        **_versioned("retries:before", json.dumps(state.retries), state.version),
    }
    # Each step made one version, so a step's place in the list is its version.
    for version, step in enumerate(state.completed_steps, start=1):
        fields |= _versioned(f"step:{step}", "", version)
    for name, section in state.sections.items():
        body = seal.body(section.model_dump_json().encode())
        fields |= _versioned(section_field(name), body, state.section_versions[name])
        fields[f"o:{name}"] = section.owner
    for place, message in enumerate(messages):
        fields[_message_field(0, place)] = seal.body(message.model_dump_json().encode())
    return [part for item in fields.items() for part in item]


def _versioned(field: str, value: str | bytes, version: int) -> dict[str, Argument]:
    return {field: value, f"v:{field}": version}


def now() -> str:
    """The time of a change."""
    return datetime.now(UTC).isoformat()


def decode_state(hash_: dict[bytes, bytes]) -> CaseState | None:
    """The state in a case's hash; None where a part is missing, or its schema is not ours."""
    found = {key.decode(): value for key, value in hash_.items()}
    if not readable(found["schema_version"]):
        return None
    version = int(found["version"])
    versions = {key[2:]: int(value) for key, value in found.items() if key.startswith("v:")}
    steps = sorted((v, key[5:]) for key, v in versions.items() if key.startswith("step:"))
    if len(steps) != version:
        return None  # a projection went missing: each version belongs to one step
    messages, pruned = _messages(found), int(found["pruned"])
    if pruned + len(messages) != int(found["said"]):
        return None
    case_id, branch, customer_id = json.loads(found["case"])
    sections = {key[8:]: value for key, value in found.items() if key.startswith("section:")}
    return CaseState.model_validate(
        {
            "case_id": case_id,
            "branch": branch,
            "customer_id": customer_id,
            "version": version,
            "schema_version": SCHEMA_VERSION,
            "status": found["status"].decode(),
            "current_owner": found["owner"].decode() or None,
            "error": found["error"].decode() or None if "error" in found else None,
            "retries": _sum_of_retries(found),
            "completed_steps": tuple(name for _, name in steps),
            "sections": {name: json.loads(body) for name, body in sections.items()},
            "section_versions": {name: versions[section_field(name)] for name in sections},
            "messages": messages,
            "messages_pruned": pruned,
        }
    )


def readable(schema_version: bytes) -> bool:
    """Whether a copy of that schema is ours: any other is made anew from Postgres."""
    return schema_version == str(SCHEMA_VERSION).encode()


def _sum_of_retries(found: dict[str, bytes]) -> dict[str, int]:
    retries: dict[str, int] = {}
    for key, value in found.items():
        if key.startswith("retries:"):
            retries = add(retries, json.loads(value))
    return retries


def _messages(found: dict[str, bytes]) -> Sequence[Message]:
    bodies = sorted((key, value) for key, value in found.items() if key.startswith("message:"))
    return tuple(Message.model_validate_json(body) for _, body in bodies)
