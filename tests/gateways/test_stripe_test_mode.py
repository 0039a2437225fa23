"""Stripe's own test mode takes part in the contract suite wherever a key of it is given."""

import os

import pytest

from tests.gateways.conftest import OPEN_HERE


def test_a_key_of_stripes_test_mode_lets_the_suite_run_over_it() -> None:
    if "STRIPE_TEST_KEY" not in os.environ:
        pytest.skip("STRIPE_TEST_KEY is not set: the suite runs over the sandbox and our fake")
    assert OPEN_HERE == ["sandbox", "stripe-fake", "stripe-test"]
