"""`casekeeper promote`: a branch becomes the case's main line, and what it wants is made true."""

from typing import Annotated, Any

import typer
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from activities.promotion import PromotionTask
from cases.approvals import ApprovalState
from cases.correction_plan import make_plan
from cases.errors import InvalidInput
from cases.ids import check_identifier, promotion_of, workflow_id
from cases.money import Money
from cases.promotion import (
    Action,
    CorrectionPlan,
    PlanLine,
    PlanOutdated,
    PromotionFacts,
    PromotionRefused,
)
from starters.session import Session, open_session
from starters.terminal import JsonFlag, attempt, err, execute, out, plain_table
from workers.composition import shipped_policy
from workers.main import TASK_QUEUE
from workflows.promote import PromoteWorkflow, PromotionResult

#: So often a plan is made again, as outcomes come in meanwhile.
_ATTEMPTS = 5

Handle = WorkflowHandle[PromoteWorkflow, PromotionResult]


def promote(
    case: Annotated[str, typer.Argument(metavar="CASE@BRANCH", help="Such as case_8842@b1.")],
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="BRANCH", help="The branch, if not named so.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who asks for it, if not who forked; another must approve."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end, the decision included.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a branch the case's main line: shows what that costs, and does it once approved."""
    place = attempt(lambda: _place(case, branch, by), as_json)
    execute(_promote_in_session(*place, by=by, wait=wait), as_json, _print)


def _place(case: str, branch: str | None, by: str | None) -> tuple[str, str]:
    """Case and branch; raises InvalidInput that names what cannot be one."""
    case_id, _, named = case.partition("@")
    check_identifier(case_id, "CASE")
    if by is not None:
        check_identifier(by, "--by")
    if named:
        check_identifier(named, "BRANCH")
    if branch is not None:
        check_identifier(branch, "--branch")
    if named and branch not in (None, named):
        raise InvalidInput("--branch", f"the argument names {named}")
    if not (branch or named):
        raise InvalidInput("BRANCH", f"is missing: say {case_id}@BRANCH, or use --branch")
    return case_id, branch or named


async def _promote_in_session(
    case_id: str, branch: str, *, by: str | None, wait: bool
) -> dict[str, Any]:
    async with open_session() as session:
        result, handle = await promote_branch(session, case_id, branch, by=by)
        return await _until_ended(result, handle) if wait else result


async def promote_branch(
    session: Session, case_id: str, branch: str, *, by: str | None = None
) -> tuple[dict[str, Any], Handle]:
    """Plan it, ask people where money is concerned, and start what waits for them and does it.

    Raises CaseNotFound, PromotionRefused. What was cut off, at any moment, is repeated.
    """
    facts, plan, state = await _asked(session, case_id, branch, by)
    approval_id = plan.approval_id
    if facts.begun:
        approval = await session.stores.approvals.of_promotion(case_id, branch)
        approval_id = approval.approval_id if approval else None
    name = workflow_id(promotion_of(case_id), branch)
    handle = await session.temporal.start_workflow(
        PromoteWorkflow.run,
        PromotionTask(
            case_id=case_id,
            branch=branch,
            customer_id=facts.customer_id,
            digest=plan.digest,
            approval_id=approval_id,
            by=by or facts.forked_by,
        ),
        id=name,
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="asked_again",
        static_summary=f"Promote branch {branch} of {case_id}",
    )
    waits = state is ApprovalState.PENDING
    return {
        "case_id": case_id,
        "branch": branch,
        "plan": [line.model_dump(mode="json") for line in plan.lines],
        "to_pay": _plain(plan.to_pay),
        "to_recover": _plain(plan.to_recover),
        "approval_id": approval_id,
        "state": "awaiting_approval" if waits else "promoting",
        "status": None,
        "workflow_id": name,
        "web_url": session.link(promotion_of(case_id), branch, None),
    }, handle


def _plain(amount: Money | None) -> dict[str, Any] | None:
    return None if amount is None else amount.model_dump(mode="json")


async def _asked(
    session: Session, case_id: str, branch: str, by: str | None
) -> tuple[PromotionFacts, CorrectionPlan, ApprovalState | None]:
    """The plan, and where its request stands; one that is being carried out asks nobody."""
    promotions = session.stores.promotions
    for left in reversed(range(_ATTEMPTS)):
        facts = await promotions.facts(case_id, branch)
        plan = make_plan(facts)
        if facts.begun:
            return facts, plan, None
        needed = shipped_policy().approvers_needed(plan.amount) if plan.amount else 0
        try:
            state = await promotions.ask(facts, plan, by or facts.forked_by, needed)
        except PlanOutdated:
            if not left:
                raise
        else:
            return facts, plan, state
    raise AssertionError  # the loop returns or raises


async def _until_ended(result: dict[str, Any], handle: Handle) -> dict[str, Any]:
    if result["state"] == "awaiting_approval":
        err.print(_decide(result), soft_wrap=True)
    ended = await handle.result()
    if ended.state != "promoted":
        why = ended.reason or f"The request is {ended.state}."
        name = f"Branch {result['branch']} of case {result['case_id']}"
        raise PromotionRefused(f"{name} was not promoted. {why}")
    return {**result, "state": ended.state, "status": ended.status}


def _print(result: dict[str, Any]) -> None:
    lines = [PlanLine.model_validate(line) for line in result["plan"]]
    table = plain_table("effect", "done", "wanted", "difference", "what becomes of it")
    for line in lines:
        about = f" {line.charge_id}" if line.charge_id else ""
        money = [_amount(line, amount) for amount in (line.done, line.wanted, line.difference)]
        table.add_row(f"{line.kind.replace('_', ' ')}{about}", *money, _consequence(line))
    if lines:
        out.print(table)
    else:
        out.print("Nothing was done, and nothing is wanted.")
    for name, word in (("to_pay", "To pay"), ("to_recover", "To recover, by people")):
        amount = result[name] and Money.model_validate(result[name])
        if amount:
            out.print(f"{word}: [bold]{amount}[/bold]")
    out.print(_next(result))


def _amount(line: PlanLine, amount: Money | None) -> str:
    if not line.kind.moves_money:
        return ""
    return str(amount) if amount is not None else "–"


def _consequence(line: PlanLine) -> str:
    if line.pays:
        return "is paid" if line.action is Action.ADD else "the difference is paid"
    if line.recovers:
        return "was paid too much: a person must get it back"
    if line.action is Action.ADD:
        return "is sent"
    if line.action is Action.KEEP:
        return "stays"
    return "was sent and cannot be undone: nothing is sent"


def _next(result: dict[str, Any]) -> str:
    branch, case_id = result["branch"], result["case_id"]
    if result["state"] == "awaiting_approval":
        return _decide(result)
    if result["state"] == "promoted":
        status = str(result["status"]).replace("_", " ")
        return f"Branch {branch} is the main line of {case_id} now: {status}."
    return f"Branch {branch} is being promoted: `casekeeper show {case_id}` tells when it is."


def _decide(result: dict[str, Any]) -> str:
    case_id = result["case_id"]
    return f"A person must decide: `casekeeper approve {case_id}` or `casekeeper deny {case_id}`."
