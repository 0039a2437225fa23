"""Over realistic ledgers: no honest purchase is paid back, and what is too many is found."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from cases.billing import examine_charges
from cases.policy import Facts, RefundPolicy, decide
from tests.cases.ledgers import HONEST, Ledger, Maker, make_ledger
from tests.cases.mistakes import DOUBTFUL, PROVEN
from tests.samples import needs

#: A limit that no ledger reaches: what is proven is paid without a person.
POLICY = RefundPolicy(
    version=1, limit_days=30, limits=dict.fromkeys(("USD", "EUR", "GBP", "CHF"), 10**9)
)
SAMPLE = 2_000


def made(seed: int, honest: list[Maker], proven: list[Maker], doubtful: list[Maker]) -> Ledger:
    """Hypothesis chooses the parts; the seed makes their moments, prices and words."""
    return make_ledger(Random(seed), [*honest, *proven, *doubtful])  # noqa: S311


def some(makers: tuple[Maker, ...], least: int, most: int) -> st.SearchStrategy[list[Maker]]:
    return st.lists(st.sampled_from(makers), min_size=least, max_size=most)


LEDGERS = st.builds(
    made,
    st.integers(0, 2**32),
    some(HONEST, 0, 6),
    some(PROVEN, 0, 2),
    some(DOUBTFUL, 0, 0) | some(DOUBTFUL, 1, 2),
)


def look_into(ledger: Ledger) -> Counter[str]:
    """What became of the ledger's charges, in counts. What must always hold is asserted."""
    section = examine_charges(ledger.charges)
    ruling = decide(Facts(needs("billing"), section, None, {}), POLICY)
    refunded = {order.charge_id for order in ruling.orders}
    proven = {order.charge_id for order in section.orders}
    told = " ".join(section.doubts)
    named = {one for one in ledger.too_many if one in told}
    kinds = [part.name for part in ledger.parts]

    assert proven <= ledger.too_many, f"an honest purchase is proposed: {kinds}"
    assert refunded <= proven
    assert not (refunded and section.doubts), f"paid in spite of a doubt: {kinds}"
    assert ledger.doubtful == bool(section.doubts), f"{kinds}: {section.doubts}"
    kind = "doubtful" if ledger.doubtful else "clear"
    return Counter(
        {
            f"{kind} ledgers": 1,
            f"{kind} charges": len(ledger.charges),
            f"{kind} planted": len(ledger.too_many),
            f"{kind} refunded": len(refunded),
            f"{kind} rightly refunded": len(refunded & ledger.too_many),
            f"{kind} named": len(named - refunded),
        }
    )


@given(LEDGERS)
def test_no_honest_purchase_is_proposed_and_only_what_is_doubtful_needs_a_person(
    ledger: Ledger,
) -> None:
    look_into(ledger)


def test_nearly_all_that_is_too_many_is_refunded_or_named_to_a_person() -> None:
    """The figures of docs/duplicates.md: the same ledgers each time."""
    figures: Counter[str] = Counter()

    @settings(max_examples=SAMPLE, derandomize=True, database=None, deadline=None)
    @given(LEDGERS)
    def count(ledger: Ledger) -> None:
        figures.update(look_into(ledger))

    count()

    of_all = Counter[str]()
    for name, number in figures.items():
        of_all[name.partition(" ")[2]] += number
    print(f"\n{_table(figures)}")  # noqa: T201 - pytest -s shows it
    assert of_all["ledgers"] >= SAMPLE
    assert of_all["refunded"] == of_all["rightly refunded"] > SAMPLE // 3
    assert of_all["refunded"] + of_all["named"] >= 0.98 * of_all["planted"]
    assert figures["clear refunded"] >= 0.98 * figures["clear planted"]


def _table(figures: Counter[str]) -> str:
    columns = ("ledgers", "charges", "planted", "refunded", "rightly refunded", "named")
    rows = [
        f"| {kind} | " + " | ".join(f"{figures[f'{kind} {name}']:,}" for name in columns) + " |"
        for kind in ("clear", "doubtful")
    ]
    head = f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"
    return "\n".join([head, *rows])
