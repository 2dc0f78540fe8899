"""The page as people have it: in a browser, while posts come in."""

import asyncio
import random
import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from schemas.codec import Record
from schemas.wording import duration
from streams.embedded import CHECKPOINT_SECONDS
from streams.interactions import interaction
from tests.browser.conftest import LOOKS, Live, everybody_can_use_it, living, now

pytestmark = pytest.mark.slow

HEARD_SECONDS = 1.5
"""From what somebody says to an alert until all others see it."""
QUICK_SECONDS = 1.0
"""From a post's publication until people see it."""
TRIES = 20
"""On a machine that is busy with other tests not every one is so quick."""


async def seen_after(live: Live, page: Page, number: int) -> float:
    """Write, wait until it is seen, answer, wait until it is gone; return how long the first took."""
    said = f"Where is order {number}?"
    started = time.monotonic()
    await live.write(f"net:order{number}", said)
    await page.get_by_text(said).wait_for(timeout=20_000)
    taken = time.monotonic() - started
    await live.answer(f"net:order{number}")
    await page.get_by_text(said).wait_for(state="detached", timeout=20_000)
    return taken


async def check_inbox(live: Live) -> None:
    """A mention is there within a second, and leaves when it is answered."""
    page = await live.open()
    await page.get_by_text("live", exact=True).wait_for()
    await expect(page.locator("#headline")).to_have_text("Nobody is waiting.")
    taken = [await seen_after(live, page, 0)]
    while min(taken) > QUICK_SECONDS:
        assert len(taken) < TRIES, taken
        # What is seen is the end of a checkpoint: said right after one, the next would always wait for the whole of it
        await asyncio.sleep(random.uniform(0, CHECKPOINT_SECONDS))
        taken.append(await seen_after(live, page, len(taken)))
    await expect(page.locator("#empty")).to_be_visible()
    await page.close()


async def check_words(live: Live) -> None:
    """The scripts say a time as the server does, on whose page they go on."""
    page = await live.open()
    seconds = [0, 0.04, 9.94, 9.96, 59, 99.4, 99.6, 3_569, 3_571, 7_199, 35_999, 36_001, 172_799, 172_801, 864_000, 9e7]
    said = await page.evaluate("seconds => import('/static/shared.js').then(it => seconds.map(it.duration))", seconds)
    assert said == [duration(it) for it in seconds]
    await page.close()


async def check_keys(live: Live) -> None:
    """Everything can be reached by keys; a search and its filters are in the address."""
    for number, text in enumerate(("first", "<b>second</b>", "third of all")):
        await live.write(f"net:key{number}", text, url=f"https://net.example/{number}")
    page = await live.open()
    await expect(page.locator("#inbox tbody tr[data-key]")).to_have_count(3)
    for key in "jjk":
        await page.keyboard.press(key)
    await expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-key", "net:acme net:key0")
    await page.keyboard.press("j")
    await expect(page.locator("tr[aria-selected=true]")).to_contain_text("<b>second</b>")
    await page.context.route("https://net.example/**", lambda route: route.fulfill(body="the post"))
    async with page.context.expect_page() as opened:
        await page.keyboard.press("o")
    post = await opened.value
    await post.wait_for_url("https://net.example/1")
    await post.close()
    await page.keyboard.press("/")
    await page.keyboard.type("third")
    await expect(page.locator("#inbox tbody tr[data-key]")).to_have_count(1)
    assert page.url.endswith("/?q=third")
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(page.locator("tr[aria-selected=true]")).to_contain_text("third of all")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/accounts/net%3Aacme")
    await page.go_back()
    await page.reload()
    await expect(page.locator("#inbox tbody tr[data-key]")).to_have_count(1)
    await page.locator("select[name=state]").select_option("past target")
    await expect(page.locator("#headline")).to_have_text("Nobody of these is waiting.")
    await page.goto(live.address + "/?network=net&why=negative")
    await expect(page.locator("select[name=why]")).to_have_value("negative")
    await expect(page.locator("#headline")).to_have_text("Nobody of these is waiting.")
    await page.close()


async def check_reading(live: Live) -> None:
    """Who comes while somebody reads further down is announced, and moves nothing; ten thousand rows are few elements."""
    for number in range(60):
        await live.plant.publisher.publish(_mention(number))
    await live.plant.publisher.flush()
    page = await live.open(viewport={"width": 1200, "height": 600})
    await expect(page.locator("#waiting-count")).to_have_text("63", timeout=20_000)
    await page.locator("#inbox").evaluate("box => box.scrollTop = 1000")
    await live.write("net:late", "I have just come")
    await expect(page.locator("#news")).to_have_text("1 new", timeout=20_000)
    assert await page.locator("#inbox").evaluate("box => box.scrollTop") == 1000
    await page.locator("#news button").click()
    await expect(page.locator("#news")).to_be_hidden()
    shown = await page.locator("#inbox tbody tr[data-key]").count()
    assert shown < 60
    await page.close()


