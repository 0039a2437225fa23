"""The SDK and its HTTP library, or a sentence about where they come from."""

try:
    import httpx
    import stripe
except ImportError as error:
    raise ImportError("Stripe needs its SDK: install casekeeper[stripe].") from error

__all__ = ["httpx", "stripe"]
