"""Writers with a fence: who has lost the lease changes nothing, however long it was stopped."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis

from cases.errors import ForeignWrite, LeaseLost
from cases.ids import MAIN
from cases.state import CaseState
from runtime.servers import Servers
from stores.hot import RedisHotStore
from stores.leases import RedisLeases, case_lease
from tests.stores.processes import other_process
from tests.stores.support import key, later_steps, other, probe, reduced


async def test_a_lower_fence_than_the_last_writers_changes_nothing(
    hot: RedisHotStore, redis: Redis, state: CaseState
) -> None:
    await hot.write(state, fence=7)
    assert await hot.merge(state.case_id, MAIN, [(probe(1), 2)], fence=9)
    before = await redis.hgetall(key(state))

    with pytest.raises(LeaseLost) as lost:
        await hot.merge(state.case_id, MAIN, [(other(1), 3)], fence=8)
    with pytest.raises(LeaseLost):
        await hot.write(reduced(state), fence=7)

    assert (lost.value.token, lost.value.newest) == (8, 9)
    assert state.case_id in str(lost.value)
    assert await redis.hgetall(key(state)) == before


async def test_the_same_fence_and_a_higher_one_go_on(hot: RedisHotStore, state: CaseState) -> None:
    first, second, third, fourth = later_steps(state)
    assert await hot.write(state, fence=9)
    assert await hot.write(state, fence=10)  # more digits are more
    assert await hot.merge(state.case_id, MAIN, [first], fence=99)
    assert await hot.merge(state.case_id, MAIN, [second], fence=100)
    assert await hot.merge(state.case_id, MAIN, [second], fence=2**53 - 1)
    with pytest.raises(LeaseLost):
        await hot.merge(state.case_id, MAIN, [third], fence=2**53 - 2)
    assert await hot.merge(state.case_id, MAIN, [third, fourth], fence=2**53 - 1)

    assert await hot.read(state.case_id, MAIN) == reduced(state)


async def test_who_has_no_fence_is_not_compared_and_not_remembered(
    hot: RedisHotStore, state: CaseState
) -> None:
    first, second, third, fourth = later_steps(state)
    await hot.write(state, fence=7)
    assert await hot.merge(state.case_id, MAIN, [first])
    assert await hot.write(state.after(*first))
    assert await hot.merge(state.case_id, MAIN, [second], fence=7)
    with pytest.raises(LeaseLost):
        await hot.merge(state.case_id, MAIN, [third], fence=6)
    assert await hot.merge(state.case_id, MAIN, [third, fourth])

    assert await hot.read(state.case_id, MAIN) == reduced(state)


@pytest.mark.parametrize("loss", ["dropped", "expired", "of another type", "never there"])
async def test_the_fence_outlives_the_copy(
    hot: RedisHotStore, redis: Redis, state: CaseState, loss: str
) -> None:
    """Else who was stopped would put back what is long past."""
    if loss == "never there":
        assert not await hot.merge(state.case_id, MAIN, [(probe(1), 2)], fence=9)
    else:
        await hot.write(state, fence=9)
    if loss == "dropped":
        await hot.drop(state.case_id, MAIN)
    else:
        await redis.delete(key(state))
    if loss == "of another type":
        await redis.set(key(state), "not a case")

    with pytest.raises(LeaseLost):
        await hot.write(state, fence=8)
    with pytest.raises(LeaseLost):
        await hot.merge(state.case_id, MAIN, [(probe(1), 2)], fence=8)

    assert await hot.read(state.case_id, MAIN) is None
    assert await redis.ttl(f"{key(state)}:fence") > 7 * 24 * 3600


async def test_a_writer_whose_copy_was_too_old_to_be_put_is_remembered(
    hot: RedisHotStore, state: CaseState
) -> None:
    await hot.write(reduced(state), fence=5)
    assert await hot.write(state, fence=9) is False

    with pytest.raises(LeaseLost):
        await hot.write(reduced(state), fence=8)


async def test_a_writer_that_was_refused_for_another_reason_is_not_remembered(
    hot: RedisHotStore, state: CaseState
) -> None:
    await hot.write(state.after(probe(1), 2), fence=5)
    foreign = probe(2, "probe:2").model_copy(update={"owner": "thief"})
    with pytest.raises(ForeignWrite):
        await hot.merge(state.case_id, MAIN, [(foreign, 3)], fence=9)

    assert await hot.merge(state.case_id, MAIN, [(other(1), 3)], fence=5)


async def test_fences_of_one_branch_do_not_bind_another(
    hot: RedisHotStore, state: CaseState
) -> None:
    await hot.write(state, fence=9)
    assert await hot.write(state.model_copy(update={"branch": "what-if"}), fence=1)


async def test_a_holder_that_was_stopped_past_its_time_and_wakes_up_is_refused(
    hot: RedisHotStore, redis: Redis, servers: Servers, state: CaseState
) -> None:
    leases = RedisLeases(redis)
    name = case_lease(state.case_id, MAIN)
    await hot.write(state)
    async with other_process("hold", servers.redis_url, state.case_id, 1.0) as stopped:
        token = int(await stopped.says())
        assert await leases.acquire(name, 60) is None

        stopped.signal(signal.SIGSTOP)
        async with asyncio.timeout(20):
            while (lease := await leases.acquire(name, 60)) is None:  # noqa: ASYNC110  it is Redis's
                await asyncio.sleep(0.05)
        assert lease.token > token
        written = probe("from the new holder")
        assert await hot.merge(state.case_id, MAIN, [(written, 2)], fence=lease.token)
        before = await redis.hgetall(key(state))
        stopped.signal(signal.SIGCONT)
        await stopped.go()

        assert await stopped.says() == "refused True"
        assert await redis.hgetall(key(state)) == before
        assert await hot.read(state.case_id, MAIN) == state.after(written, 2)
        assert await leases.renew(lease)


async def test_a_holder_that_goes_on_in_time_writes_with_its_token(
    hot: RedisHotStore, servers: Servers, state: CaseState
) -> None:
    await hot.write(state)
    async with other_process("hold", servers.redis_url, state.case_id, 30.0) as holder:
        token = int(await holder.says())
        await holder.go()
        assert await holder.says() == "True False"

        with pytest.raises(LeaseLost):
            await hot.merge(state.case_id, MAIN, [(other(1), 3)], fence=token - 1)
