"""Cases of every schema version load, and workers of two versions lose nothing to each other."""

import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from redis.asyncio import Redis

from activities.agents.policy import _request  # pyright: ignore[reportPrivateUsage]
from activities.steps import CaseRef
from cases import sections
from cases.approvals import ApprovalSection, ApprovalState
from cases.errors import SchemaTooNew
from cases.ids import MAIN
from cases.policy import PolicySection
from cases.schema import SCHEMA_VERSION, Upgrade
from cases.sections import Section
from cases.state import CaseState
from starters.case_view import view_case
from starters.session import Session
from stores.hot import RedisHotStore
from stores.postgres import Pool
from stores.redis import case_key
from tests.corpus import FILES, FOLDER, NAMES, restore, stored
from tests.histories.record import KINDS_OF_CASE
from tests.stores.support import HARD_VALUES, Waiting, commit, opened, step
from workers.composition import Stores, shipped_policy

Body = dict[str, Any]


def of_version_2(view: Body) -> Body:
    """What version 2 changed: who decided is a list, as two people may have to."""
    approval = view["sections"]["approval"]
    if approval is None:
        return view
    name = approval["decided_by"]
    approval = {**approval, "schema_version": 2, "decided_by": [] if name is None else [name]}
    return {**view, "sections": {**view["sections"], "approval": approval}}


#: What each version changed in what people see. A new version adds its line.
CHANGES = {2: of_version_2}


def seen_today(case: Body, checkpoint: str) -> Body:
    """What was seen when the case was recorded, but for what later versions changed on purpose."""
    view = case["views"][checkpoint]
    for version, change in CHANGES.items():
        if version > case["schema_version"]:
            view = change(view)
    return {**view, "schema_version": SCHEMA_VERSION}


@pytest.fixture(params=FILES, ids=NAMES)
async def case(request: pytest.FixtureRequest, owner: Pool) -> Body:
    """A recorded case, with its rows as they were."""
    path: Path = request.param
    found = stored(path)
    await restore(owner, found)
    return found


def test_every_version_has_every_kind_of_case() -> None:
    found = {(path.parent.name, path.stem) for path in FILES}

    versions = range(1, SCHEMA_VERSION + 1)
    assert found == {(f"v{version}", kind) for version in versions for kind in KINDS_OF_CASE}
    for path in FILES:
        assert path.parent == FOLDER / f"v{stored(path)['schema_version']}"


async def test_each_checkpoint_of_a_recorded_case_shows_what_it_showed(
    session: Session, case: Body
) -> None:
    assert len(case["views"]) == case["rows"]["cases"][0]["version"]
    for checkpoint in case["views"]:
        view = await view_case(session, case["case_id"], MAIN, checkpoint)

        expected = seen_today(case, checkpoint)
        assert {key: view[key] for key in expected} == expected


async def test_a_checkpoint_keeps_the_version_in_which_it_was_written(
    stores: Stores, case: Body
) -> None:
    checkpoints = await stores.cases.history(case["case_id"], MAIN)

    assert {one.schema_version for one in checkpoints} == {case["schema_version"]}


async def test_a_recorded_hot_copy_of_todays_schema_is_read_and_any_other_made_anew(
    stores: Stores, hot: RedisHotStore, redis: Redis, case: Body
) -> None:
    case_id = case["case_id"]
    await redis.hset(case_key(case_id, MAIN), mapping=case["hot"])
    truth = await stores.cases.load(case_id, MAIN)

    today = case["hot"]["schema_version"] == str(SCHEMA_VERSION)
    assert await hot.read(case_id, MAIN) == (truth if today else None)
    ref = CaseRef(case_id=case_id, customer_id=truth.customer_id, at_least=truth.version)
    assert await stores.record.load(ref) == truth
    assert await hot.read(case_id, MAIN) == truth


async def test_a_recorded_case_is_in_the_form_of_today_once_it_was_loaded(
    stores: Stores, case: Body
) -> None:
    state = await stores.cases.load(case["case_id"], MAIN)

    assert state.schema_version == SCHEMA_VERSION
    assert CaseState.model_validate_json(state.model_dump_json()) == state
    for section in state.sections.values():
        assert section.schema_version == max(section.upgrades, default=1)


async def test_what_a_person_was_asked_has_the_same_digest_in_the_code_of_today(
    stores: Stores, case: Body
) -> None:
    """Else a follow-up would void the open request, and ask for the same once more."""
    for row in case["rows"]["sections"]:
        if row["name"] != "approval":
            continue
        state = await stores.cases.load(case["case_id"], MAIN, at=row["version"])
        policy, asked = state.get(PolicySection), state.get(ApprovalSection)
        assert policy
        assert asked
        if policy.approval_required:
            again = _request(state, policy, shipped_policy())
            assert again
            assert (again.approval_id, again.digest) == (asked.approval_id, asked.digest)


# --- Two workers side by side: the same section as older and as newer code has it.


