"""Amounts as Stripe counts them, which for some currencies is not how ISO 4217 does.

See https://docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases".
"""

from cases.money import THREE_DECIMALS, Money

#: No decimals, but Stripe still counts in hundredths: 5 ISK is 500, and only hundreds are allowed.
HUNDREDTHS = frozenset({"ISK", "UGX"})
#: Two decimals in ISO 4217, none at Stripe: 5.00 MGA is 5.
WHOLE = frozenset({"MGA"})


def to_stripe(money: Money) -> int | None:
    """The amount for a request; None where Stripe does not allow such an amount."""
    minor, currency = money.amount_minor, money.currency
    if currency in HUNDREDTHS:
        return minor * 100
    if currency in WHOLE:
        return minor // 100 if minor % 100 == 0 else None
    # The third decimal must be 0: Stripe's partners know two.
    return None if currency in THREE_DECIMALS and minor % 10 else minor


def from_stripe(amount: int, currency: str) -> Money:
    """The amount of an answer. Parts of a króna, possible until 2023, are cut off."""
    code = currency.upper()
    if code in HUNDREDTHS:
        return Money(amount_minor=amount // 100, currency=code)
    return Money(amount_minor=amount * 100 if code in WHOLE else amount, currency=code)
