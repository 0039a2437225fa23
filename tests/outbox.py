"""The outbox as tests use it: theirs alone, and older than it is."""

from stores.postgres import Pool


async def forget_others(owner: Pool) -> None:
    """What other tests left untold is told."""
    await owner.execute(
        "UPDATE outbox SET delivered_at = clock_timestamp() WHERE delivered_at IS NULL"
    )


async def age(owner: Pool, case_id: str) -> None:
    """Whoever decided had their moment to tell the case."""
    await owner.execute(
        "UPDATE outbox o SET created_at = created_at - interval '1 minute' FROM approvals a "
        "WHERE a.approval_id = o.approval_id AND a.case_id = $1",
        case_id,
    )
