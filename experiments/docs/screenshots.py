"""Pictures of NNI's web UI and of `fbnet-pfld app` for the documentation, taken with headless Chromium.

    python experiments/docs/screenshots.py app search=EXPERIMENT subnets=EXPERIMENT ...

writes screenshots/app.png, screenshots/search-overview.png and so on.

Each experiment must have stopped. Needs Debian's chromium and `pip install .[docs]`; for `app` also `.[app,detect]`.
(The web UI loads its icon font from the internet; without it there are empty boxes where icons should be.)
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "screenshots"
SIZE = {"width": 1600, "height": 680}
APP = "app"
APP_SIZE = {"width": 1240, "height": 820}
FACES = 3, 4
"""Rows and columns of the synthetic faces that the page of ``app`` shows."""
SIDE = 320
SEED = 3
LOADED_MS = 4000
HIDE_HOME = """home => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.nodeValue = texts.currentNode.nodeValue.replaceAll(home, '~');
}"""
"""Writes the user's folder as ~ wherever the page shows it."""


@contextlib.contextmanager
def served(*command: str) -> Iterator[str]:
    """Address at which a command of ``fbnet-pfld`` serves its page, while the block runs."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = str(probe.getsockname()[1])
    with subprocess.Popen(["fbnet-pfld", *command, "--port", port]) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait_for(address: str, text: bytes) -> None:
    """Wait until an address answers with a text."""
    for _ in range(60):
        with contextlib.suppress(OSError), urllib.request.urlopen(address) as reply:
            if text in reply.read():
                return
        time.sleep(1)
    sys.exit(f"no page at {address}")


def _take(page: Any, name: str) -> None:
    page.wait_for_timeout(LOADED_MS)
    page.evaluate(HIDE_HOME, str(Path.home()))
    page.screenshot(path=FOLDER / f"{name}.png")


def _take_app(browser: Any) -> None:
    """The page of ``app`` with synthetic faces in one picture."""
    import cv2
    import numpy as np

    from fbnet_pfld.evaluators.data.synthetic import render_face

    rng = np.random.default_rng(SEED)
    rows, columns = FACES
    faces = [np.hstack([render_face(rng, SIDE).image for _ in range(columns)]) for _ in range(rows)]
    with tempfile.TemporaryDirectory() as folder, served("app", "--no-open") as address:
        picture = Path(folder) / "faces.png"
        cv2.imwrite(str(picture), np.vstack(faces))
        _wait_for(address, b"gradio")
        page = browser.new_page(viewport=APP_SIZE)
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files(picture)
        page.get_by_text("ms per face").wait_for()
        page.wait_for_timeout(LOADED_MS)
        page.screenshot(path=FOLDER / f"{APP}.png")
        page.close()


def _take_experiment(browser: Any, name: str, experiment: str) -> None:
    with served("launch", "view", experiment) as address:
        page = browser.new_page(viewport=SIZE)
        # the manager reads the experiment first; the page shows errors before
        _wait_for(f"{address}/api/v1/nni/check-status", b"VIEWED")
        page.goto(f"{address}/oview")
        _take(page, f"{name}-overview")
        page.goto(f"{address}/detail")
        for tab, picture in (("Hyper-parameter", "parameters"), ("Intermediate result", "intermediate")):
            page.get_by_role("tab", name=tab).click()
            _take(page, f"{name}-{picture}")
        page.close()


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
        for argument in sys.argv[1:]:
            if argument == APP:
                _take_app(browser)
            else:
                _take_experiment(browser, *argument.split("="))


if __name__ == "__main__":
    main()
