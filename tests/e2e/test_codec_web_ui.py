"""The Temporal Web UI in a real browser, and the `temporal` program, with the codec server."""

import base64
import json
import re
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.browser import Page, browsing
from tests.e2e.shell import Program, Shell, eventually, world_of

#: What the history holds of the case in any event: shown only where it is decoded.
_CUSTOMER = "cus_canary"
#: Whether the page shows what has that length and alphabet.
_CIPHERTEXT = r'/"[A-Za-z0-9+\/=]{100,}"/.test(document.body.innerText)'


@pytest.fixture(scope="module")
def case(up: Shell) -> str:
    """A case that waits for a person."""
    (up.folder / "world.json").write_text(json.dumps(world_of("canary", amount_minor=120_000)))
    up.casekeeper("sandbox", "load", "world.json")
    up.casekeeper("start", "--customer", _CUSTOMER, "--case-id", "secret", "I was charged twice.")
    up.until("secret", "awaiting_approval")
    return "secret"


@pytest.fixture(scope="module")
def server(up: Shell) -> Generator[Program]:
    """A codec server beside the stack."""
    with up.running("codec", "serve", "--address", "127.0.0.1:0", "--json") as running:
        eventually(lambda: running.out.endswith("}\n"))
        yield running
        assert running.end(signal.SIGTERM) == 0
    assert '"who": "first"' in running.err
    assert _CUSTOMER not in running.err


@pytest.fixture(scope="module")
def endpoint(up: Shell, server: Program) -> str:
    started = json.loads(server.out)
    assert started["origin"] == up.look("doctor")["web_url"]
    return str(started["endpoint"])


def token(up: Shell) -> str:
    return (up.home / "codec" / "first.token").read_text().strip()


def case_page(up: Shell, case: str) -> str:
    """Where the Web UI shows what the case was begun with."""
    return f"{up.look('doctor')['web_url']}/namespaces/default/workflows/{case}"


@pytest.fixture
def page(tmp_path: Path) -> Generator[Page]:
    with browsing(tmp_path / "profile") as found:
        yield found


def open_with(page: Page, endpoint: str, case_page: str) -> None:
    """Fill in the Web UI's own dialog for codec servers, as a person does, and look again."""
    page.open(case_page)
    page.until("document.querySelector('[data-testid=data-encoder-status]')?.offsetParent != null")
    page.run("document.querySelector('[data-testid=data-encoder-status]').click()")
    page.until("document.querySelector('#use-local-endpoint-radio')?.offsetParent != null")
    page.run("document.querySelector('#use-local-endpoint-radio').click()")
    page.until("document.querySelector('#data-encoder-endpoint-input')?.offsetParent != null")
    page.run("document.querySelector('#data-encoder-endpoint-input').focus()")
    page.type(endpoint)
    page.run("document.querySelector('#pass-access-credentials').click()")
    apply = (
        "document.querySelector('#data-encoder-endpoint-input').closest('form')"
        ".querySelector('[data-testid=confirm-modal-button]')"
    )
    page.until(f"!{apply}.disabled")
    page.run(f"{apply}.click()")
    page.until("!document.querySelector('#data-encoder-endpoint-input')?.offsetParent")
    # What was on its way when the dialog closed may still be shown as it came.
    page.open(case_page)


def test_the_web_ui_shows_ciphertext_without_the_codec_server(
    up: Shell, case: str, page: Page
) -> None:
    page.open(case_page(up, case))
    page.until(_CIPHERTEXT)

    assert _CUSTOMER not in page.text


def test_the_web_ui_shows_the_case_to_whoever_has_signed_in(
    up: Shell, case: str, endpoint: str, page: Page
) -> None:
    page.open(f"{endpoint}/")
    page.run(f"document.querySelector('input').value = {token(up)!r}; document.forms[0].submit()")
    page.until_shown("Signed in as first")
    open_with(page, endpoint, case_page(up, case))
    page.until_shown(_CUSTOMER)


def test_the_web_ui_shows_ciphertext_to_whoever_has_not_signed_in(
    up: Shell, case: str, server: Program, endpoint: str, page: Page
) -> None:
    before = server.err.count("refused a request")
    open_with(page, endpoint, case_page(up, case))
    eventually(lambda: server.err.count("refused a request") > before)
    page.until(_CIPHERTEXT)

    assert _CUSTOMER not in page.text


def test_the_temporal_program_shows_the_case_with_the_token_only(
    up: Shell, case: str, endpoint: str
) -> None:
    show = ("workflow", "show", "--workflow-id", case, "--output", "json")
    assert _CUSTOMER not in payloads(up.temporal(*show).out)

    asked = (*show, "--codec-endpoint", endpoint, "--codec-auth")
    assert _CUSTOMER in payloads(up.temporal(*asked, f"Bearer {token(up)}").out)
    assert _CUSTOMER not in payloads(up.temporal(*asked, "Bearer wrong", code=1).out)


def payloads(shown: str) -> str:
    """What the program shows, with its payloads in words."""
    data = re.findall(r'"data": "([^"]*)"', shown)
    assert "understanding_agent" in shown or data == []
    return shown + b"".join(map(base64.b64decode, data)).decode(errors="replace")