async def check_alerts(live: Live) -> None:
    """An alert is taken on by a key or a button, and everybody who watches sees it within a second or so."""
    early = {"published_at": now() - 50 * 60_000, "received_at": now() - 50 * 60_000}
    for number in range(3):
        await live.write(f"net:alert{number}", f"Nobody answers {number}", **early)
    page, other = await live.open("/?q=nobody"), await live.open("/?q=nobody")
    row, seen = (it.locator('tr[data-key="net:acme net:alert0"]') for it in (page, other))
    await row.get_by_role("button", name="Acknowledge").wait_for(timeout=20_000)
    await page.keyboard.press("j")
    await expect(row).to_have_attribute("aria-selected", "true")
    started = time.monotonic()
    await page.keyboard.press("a")
    await expect(seen.get_by_text("acknowledged", exact=True)).to_be_visible(timeout=20_000)
    taken = [time.monotonic() - started]
    await expect(page.locator("#said")).to_have_text("The alert of Ann is acknowledged.")
    await expect(row.get_by_role("button")).to_have_count(0)
    await page.keyboard.press("j")
    started = time.monotonic()
    await page.keyboard.press("s")
    await expect(other.locator('tr[data-key="net:acme net:alert1"]')).to_contain_text("snoozed until", timeout=20_000)
    taken.append(time.monotonic() - started)
    button = page.locator('tr[data-key="net:acme net:alert2"] button').nth(1)
    await button.focus()
    await page.wait_for_timeout(1200)  # the rows have been drawn anew
    await expect(button).to_be_focused()
    started = time.monotonic()
    await button.click()
    await expect(other.locator('tr[data-key="net:acme net:alert2"]')).to_contain_text("snoozed until", timeout=20_000)
    taken.append(time.monotonic() - started)
    assert min(taken) <= HEARD_SECONDS, taken
    await page.keyboard.press("/")
    await page.keyboard.type("as")
    await expect(page.locator("#said")).to_have_text("The alert of Ann is snoozed.")
    await other.close()
    await page.goto(live.address + "/alerts")
    await expect(page.locator("#headline")).to_have_text("3 alerts fire · 0 critical · 3 taken on", timeout=20_000)
    await page.locator('tr[data-key="net:acme unanswered:net:alert0"]').get_by_role("button", name="Take back").click()
    await expect(page.locator("#headline")).to_have_text("3 alerts fire · 0 critical · 2 taken on", timeout=20_000)
    await expect(page.locator("#alerts-count")).to_have_text("1")
    await live.answer("net:alert0")
    await expect(page.locator("#headline")).to_have_text("2 alerts fire · 0 critical · 2 taken on", timeout=20_000)
    await page.close()
    for number in (1, 2):
        await live.answer(f"net:alert{number}")


async def check_alerts_without_scripts(live: Live) -> None:
    """What can be done with scripts can be done without."""
    early = {"published_at": now() - 50 * 60_000, "received_at": now() - 50 * 60_000}
    await live.write("net:plain", "No scripts here", **early)
    for path in ("/", "/alerts"):
        context = await live.browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        button = page.locator("tr", has_text="No scripts here").get_by_role("button", name="Snooze 1 h")
        for _ in range(100):
            await page.goto(live.address + path)
            if await button.count():
                break
            await page.wait_for_timeout(100)
        await button.click()
        await expect(page).to_have_url(live.address + path)
        await expect(page.locator("tr", has_text="No scripts here")).to_contain_text("snoozed until")
        await page.goto(live.address + "/alerts")
        await page.get_by_role("button", name="Take back").click()
        await context.close()
    await live.answer("net:plain")


def _mention(number: int) -> Record:
    at = round(time.time() * 1000)
    return interaction(
        kind="mention", id=f"net:many{number}", account="net:acme", author_id=f"person{number}", text=f"I am {number}",
        conversation_id=f"net:many{number}", published_at=at, received_at=at,
    )  # fmt: skip


async def check_everybody_can_use_it(live: Live) -> None:
    """No page breaks a rule of WCAG 2.2 AA that can be checked, in the light and in the dark, on a desk and on a phone."""
    early = {"published_at": now() - 50 * 60_000, "received_at": now() - 50 * 60_000}
    await live.write("net:late", "An alert fires", **early)
    await live.write("net:held", "And somebody has it", **early)
    paths = (
        "/",
        "/alerts",
        "/overview",
        "/accounts/net:acme",
        "/relationships",
        "/explain?account=net:acme&metric=within_1h",
        "/help",
        "/login",
        "/nowhere",
    )
    for scheme, size in LOOKS:
        for path in paths:
            page = await live.open(path, color_scheme=scheme, viewport=size)
            await page.wait_for_timeout(300)
            await everybody_can_use_it(page)
            await page.close()


async def check_charts(live: Live) -> None:
    """An account has five charts, each as CSV and as a picture."""
    page = await live.open("/accounts/net:acme")
    await expect(page.locator("#charts canvas")).to_have_count(5)
    names = set()
    for button, begins in (("CSV", b'"time",'), ("PNG", b"\x89PNG")):
        for chart in range(5):
            async with page.expect_download() as download:
                await page.get_by_role("button", name=button, exact=True).nth(chart).click()
            saved = await download.value
            content = await asyncio.to_thread(Path(await saved.path()).read_bytes)
            assert content.startswith(begins)
            names.add(saved.suggested_filename)
    assert sorted(name[-4:] for name in names) == [".csv"] * 5 + [".png"] * 5
    await page.close()


def test_the_page(tmp_path: Path) -> None:
    async def story() -> None:
        async with living(tmp_path / "data") as live:
            for check in (
                check_inbox,
                check_words,
                check_alerts,
                check_alerts_without_scripts,
                check_keys,
                check_reading,
                check_charts,
                check_everybody_can_use_it,
            ):
                await live.plant.watched(check(live))
                assert [line for line in live.said if "404" not in line] == [], check.__name__

    asyncio.run(story())
