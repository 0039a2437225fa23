"""The adapter as the settings ask for it; every wrong setting is a sentence that names it."""

import re
from urllib.parse import urlsplit

from cases.errors import InvalidInput
from gateways.stripe.connection import Connection
from gateways.stripe.payments import StripePayments

_KEY = re.compile(r"(?:sk|rk)_(?:test|live)_[A-Za-z0-9_]{8,}")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HERE = ("127.0.0.1", "::1", "localhost")


def stripe_payments(api_key: str, account: str, url: str = "") -> StripePayments:
    """Stripe with this key, under this account's name. Raises InvalidInput, never with the key."""
    if not _KEY.fullmatch(api_key):
        raise InvalidInput("STRIPE_API_KEY", "a restricted (rk_...) or secret (sk_...) key is due")
    if not _ACCOUNT.fullmatch(account):
        problem = "the account's id (acct_...) or a name of your own is due, and never changes"
        raise InvalidInput("CASEKEEPER_STRIPE_ACCOUNT", problem)
    if url and not _is_safe(url):
        problem = "https is due, except on this machine: the key travels with every request"
        raise InvalidInput("CASEKEEPER_STRIPE_URL", problem)
    return StripePayments(Connection(api_key, url=url.rstrip("/")), account)


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    )
