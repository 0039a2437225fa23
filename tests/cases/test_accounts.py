"""What is wrong with a login."""

import pytest

from cases.accounts import Account, AccountSection, examine_account, mail_does_not_reach


def account(*, locked: bool = False, open_resets: tuple[str, ...] = ()) -> Account:
    return Account(
        customer_id="cus_1",
        email="sam@example.com",
        name="Sam",
        locked=locked,
        open_resets=open_resets,
    )


def test_trouble_to_sign_in_makes_one_reset_mail_due() -> None:
    assert examine_account(account()) == AccountSection(
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


def test_while_an_earlier_cases_link_works_no_other_one_is_sent() -> None:
    section = examine_account(account(open_resets=("case_1",)), case_id="case_2")

    assert section == AccountSection(issue="reset_already_sent")
    assert not section.reset_needed


def test_the_cases_own_reset_mail_is_no_earlier_one() -> None:
    """A branch looks again after its main line has sent the mail."""
    section = examine_account(account(open_resets=("case_1",)), case_id="case_1")

    assert section.issue == "login"
    assert section.reset_needed


@pytest.mark.parametrize(
    ("locked", "issue"), [(False, "wrong_mail"), (True, "locked")], ids=["open", "locked"]
)
def test_whom_mail_does_not_reach_gets_a_person_also_where_one_was_sent(
    issue: str, *, locked: bool
) -> None:
    section = examine_account(
        account(locked=locked, open_resets=("case_1",)),
        case_id="case_2",
        texts=["I can't log in.", "I never got the email."],
    )

    assert section.issue == issue
    assert section.status == "needs_human"
    assert not section.reset_needed


@pytest.mark.parametrize(
    "text",
    [
        "I can't log in, and I no longer have access to that email.",
        "I lost access to my old work mailbox, please help me sign in",
        "I don\u2019t have access to the e-mail on my account anymore",
        "Your password mail goes to my OLD EMAIL address",
        "The account has the wrong e-mail.",
        "I changed my email and cannot sign in",
        "I requested a reset but I get no emails from you",
        "I never received the password reset email",
        "I didn't get any reset link",
        "The reset link never arrived",
        "the email has not come",
        "I cannot access my\nemail any more",
    ],
)
def test_that_mail_does_not_reach_them_is_read_from_what_customers_write(text: str) -> None:
    assert mail_does_not_reach(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't log in to my account.",
        "I was charged twice, and I still can't log in.",
        "I forgot my password, please send me an email.",
        "My email is sam@example.com and the password does not work.",
        "Please reset my password. I do not want to call you.",
        "I can't access my account. My email is sam@example.com.",
        "I did not order this. Write to my email.",
        "I got your email, but the password is refused",
    ],
)
def test_other_words_about_mail_mean_nothing(text: str) -> None:
    assert not mail_does_not_reach(text)


@pytest.mark.parametrize(
    "texts",
    [
        ("Please close my account.",),
        ("delete my profile", "and all of my data!"),
        ("How do I change my phone number?",),
        ("I want to update the email on file",),
        ("Remove my account for good",),
    ],
)
def test_who_wants_something_else_than_to_get_in_is_sent_no_mail(texts: tuple[str, ...]) -> None:
    section = examine_account(account(), texts=texts)

    assert (section.status, section.issue) == ("needs_human", "other")
    assert not section.reset_needed


@pytest.mark.parametrize(
    "texts",
    [
        ("I can't log in, and want to change my address.",),
        ("Change my email", "because I cannot sign in"),
        ("How do I change my password or phone number?",),
        ("Delete my account, I can't access it anyway.",),
        ("my account",),
        ("Mein Konto soll geschlossen werden.",),
    ],
)
def test_who_may_want_to_get_in_is_sent_one(texts: tuple[str, ...]) -> None:
    assert examine_account(account(), texts=texts).reset_needed


def test_nothing_is_sent_where_it_is_not_sure_what_is_wanted() -> None:
    section = examine_account(account(), texts=("I can't log in.",), sure=False)

    assert (section.status, section.issue, section.reset_needed) == (
        "needs_human",
        "not_sure",
        False,
    )


def test_a_long_text_is_read_at_once() -> None:
    """Nothing in it makes the rule try again and again."""
    for words in ("not " * 10_000, "never get my " * 3_000, "email the the the " * 2_000):
        assert not mail_does_not_reach(words)


def test_nothing_personal_of_the_account_enters_the_case() -> None:
    for found in (account(locked=True), account(open_resets=("case_9",)), account()):
        assert "sam" not in examine_account(found).model_dump_json().lower()
