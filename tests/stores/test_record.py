"""A case's record: durable first, the hot copy after it, and never the hot copy alone."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from activities.record import CaseRecord
from activities.steps import CaseRef
from cases.errors import CaseNotFound, ConcurrentModification
from cases.ids import MAIN
from cases.ports import HotStore
from cases.state import CaseState, StepUpdate
from stores.hot import RedisHotStore
from stores.redis import case_key
from tests.stores.support import commit, opened, other, probe, request
from workers.composition import Stores


class ForgetfulHotStore(RedisHotStore):
    """Loses every projection, as a Redis that is away for a moment does."""

    async def merge(
        self,
        case_id: str,
        branch: str,
        updates: Sequence[tuple[StepUpdate, int]],
        *,
        fence: int | None = None,
    ) -> bool:
        del case_id, branch, updates, fence
        return False


def _ref(state: CaseState, at_least: int = 0) -> CaseRef:
    return CaseRef(case_id=state.case_id, customer_id=state.customer_id, at_least=at_least)


async def test_an_opened_case_is_in_both_stores(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    ref = CaseRef(case_id=case_id, customer_id="cus_1")
    for _ in range(2):
        await stores.record.open(ref, request())

    copy = await hot.read(case_id, MAIN)
    assert copy
    assert copy.model_copy(update={"messages": ()}) == (
        await stores.cases.load(case_id, MAIN)
    ).model_copy(update={"messages": ()})
    assert [m.text for m in copy.messages] == [request().text]


async def test_a_commit_is_projected(stores: Stores, hot: RedisHotStore, case_id: str) -> None:
    state = await opened(stores, case_id)
    await hot.write(state)

    report = await stores.record.commit(state, [probe([]), other({})])

    durable = await stores.cases.load(case_id, MAIN)
    assert await hot.read(case_id, MAIN) == durable
    assert [(one.step, one.version) for one in report.done] == [("probe:1", 2), ("other:1", 3)]
    assert report.apply_to(state).sections == durable.sections


@pytest.mark.parametrize("loss", ["gone", "torn", "wrong type"])
async def test_a_lost_copy_is_read_from_postgres_and_made_again(
    stores: Stores, hot: RedisHotStore, redis: Redis, case_id: str, loss: str
) -> None:
    state = await opened(stores, case_id)
    await hot.write(state)
    await stores.record.commit(state, [probe(1)])
    key = case_key(case_id, MAIN)
    if loss == "torn":
        await redis.hdel(key, "step:probe:1", "v:step:probe:1")
    else:
        await redis.delete(key)
    if loss == "wrong type":
        await redis.set(key, "something else")
    assert await hot.read(case_id, MAIN) is None

    loaded = await stores.record.load(_ref(state))

    assert loaded == await stores.cases.load(case_id, MAIN)
    assert await hot.read(case_id, MAIN) == loaded


async def test_a_copy_older_than_the_caller_knows_is_not_used(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    state = await opened(stores, case_id)
    await hot.write(state)
    await commit(stores.cases, state, probe(1))  # by someone who does not project

    assert (await stores.record.load(_ref(state))).version == 1
    assert (await stores.record.load(_ref(state, at_least=2))).version == 2
    assert (await stores.record.load(_ref(state))).version == 2


async def test_a_commit_that_an_outdated_copy_misled_succeeds_when_tried_again(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    state = await opened(stores, case_id)
    await hot.write(state)
    await CaseRecord(stores.cases, ForgetfulHotStore(stores.redis)).commit(state, [probe(1)])
    misled = await stores.record.load(_ref(state))
    assert misled.version == 1

    with pytest.raises(ConcurrentModification):
        await stores.record.commit(misled, [probe(2, name="probe:2")])
    reloaded = await stores.record.load(_ref(state))
    await stores.record.commit(reloaded, [probe(2, name="probe:2")])

    assert (await stores.cases.load(case_id, MAIN)).version == 3


@pytest.mark.parametrize("together", [False, True])
async def test_a_repeated_commit_reports_what_is_on_record(
    stores: Stores, hot: RedisHotStore, case_id: str, together: bool
) -> None:
    """Two attempts of an agent overlapped: the workflow must go on with the stored finding."""
    state = await opened(stores, case_id)
    await hot.write(state)
    first = await stores.record.commit(state, [probe("first"), other("first")])
    latest = await stores.cases.load(case_id, MAIN)
    await stores.record.commit(latest, [probe("later", name="probe:2")])

    repeat: list[StepUpdate] = [probe("second"), other("second")]
    again = await stores.record.commit(state, repeat if together else repeat[:1])

    assert again.done == first.done[: len(again.done)]
    assert len(again.done) == (2 if together else 1)
    assert await hot.read(case_id, MAIN) == await stores.cases.load(case_id, MAIN)


async def test_of_a_commit_that_is_partly_on_record_each_step_has_its_own_version(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    state = await opened(stores, case_id)
    await stores.record.commit(state, [probe(1)])
    latest = await stores.cases.load(case_id, MAIN)
    await stores.record.commit(latest, [probe(2, name="probe:2")])

    report = await stores.record.commit(state, [probe(9), other(9)])

    assert [(one.step, one.version) for one in report.done] == [("probe:1", 2), ("other:1", 4)]
    assert await hot.read(case_id, MAIN) == await stores.cases.load(case_id, MAIN)


async def test_a_case_is_never_shown_for_another_customer(
    stores: Stores, hot: RedisHotStore, case_id: str
) -> None:
    state = await opened(stores, case_id)
    strange = _ref(state).model_copy(update={"customer_id": "cus_else"})

    for _ in range(2):  # from Postgres, then from the hot copy
        with pytest.raises(CaseNotFound):
            await stores.record.load(strange)
    assert await hot.read(case_id, MAIN)
    with pytest.raises(CaseNotFound):
        await stores.record.load_dossier(strange, limit_days=30)


def test_the_hot_store_fits_its_port(hot: RedisHotStore) -> None:
    port: HotStore = hot
    assert port
