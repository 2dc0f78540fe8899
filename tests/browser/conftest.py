"""A browser and a page that is live: the whole plant, with a person who writes and a brand that answers."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright, expect

from sinks.clickhouse.connection import connect
from streams.config import Brands, load_settings
from streams.embedded import Embedded, target
from streams.interactions import interaction
from streams.serving import address, listen, serve

expect.set_options(timeout=20_000)  # other tests run beside
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # where everything that is right stands takes long to find out
}
BROWSERS = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")


def browser() -> str:
    """Return the path of a browser; without one, the test is skipped."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed (Debian: apt install chromium)")
    return found


DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 780}
LOOKS = (("light", DESK), ("dark", PHONE))
"""How people have the pages: a scheme, and a screen."""


async def everybody_can_use_it(page: Page) -> None:
    """Assert that a page breaks no rule of WCAG 2.2 AA that can be checked, and that it does not lie beside its screen.

    A table of figures may be scrolled within the page, but not the people who wait and the alerts that fire.
    """
    path, size = page.url, page.viewport_size
    found = await Axe().run(page, options=RULES)
    assert not found.response["violations"], (path, size, found.generate_report())
    assert size is not None
    wide = await page.evaluate("""[document.documentElement, ...document.querySelectorAll("#inbox, #alerts .scroll")]
        .map((box) => [box.id, box.scrollWidth, box.clientWidth])""")
    assert all(width <= seen for _, width, seen in wide), (path, wide)
    assert wide[0][1] <= size["width"], (path, wide)


def now() -> int:
    return round(time.time() * 1000)


@dataclass
class Live:
    """A page before a plant."""

    plant: Embedded
    address: str
    browser: Browser
    said: list[str] = field(default_factory=list)
    """What the browser complains of."""

    async def open(self, path: str = "/", **options: Any) -> Page:  # noqa: ANN401 - playwright's
        page = await self.browser.new_page(**options)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda it: self.said.append(it.text) if it.type in ("error", "warning") else None)
        await page.goto(self.address + path)
        return page

    async def write(self, post: str, text: str, **fields: Any) -> None:  # noqa: ANN401 - of any type
        """Publish a mention by ann."""
        given = {"kind": "mention", "author_id": "ann", "author_name": "Ann", "conversation_id": post, **fields}
        await self._publish(id=post, text=text, **given)

    async def answer(self, post: str) -> None:
        """Publish the brand's reply to it."""
        where = {"parent_id": post, "conversation_id": post, "contact_id": "ann", "author_id": "acme"}
        await self._publish(kind="reply", id=f"{post}-answer", text="Here we are", **where)

    async def _publish(self, **fields: Any) -> None:  # noqa: ANN401 - of any type
        at = now()
        given = {"network": "net", "account": "net:acme", "published_at": at, "received_at": at, **fields}
        await self.plant.publisher.publish(interaction(**given))
        await self.plant.publisher.flush()


@asynccontextmanager
async def living(directory: Path) -> AsyncIterator[Live]:
    """Start a plant, a page and a browser."""
    path = browser()
    async with Embedded(directory, load_settings(), "test") as plant:
        client, listening, ended = connect(target(directory)), listen("127.0.0.1", 0), asyncio.Event()
        serving = asyncio.create_task(serve(client, listening, Brands(), ended, plant.settings))
        clock = asyncio.create_task(_tick(plant))
        try:
            async with async_playwright() as playwright:
                shell = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
                yield Live(plant, address(listening), shell)
                await shell.close()
        finally:
            clock.cancel()
            with suppress(asyncio.CancelledError):
                await clock
            ended.set()
            await serving
            client.close()


async def _tick(plant: Embedded) -> None:
    while True:
        await plant.publisher.tick(now())
        await asyncio.sleep(1)
