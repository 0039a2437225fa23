"""`casekeeper sandbox`: the outside world's clock, and what became of refunds and mails."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from cases.effects import reset_intent, revoke_intent
from starters.session import Session
from tests.conftest import SmallWorld
from tests.gateways.test_sandbox_payments import refund_of
from tests.starters.conftest import CommandLine
from tests.starters.test_every_command import assert_refused, assert_refused_as_json
from workers.composition import Gateways


@pytest.fixture(autouse=True)
async def _clock_put_right(session: Session) -> AsyncGenerator[None]:
    yield
    await session.stores.sandbox.execute("UPDATE sandbox.clock SET ahead = '0'")


async def test_the_clock_is_put_forward_and_says_what_it_is(casekeeper: CommandLine) -> None:
    first = (await casekeeper("sandbox", "advance", "25h", "--json")).json()
    second = (await casekeeper("sandbox", "advance", "30m", "--json")).json()
    people = await casekeeper("sandbox", "advance", "0s")

    assert (first["ahead_s"], second["ahead_s"]) == (90_000, 91_800)
    assert datetime.fromisoformat(second["now"]) > datetime.now(UTC)
    assert people.out.startswith("The sandbox's clock says 2")
    assert people.out.endswith(" UTC: 1 day, 1:30:00 ahead of ours.\n")


@pytest.mark.parametrize("duration", ["tomorrow", "25", "1.5h", "", "\udc80"])
async def test_what_is_no_duration_is_refused_and_named(
    duration: str, casekeeper: CommandLine
) -> None:
    words = ("DURATION: ", "is no duration such as 90s, 30m, 25h or 40d")
    assert_refused(await casekeeper("sandbox", "advance", duration), 2, *words)
    assert_refused_as_json(await casekeeper("sandbox", "advance", duration, "--json"), 2, *words)


async def test_a_clock_too_far_ahead_is_refused(casekeeper: CommandLine) -> None:
    done = await casekeeper("sandbox", "advance", "999999d")
    assert_refused(done, 2, "DURATION: the clock would be more than 3650 days ahead")


async def test_a_pending_refund_is_shown_as_it_stands_by_the_clock(
    casekeeper: CommandLine, world: SmallWorld, gateways: Gateways
) -> None:
    [pending] = await world.twins(count=1, script=["pending"])
    [failing] = await world.twins(count=1, script=["fail_later"])
    for charge in (pending, failing):
        await gateways.payments.refund(refund_of(charge))

    async def statuses() -> list[str]:
        shown = (await casekeeper("sandbox", "show", "--json")).json()["refunds"]
        by_charge = {refund["charge_id"]: refund["status"] for refund in shown}
        return [by_charge[pending], by_charge[failing]]

    assert await statuses() == ["pending", "pending"]
    await casekeeper("sandbox", "advance", "61m")
    assert await statuses() == ["succeeded", "failed"]


async def test_a_reset_mail_whose_link_was_taken_back_is_shown_as_such(
    casekeeper: CommandLine, world: SmallWorld, gateways: Gateways, case_id: str
) -> None:
    customer = await world.customer()
    facts = {"case_id": case_id, "branch": "main", "customer_id": customer}
    await gateways.accounts.send_reset_mail(reset_intent(**facts))
    await gateways.accounts.revoke_reset(revoke_intent(**facts))

    shown = (await casekeeper("sandbox", "show", "--json")).json()
    [mail] = [mail for mail in shown["mails"] if mail["case_id"] == case_id]
    people = await casekeeper("sandbox", "show")

    assert mail["revoked_at"]
    assert "reset, revoked" in " ".join(people.out.split())


@pytest.mark.parametrize("merchant", ["[/b] Shop", "[bold]Shop", "[link=http://evil.example]x"])
async def test_what_looks_like_markup_in_a_merchants_name_is_shown_as_it_is(
    casekeeper: CommandLine, world: SmallWorld, merchant: str
) -> None:
    await world.twins(merchant=merchant)
    shown = await casekeeper("sandbox", "show")

    assert shown.code == 0
    assert merchant.split(maxsplit=1)[0][:12] in "".join(shown.out.split())
