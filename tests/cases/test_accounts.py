"""What is wrong with a login."""

from cases.accounts import Account, AccountSection, examine_account


def account(*, locked: bool) -> Account:
    return Account(customer_id="cus_1", email="sam@example.com", name="Sam", locked=locked)


def test_trouble_to_sign_in_makes_one_reset_mail_due() -> None:
    assert examine_account(account(locked=False)) == AccountSection(
        status="reset_due", issue="login", reset_needed=True
    )


def test_a_locked_account_gets_a_person_and_no_mail() -> None:
    section = examine_account(account(locked=True))

    assert section.locked
    assert section.issue == "locked"
    assert section.status == "needs_human"
    assert not section.reset_needed


def test_an_unknown_customer_gets_a_person_and_no_mail() -> None:
    section = examine_account(None)

    assert not section.customer_known
    assert section.issue == "unknown_customer"
    assert not section.reset_needed


def test_nothing_personal_of_the_account_enters_the_case() -> None:
    assert "sam" not in examine_account(account(locked=True)).model_dump_json().lower()
