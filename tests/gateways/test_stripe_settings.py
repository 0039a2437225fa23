"""How Stripe is chosen: every wrong setting is a sentence that names it, never with the key."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from cases.errors import InvalidInput
from gateways.sandbox.payments import SandboxPayments
from gateways.stripe.configured import stripe_payments
from gateways.stripe.payments import StripePayments
from runtime.settings import Settings, read_settings
from workers.composition import Stores, sandbox_gateways

KEY = "rk_test_51HxYzSecretOfOurs"
_ROOT = Path(__file__).parents[2]

#: Runs where the package cannot be imported.
_WITHOUT = """
import sys
sys.modules["stripe"] = None
import workers.composition
try:
    import gateways.stripe.payments
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("key", [KEY, "sk_live_" + "x" * 24, "sk_test_" + "x" * 99])
@pytest.mark.parametrize("url", ["", "https://api.stripe.com", "http://127.0.0.1:12111/"])
async def test_the_account_is_named_as_the_settings_say(key: str, url: str) -> None:
    payments = stripe_payments(key, "acct_1HxYz", url)
    await payments.aclose()

    assert payments.account == "stripe:acct_1HxYz"


@pytest.mark.parametrize("key", ["", "pk_test_" + "x" * 24, "sk_test_", KEY + "\n", "whsec_1234"])
def test_what_is_no_secret_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InvalidInput, match=r"^STRIPE_API_KEY: ") as caught:
        stripe_payments(key, "acct_1HxYz")

    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("account", ["", "two words", "a/b", "stripe:acct_1", "x" * 65, "Ä"])
def test_an_account_that_is_no_name_is_refused(account: str) -> None:
    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_STRIPE_ACCOUNT: "):
        stripe_payments(KEY, account)


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://127.0.0.1", "api.stripe.com", "https://", "http://[", "x"]
)
def test_the_key_travels_over_https_only(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_STRIPE_URL: "):
        stripe_payments(KEY, "acct_1HxYz", url)


async def test_the_settings_choose_who_moves_the_money(stores: Stores, settings: Settings) -> None:
    chosen = settings.model_copy(
        update={
            "payments": "stripe",
            "stripe_api_key": SecretStr(KEY),
            "stripe_account": "acct_1HxYz",
        }
    )

    payments = sandbox_gateways(stores, chosen).payments

    assert isinstance(sandbox_gateways(stores, settings).payments, SandboxPayments)
    assert isinstance(payments, StripePayments)
    await payments.aclose()


def test_a_provider_that_is_not_known_is_refused(stores: Stores, settings: Settings) -> None:
    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_PAYMENTS: 'paypal' is not known"):
        sandbox_gateways(stores, settings.model_copy(update={"payments": "paypal"}))


def test_the_key_is_read_from_the_environment_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    monkeypatch.setenv("CASEKEEPER_STRIPE_ACCOUNT", "acct_1HxYz")

    settings = read_settings()

    assert settings.stripe_api_key.get_secret_value() == KEY
    assert settings.stripe_account == "acct_1HxYz"
    assert KEY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_without_the_package_the_rest_works_and_the_extra_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], cwd=_ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "Stripe needs its SDK: install casekeeper[stripe].\n"


def test_without_the_package_choosing_stripe_is_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, stores: Stores, settings: Settings
) -> None:
    monkeypatch.setitem(sys.modules, "gateways.stripe.configured", None)

    with pytest.raises(InvalidInput, match=r"^CASEKEEPER_PAYMENTS: "):
        sandbox_gateways(stores, settings.model_copy(update={"payments": "stripe"}))
