"""A real browser without a window: Chromium, told what to do over a pipe by its own protocol."""

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PATIENCE_S = 60.0


class Page:
    """One page of the browser."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders = orders
        self._answers = answers
        self._numbers = itertools.count(1)
        self._rest = b""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)
        self.until(
            f"location.href.startsWith({json.dumps(url)}) && document.readyState == 'complete'"
        )

    def run(self, script: str) -> Any:
        """The script's value."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def type(self, text: str) -> None:
        """As if by the keyboard."""
        self._call("Input.insertText", text=text)

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def until(self, script: str) -> None:
        """Wait until the script's value is true."""
        deadline = time.monotonic() + _PATIENCE_S
        while not self._holds(script):
            assert time.monotonic() < deadline, f"{script} is not true of: {self.text}"
            time.sleep(0.1)

    def until_shown(self, words: str) -> None:
        self.until(f"document.body.innerText.includes({json.dumps(words)})")

    def _holds(self, script: str) -> bool:
        """Whether it is true now; of a page that is being left nothing is."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        return bool(answer.get("result", {}).get("result", {}).get("value"))

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        answer = self._ask(method, **parameters)
        assert "error" not in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        order: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if session := getattr(self, "_session", None):
            order["sessionId"] = session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                return answer

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._answers, 65536)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browsing(profile: Path) -> Generator[Page]:
    """A browser with a profile of its own for the block; without Chromium the test is skipped."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    orders_out, orders_in = os.pipe()
    answers_out, answers_in = os.pipe()
    # The browser reads orders from descriptor 3 and answers on 4, whatever their numbers are here.
    command = f'exec "$0" "$@" 3<&{orders_out} 4>&{answers_in}'
    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            (
                # As root, Chromium starts only without its sandbox.
                "bash", "-c", command, program, "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
                "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
            ),
            pass_fds=(orders_out, answers_in), stdout=log, stderr=log,
        )  # fmt: skip
    os.close(orders_out)
    os.close(answers_in)
    try:
        yield Page(orders_in, answers_out)
    finally:
        os.close(orders_in)
        process.terminate()
        process.wait(20)
        os.close(answers_out)
