"""The sandbox's console while alice is live, and after bob has tried to stop her room."""

import tempfile
from pathlib import Path

from gateway.sandbox import running
from tests.live.devtools import Page, page

_ENVIRON = {
    "GATEWAY_CALLBACK_SECRET": "told-of-each-change-without-delay",
    "GATEWAY_VENDOR_APP_ID": "app",
    "GATEWAY_LOG_LEVEL": "error",
}


async def console() -> bytes:
    """Return the picture."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with running(environ=_ENVIRON) as sandbox, page(Path(profile)) as browser:
            await browser.show(1280, 900)
            await browser.open(f"{sandbox.url}/console")
            await _press(browser, "#alice .create button")
            await _shows(browser, "#alice .events", "the whole room")
            await _shows(browser, "#bob .events", "the whole room")
            await _press(browser, "#alice [data-act=live]")
            await _shows(browser, "#alice .events", "(live)")
            await _shows(browser, "#bob .events", "(live)")
            await _press(browser, "#bob [data-act=stop]")
            await _shows(browser, "#bob .problem", "not_room_anchor")
            return await browser.picture(whole=True)


async def _press(browser: Page, button: str) -> None:
    found = f"document.querySelector('{button}')"
    await browser.until(f"{found} !== null && !{found}.disabled")
    await browser.run(f"{found}.click()")


async def _shows(browser: Page, selector: str, text: str) -> None:
    await browser.until(f"document.querySelector('{selector}')?.innerText.includes('{text}')")
