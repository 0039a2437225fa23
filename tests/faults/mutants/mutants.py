"""The nine ways to build it wrong, each as an edit of the code, with the test that tells why."""

from dataclasses import dataclass

_EFFECTS = "tests/faults/mutants/killers/test_effects.py"
_RECORD = "tests/faults/mutants/killers/test_record.py"


@dataclass(frozen=True)
class Edit:
    """A text that stands exactly once in a file, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """Something that is wrong, why that matters, and the test that fails for that reason."""

    name: str
    why: str
    killer: str
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


MUTANTS = (
    Mutant(
        "random key",
        "a retry under another key is another refund to the provider",
        f"{_EFFECTS}::test_a_retried_refund_carries_the_key_of_its_first_attempt",
        (
            Edit(
                "cases/ids.py",
                'digest = hashlib.sha256("\\x1f".join(facts).encode()).digest()',
                'digest = __import__("secrets").token_bytes(32)',
            ),
        ),
    ),
    Mutant(
        "run-scoped key",
        "a reset makes another run, which would pay again",
        f"{_EFFECTS}::test_a_refund_carries_the_same_key_in_every_run",
        (
            Edit(
                "activities/refunds.py",
                "provider_account=self._payments.account,",
                "provider_account=str(activity.info().workflow_run_id),",
            ),
        ),
    ),
    Mutant(
        "no intent row",
        "what was sent and not heard of would be on no record",
        f"{_EFFECTS}::test_the_intent_is_on_record_before_the_outside_is_called",
        (
            Edit(
                "activities/ledger.py",
                "import EffectIntent, EffectState, Outcome",
                "import Claim, EffectIntent, EffectState, Outcome",
            ),
            Edit(
                "activities/ledger.py",
                "intent, claim = await self._ledger.claim(intent)",
                "claim = Claim(outcome=Outcome(state=EffectState.SENDING))",
            ),
        ),
    ),
    Mutant(
        "plain cancel",
        "a cancel would cut short what must be brought to its end: an effect, a compensation",
        f"{_EFFECTS}::test_what_was_begun_is_seen_through_though_its_case_is_cancelled",
        (
            Edit(
                "workflows/saga.py",
                "    task = asyncio.create_task(work)\n",
                "    return await work, False\n    task = asyncio.create_task(work)\n",
            ),
        ),
    ),
    Mutant(
        "naive approve signal",
        "anyone who can signal a workflow could have money paid",
        "tests/workflows/test_approval.py"
        "::test_a_forged_approval_pays_nothing_leaves_a_trace_and_the_case_still_waits[cached]",
        (
            Edit(
                "stores/functions/decisions.sql",
                "AND a.state = 'approved' AND a.digest = p_digest\n",
                "AND a.digest = p_digest\n",
            ),
            Edit(
                "stores/functions/decisions.sql",
                "            AND cardinality(approvers_of(a.approval_id)) >= a.needed\n",
                "",
            ),
        ),
    ),
    Mutant(
        "audit without dedupe",
        "a retried activity would tell the auditor that it happened twice",
        f"{_RECORD}::test_a_repeated_step_leaves_no_second_audit_row",
        (
            Edit(
                "stores/functions/steps.sql",
                "            version := v_seen;\n",
                "            version := v_seen;\n"
                "            p_row := append_audit(p_row, v_step->>'owner', 'step_done',"
                " v_step->>'step', NULL, NULL, sha256(''), v_step->>'detail');\n",
            ),
        ),
    ),
    Mutant(
        "float money",
        "4.35 would be read as 434 cents",
        "tests/cases/test_money.py::test_what_is_written_reads_back_as_the_same_amount",
        (
            Edit(
                "cases/money.py",
                "minor = Decimal(number[0]).scaleb(exponent(code))",
                "minor = float(number[0]) * 10 ** exponent(code)",
            ),
        ),
    ),
    Mutant(
        "Redis as source of truth",
        "a copy that is old or was tampered with would decide about money",
        f"{_RECORD}::test_money_is_decided_from_the_record_and_not_from_the_hot_copy",
        (
            Edit(
                "activities/record.py",
                "        _of_customer(ref, dossier.state)\n        return dossier\n",
                "        hot = await self._hot.read(ref.case_id, ref.branch)\n"
                "        return dossier.model_copy(update={'state': hot or dossier.state})\n",
            ),
        ),
    ),
    Mutant(
        "approval not bound to a digest",
        "what a person was shown could be changed after they approved it",
        f"{_RECORD}::test_an_approval_of_other_evidence_lets_nothing_out",
        (
            Edit(
                "stores/functions/decisions.sql",
                "AND a.state = 'approved' AND a.digest = p_digest\n",
                "AND a.state = 'approved'\n",
            ),
        ),
    ),
)
