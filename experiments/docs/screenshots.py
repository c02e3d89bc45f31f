"""Pictures of NNI's web UI for the documentation, taken with headless Chromium.

    python experiments/docs/screenshots.py search=EXPERIMENT subnets=EXPERIMENT ...

writes screenshots/search-overview.png and so on.

Each experiment must have stopped. Needs Debian's chromium and `pip install .[docs]`.
(The web UI loads its icon font from the internet; without it there are empty boxes where icons should be.)
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "screenshots"
SIZE = {"width": 1600, "height": 680}
LOADED_MS = 4000
HIDE_HOME = """home => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.nodeValue = texts.currentNode.nodeValue.replaceAll(home, '~');
}"""
"""Writes the user's folder as ~ wherever the page shows it."""


@contextlib.contextmanager
def viewed(experiment: str) -> Iterator[str]:
    """Address of the web UI that shows a stopped experiment, while the block runs."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = str(probe.getsockname()[1])
    with subprocess.Popen(["fbnet-pfld", "launch", "view", experiment, "--port", port]) as viewer:
        try:
            yield f"http://localhost:{port}"
        finally:
            viewer.terminate()


def _wait_for(address: str) -> None:
    """Wait until the manager has read the experiment; the page shows errors before."""
    for _ in range(60):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api/v1/nni/check-status") as reply:
            if b"VIEWED" in reply.read():
                return
        time.sleep(1)
    sys.exit(f"no web UI at {address}")


def _take(page: Any, name: str) -> None:
    page.wait_for_timeout(LOADED_MS)
    page.evaluate(HIDE_HOME, str(Path.home()))
    page.screenshot(path=FOLDER / f"{name}.png")


def main() -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("playwright is not installed: pip install .[docs]")
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with (
        sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])) as browser,
    ):
        for name, experiment in (argument.split("=") for argument in sys.argv[1:]):
            with viewed(experiment) as address:
                page = browser.new_page(viewport=SIZE)
                _wait_for(address)
                page.goto(f"{address}/oview")
                _take(page, f"{name}-overview")
                page.goto(f"{address}/detail")
                for tab, picture in (("Hyper-parameter", "parameters"), ("Intermediate result", "intermediate")):
                    page.get_by_role("tab", name=tab).click()
                    _take(page, f"{name}-{picture}")
                page.close()


if __name__ == "__main__":
    main()
