"""What the tests of the page and of the HTTP service stand on: a real server on loopback, and Debian's Chromium."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import inkdigits

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

    from inkdigits.recognizer import Recognizer
    from strokes import Strokes

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# Not for the whole session: while Playwright's synchronous API is open, asyncio.run fails in every other test.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window. Without one the test is skipped, but never in continuous integration."""
    path = shutil.which("chromium")
    if path is None:
        reason = "chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run the tests of the page, but {reason}.")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    """A real model: the bundled default, or where none is bundled the one that the tests train."""
    from inkdigits.recognizer import bundled

    return inkdigits.load("default" if "default" in bundled() else request.getfixturevalue("trained"))


@pytest.fixture(scope="session")
def service(recognizer: Recognizer) -> Iterator[str]:
    """The address of a running service, without a slash at its end."""
    from inkdigits.web.server import create_app

    with serving(create_app(recognizer)) as address:
        yield address


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run an application with the settings of `inkdigits serve` on a free port of loopback, in a thread."""
    from inkdigits.cli import serve

    server = serve.server_of(app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


# Playwright cannot see the body of a request that is a Blob.
KEEP_WHAT_IS_SENT = """{
  const real = window.fetch;
  window.fetch = (path, options) => { if (options?.body) window.sent = options.body; return real(path, options); };
}"""


class Visit:
    """One page, and everything that it asked for, complained about or broke on."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context = browser.new_context(reduced_motion="reduce", **options)
        self.page: Page = self.context.new_page()
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.add_init_script(KEEP_WHAT_IS_SENT)
        from playwright.sync_api import expect

        self.page.goto(address)
        expect(self.page.locator("#model")).to_have_text(re.compile("^Read by"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    @property
    def asked(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def state(self) -> str:
        return str(self.page.locator("#result").get_attribute("data-state"))

    @property
    def answer(self) -> dict[str, Any]:
        return {name: self.page.locator(f"#{name}").inner_text() for name in ("digit", "verdict", "detail")}

    def draw(self, strokes: Strokes, *, wait: bool = True) -> None:
        """Draw strokes, given as points (x, y) in the unit square of the sheet, with the mouse."""
        frame = self.page.locator("#canvas").bounding_box()
        assert frame
        mouse = self.page.mouse
        with self.page.expect_response("**/v1/classify") if wait else contextlib.nullcontext():
            for stroke in strokes:
                points = [(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]) for x, y in stroke]
                mouse.move(*points[0])
                mouse.down()
                for point in points[1:]:
                    mouse.move(*point)
                mouse.up()
        if wait:
            self.settle()

    def settle(self) -> None:
        """Wait until the newest answer is shown: nothing is on its way any more."""
        self.page.wait_for_selector("#result[aria-busy=false]")

    @property
    def sent(self) -> bytes:
        """The body of the last question."""
        return bytes(self.page.evaluate("async () => [...new Uint8Array(await sent.arrayBuffer())]"))

    def ink(self) -> int:
        """How many pixels of the sheet carry ink."""
        return int(
            self.page.evaluate(
                """() => {
                  const sheet = document.querySelector("#canvas");
                  const copy = new OffscreenCanvas(sheet.width, sheet.height).getContext("2d");
                  copy.drawImage(sheet, 0, 0);
                  const data = copy.getImageData(0, 0, sheet.width, sheet.height).data;
                  return data.reduce((sum, value, place) => sum + (place % 4 === 3 && value > 100), 0);
                }"""
            )
        )

    def close(self) -> None:
        """Check that all through the visit nothing broke and no other host was asked for anything."""
        origin = re.match(r"http://[^/]+/", self.page.url)
        assert origin
        away = [each.url for each in self.requests if not each.url.startswith((origin[0], "blob:", "data:"))]
        self.context.close()
        assert (away, self.complaints) == ([], [])
