"""A page in a headless Chromium, asked and used by its debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import matplotlib.image
import numpy as np

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
]


def drawn(address: str, profile: Path) -> str:
    """What a page holds when its scripts have run; ``profile`` is a folder for the browser."""
    flags = [*FLAGS, "--no-first-run", "--disable-component-update", "--disable-sync"]
    return subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={profile}", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    ).stdout


class Page:
    """One page of a headless browser, asked and moved about by its debugging protocol."""

    def __init__(self, socket) -> None:
        self.socket, self.number, self.complaints = socket, 0, []

    async def tell(self, method: str, **params: object) -> dict:
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while True:
            message = await self.socket.receive_json()
            if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(message["params"]))
            if message.get("id") == self.number:
                return message.get("result", {})

    async def ask(self, expression: str):
        return (await self.tell("Runtime.evaluate", expression=expression, returnByValue=True))[
            "result"
        ].get("value")

    async def open(self, url: str) -> None:
        for domain in ("Runtime", "Log", "Page"):
            await self.tell(f"{domain}.enable")
        await self.tell("Page.navigate", url=url)
        await self.until(
            "document.body?.dataset.ready === 'true' || (document.querySelector('#result"
            " p')?.textContent || '').includes('could not be read')"
        )

    async def until(self, expression: str) -> None:
        for _ in range(400):
            if await self.ask(f"!!({expression})"):
                return
            await asyncio.sleep(0.3)
        raise AssertionError(f"never true: {expression}; the page says {await self.result()!r}")

    async def url(self) -> str:
        return await self.ask("location.href")

    async def result(self) -> str:
        return await self.ask("document.getElementById('result').innerText")

    async def picture(self, path: Path) -> np.ndarray:
        path.write_bytes(base64.b64decode((await self.tell("Page.captureScreenshot"))["data"]))
        return matplotlib.image.imread(path)

    async def mouse(self, kind: str, at: tuple[float, float], held: int = 0) -> None:
        await self.tell(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=at[0],
            y=at[1],
            button="none" if kind == "Moved" and not held else "left",
            buttons=held,
            clickCount=1,
        )

    async def click(self, at: tuple[float, float]) -> None:
        await self.mouse("Moved", at)
        await self.mouse("Pressed", at, held=1)
        await self.mouse("Released", at)

    async def drag(self, start: tuple[float, float], by: tuple[float, float]) -> None:
        await self.mouse("Moved", start)
        await self.mouse("Pressed", start, held=1)
        for part in (
            0.04,
            0.25,
            0.5,
            0.75,
            1.0,
        ):  # what is moved before it counts as dragging is lost
            await self.mouse("Moved", (start[0] + part * by[0], start[1] + part * by[1]), held=1)
        await asyncio.sleep(0.5)  # a map that is let go of while it moves glides on
        await self.mouse("Released", (start[0] + by[0], start[1] + by[1]))

    async def middle(self, selector: str) -> tuple[float, float]:
        box = await self.ask(
            f"(() => {{ const b = document.querySelector('{selector}').getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]; })()"
        )
        return box[0] + box[2] / 2, box[1] + box[3] / 2


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """A page of a browser of its own, which must have had nothing to complain of at the end."""
    import aiohttp

    process = subprocess.Popen(
        [
            CHROMIUM,
            *FLAGS,
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "--window-size=1100,800",
            "about:blank",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = next(
            found[1]
            for line in process.stderr
            if (found := re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line))
        )
        async with aiohttp.ClientSession() as session:
            pages = await (await session.get(f"http://127.0.0.1:{port}/json")).json(
                content_type=None
            )
            async with session.ws_connect(
                next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"),
                max_msg_size=0,
            ) as socket:
                page = Page(socket)
                yield page
                assert [
                    c
                    for c in page.complaints
                    if not any(word in c for word in ("favicon", "GPU stall"))
                ] == []
    finally:
        process.kill()
        process.wait()
