"""The calls of language models: on record before they are made, and counted against budgets."""

from cases.errors import BudgetSpent
from cases.model_calls import Budget, CallEnd, ModelCall, Spent, Usage
from stores.postgres import Pool, case_errors, fetch_row

_NAMES = ("calls", "tokens", "seconds", "money")


class PostgresModelCalls:
    """Fits `cases.model_ports.ModelCalls`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, call: ModelCall, case: Budget, customer: Budget) -> int:
        """Put a call on record before it is made; its number. Raises BudgetSpent, CaseNotFound."""
        async with case_errors(call.case_id, call.branch):
            row = await fetch_row(
                self._pool, "begin_model_call", call.case_id, call.branch, call.step, call.model,
                _figures(call.most), _figures(case.as_spent()), _figures(customer.as_spent()),
            )  # fmt: skip
        assert row  # noqa: S101  the function always answers
        if row["whose"]:
            place: int = row["spent"]
            raise BudgetSpent(row["whose"], _NAMES[place - 1])
        return int(row["number"])

    async def end(self, number: int, end: CallEnd, usage: Usage | None) -> None:
        """Put on record how a call ended, and what it has cost; the most it may if None."""
        figures = (
            (usage.input_tokens, usage.output_tokens, usage.milliseconds, usage.micro_usd)
            if usage
            else (None, None, None, None)
        )
        await fetch_row(self._pool, "end_model_call", number, end, *figures)

    async def failures(self, case_id: str, branch: str, step: str, model: str) -> int:
        """How many calls of the model for that step were not answered."""
        row = await fetch_row(self._pool, "failed_model_calls", case_id, branch, step, model)
        return int(row["failures"]) if row else 0


def _figures(spent: Spent) -> list[int]:
    return [spent.calls, spent.tokens, spent.milliseconds, spent.micro_usd]
