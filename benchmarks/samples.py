"""States of a given size, with the sections that real cases have."""

from hashlib import sha256

from cases.billing import BillingSection, RefundOrder
from cases.money import Money
from cases.policy import Decision, PolicySection
from cases.sections import Section
from cases.understanding import UnderstandingSection

#: The section that has about 100 bytes at every size, and one with half of the state.
SMALL, BIG = UnderstandingSection.name, BillingSection.name


def sections_of(size: int) -> dict[str, Section]:
    """Sections of exactly so many bytes together; at least 900."""
    small = UnderstandingSection(needs=("account", "billing"), messages_read=1)
    billing = BillingSection(status="duplicates_found")
    billing = billing.model_copy(update={"orders": _orders(size // 2 - stored_size(billing))})
    policy = PolicySection(decision=Decision.REFUND, rule="one", reason="", policy_version=1)
    known = stored_size(small) + stored_size(billing)
    orders = _orders(size - known - stored_size(policy))
    policy = policy.model_copy(update={"orders": orders})
    missing = size - known - stored_size(policy)
    policy = policy.model_copy(update={"reason": "." * missing})
    return {section.name: section for section in (small, billing, policy)}


def stored_size(section: Section) -> int:
    """The bytes that the stores keep of it."""
    return len(stored(section))


def stored(section: Section) -> bytes:
    """The bytes that the stores keep."""
    return section.model_dump_json().encode()


def rewritten(section: Section, number: int) -> Section:
    """The section with another content of the same size."""
    # In JSON two digits in quotes are as long as the null that stood there.
    return section.model_copy(update={"error": f"{number % 100:02d}"})


def _orders(size: int) -> tuple[RefundOrder, ...]:
    one = len(_order(0).model_dump_json()) + 1  # and a comma
    return tuple(_order(number) for number in range(size // one))


def _order(number: int) -> RefundOrder:
    # Ids that hardly compress, as a provider's.
    known = sha256(str(number).encode()).hexdigest()
    return RefundOrder(
        charge_id=f"ch_{known[:24]}",
        amount=Money(amount_minor=4999, currency="USD"),
        anchor_charge=f"ch_{known[24:48]}",
        slot=1,
    )