class OldParcel(Section):
    owner: ClassVar[str] = "parcels"

    carrier: str = ""


class NewParcel(OldParcel):
    """Newer code has a field more, which older code may keep as it is: no version of its own."""

    tracking: Any = None


class NextParcel(NewParcel):
    """Still newer code has a field that older code must not guess, and so a version."""

    upgrades: ClassVar[Mapping[int, Upgrade]] = {
        SCHEMA_VERSION + 1: lambda body: {**body, "carriers": [body["carrier"]]}
    }

    carriers: tuple[str, ...]


class OldApproval(Section):
    """The approval section of version 1."""

    owner: ClassVar[str] = "approval"

    decided_by: str | None = None


@contextmanager
def worker_with(kind: type[Section], name: str) -> Generator[None]:
    """As in a process whose code has this class for the section."""
    registered = sections._REGISTERED  # pyright: ignore[reportPrivateUsage]
    before = registered.get(name)
    kind.name = name
    registered[name] = kind
    try:
        yield
    finally:
        del registered[name]
        if before:
            registered[name] = before


@pytest.fixture
async def parcel(stores: Stores, case_id: str) -> AsyncGenerator[CaseState]:
    """A case in which newer code has stored its field."""
    with worker_with(NewParcel, "parcel_of_two"):
        state = await opened(stores, f"{case_id}_parcel")
        await commit(
            stores.cases, state, step("parcel:1", NewParcel(carrier="DHL", tracking=HARD_VALUES))
        )
        yield await stores.cases.load(state.case_id, MAIN)


async def body_of(stores: Stores, case_id: str, name: str) -> bytes:
    row = "SELECT body FROM sections WHERE case_id = $1 AND name = $2 ORDER BY version DESC LIMIT 1"
    return bytes(await stores.pool.fetchval(row, case_id, name))


async def test_a_field_of_a_newer_worker_comes_back_from_an_older_one_byte_for_byte(
    stores: Stores, hot: RedisHotStore, parcel: CaseState
) -> None:
    name = "parcel_of_two"
    written = await body_of(stores, parcel.case_id, name)
    await hot.write(parcel)

    with worker_with(OldParcel, name):
        loaded = await stores.cases.load(parcel.case_id, MAIN)
        old = loaded.sections[name]
        assert type(old) is OldParcel
        assert await hot.read(parcel.case_id, MAIN) == loaded
        await commit(stores.cases, loaded, step("parcel:2", old))
        same = await body_of(stores, parcel.case_id, name)
        loaded = await stores.cases.load(parcel.case_id, MAIN)
        changed = old.model_copy(update={"carrier": "UPS"})
        await commit(stores.cases, loaded, step("parcel:3", changed))

    assert same == written
    again = (await stores.cases.load(parcel.case_id, MAIN)).sections[name]
    assert again == NewParcel(carrier="UPS", tracking=HARD_VALUES)
    assert json.dumps(again.model_dump()["tracking"]) == json.dumps(HARD_VALUES)


async def test_an_older_worker_writes_nothing_over_a_version_that_it_does_not_know(
    stores: Stores, hot: RedisHotStore, parcel: CaseState
) -> None:
    name = "parcel_of_two"
    with worker_with(NextParcel, name):
        newer = await stores.cases.load(parcel.case_id, MAIN)
        section = newer.sections[name]
        assert section == NextParcel(carrier="DHL", carriers=("DHL",), tracking=HARD_VALUES)
        await commit(stores.cases, newer, step("parcel:2", section))
        await hot.write(await stores.cases.load(parcel.case_id, MAIN))
    written = await body_of(stores, parcel.case_id, name)

    with worker_with(OldParcel, name):
        ref = CaseRef(case_id=parcel.case_id, customer_id=parcel.customer_id)
        with pytest.raises(SchemaTooNew, match=f"{name} .* version {SCHEMA_VERSION + 1}"):
            await stores.record.load(ref)
        assert await hot.read(parcel.case_id, MAIN) is None

    with worker_with(NextParcel, name):
        state = await stores.record.load(ref)
        assert state.sections[name] == section
        assert await body_of(stores, parcel.case_id, name) == written


async def test_code_of_version_1_goes_on_with_all_but_the_section_that_version_2_changed(
    stores: Stores, waiting: Waiting, parcel: CaseState
) -> None:
    with worker_with(OldApproval, "approval"):
        untouched = await stores.cases.load(parcel.case_id, MAIN)
        with pytest.raises(SchemaTooNew, match=r"approval .* version 2, .* version 1") as refusal:
            await stores.cases.load(waiting.case_id, MAIN)

    assert untouched == parcel
    assert (refusal.value.stored, refusal.value.known) == (2, 1)
    approval = (await stores.cases.load(waiting.case_id, MAIN)).get(ApprovalSection)
    assert approval
    assert (approval.state, approval.decided_by) == (ApprovalState.PENDING, ())
