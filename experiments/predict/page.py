"""The Gradio page of ``fbnet-pfld app``, which shows the points of faces in a picture or the webcam.

Pictures stay on this computer, and the page loads nothing from other servers.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
from gradio.data_classes import ImageData

from ...evaluators.data.images import decode_content
from ...runtime import Image, ModelError
from ...search_space.errors import InputError
from .live import Live, Stream, View
from .media import LARGEST_JPEG, reduced

ADDRESS = "127.0.0.1"
"""Only this computer can open the page."""

TITLE = "Face landmarks, live"

INTRODUCTION = f"""# {TITLE}
Each network was searched for a latency on a phone: the faster ones are less accurate. Everything runs on this computer, and
pictures do not leave it. Face boxes: """

GUIDE = "Drop a picture below; it may show several faces."
"""Initial text above the pictures."""

CAMERA_GUIDE = "Give access to the webcam below, then start it."
"""Initial text above the webcam."""

HEIGHT = 440
"""Height of the pictures on the page, in pixels."""

FRAME_S = 0.05
"""Seconds between two frames of the webcam; if they are drawn more slowly, frames are dropped."""

QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 90)
"""OpenCV's option for pictures that are sent to the browser."""

FONT = ("system-ui", "sans-serif")
"""Fonts of the system, because Gradio loads its own from the internet."""

CSS = """
.gradio-container {max-width: 1160px !important; margin: 0 auto !important}
.said {min-height: 2.4rem; padding: 0.4rem 0.2rem; font-size: 1.05rem}
"""


@dataclass(frozen=True)
class Sent:
    """A file from the browser; a webcam's frame has no name."""

    content: bytes
    name: str | None

    def decode(self) -> Image:
        """Return the image, uint8 (H, W, 3), BGR, upright.

        Raises
        ------
        InputError
            If OpenCV cannot decode it.
        """
        image = decode_content(self.content).image
        if image is None:
            raise InputError(f"{self.name or 'The picture'} cannot be decoded; give a JPEG, PNG or WebP file")
        return image


def picture(label: str, **options: Any) -> gr.Image:
    """Return a Gradio image that passes files on unchanged: its reader raises on damaged ones, its writer leaves files behind.

    The functions are set on the instance, because Gradio writes a .pyi file beside every module that derives a class.
    """
    image = gr.Image(label=label, height=HEIGHT, **options)
    image.preprocess, image.postprocess = _received, _to_send
    return image


def _received(payload: ImageData | None) -> Sent | None:
    """Return an uploaded file, or a webcam's frame, which comes as a data URL."""
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        return Sent(base64.b64decode(payload.url.partition(",")[2]), None)
    return Sent(Path(payload.path).read_bytes(), payload.orig_name)


def _to_send(image: Image | None) -> ImageData | None:
    """Return an image, uint8 (H, W, 3), BGR, as a JPEG in a data URL."""
    if image is None:
        return None
    content = cv2.imencode(".jpg", reduced(image, LARGEST_JPEG), QUALITY)[1].tobytes()
    return ImageData(url=f"data:image/jpeg;base64,{base64.b64encode(content).decode()}", mime_type="image/jpeg")


def make_page(live: Live, models: Mapping[str, str], chosen: str, boxes: str) -> gr.Blocks:
    """Build the page.

    Parameters
    ----------
    models
        Label -> name of each network that ``live`` can open.
    chosen
        Name of the initial network.
    boxes
        Description of how faces are found.
    """

    def on_picture(sent: Sent | None, name: str, whole: bool) -> tuple[Image | None, str]:
        return _told(sent, lambda image: live.view(image, name, whole), GUIDE)

    def on_frame(
        sent: Sent | None, name: str, whole: bool, smoothed: bool, stream: Stream | None
    ) -> tuple[Image | None, str, Stream | None]:
        def view(image: Image) -> View:
            nonlocal stream
            stream = live.stream(stream, name, whole, smoothed)
            return stream(image)

        return *_told(sent, view, CAMERA_GUIDE), stream

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"{INTRODUCTION}{boxes}.")
        with gr.Row():
            model = gr.Dropdown(list(models.items()), value=chosen, label="Network", scale=2)
            crop = gr.Checkbox(label="One face's crop", info="The picture shows one face and little else.", scale=1)
        with gr.Tab("Picture"):
            said = gr.Markdown(GUIDE, elem_id="picture-said", elem_classes="said")
            with gr.Row():
                upload = picture("Picture", sources=["upload", "clipboard"])
                drawn = picture("Points", interactive=False, buttons=["download", "fullscreen"])
        with gr.Tab("Webcam"):
            with gr.Row(equal_height=True):
                frame_said = gr.Markdown(CAMERA_GUIDE, elem_id="webcam-said", elem_classes="said")
                smooth = gr.Checkbox(True, label="Smooth", info="Keep points at rest from trembling.", scale=0, min_width=280)
            with gr.Row():
                webcam = picture("Webcam", sources=["webcam"], streaming=True)
                frame = picture("Points", interactive=False, buttons=["fullscreen"])
        # one at a time, so that they do not distort each other's latencies
        shared = {"concurrency_limit": 1, "concurrency_id": "network", "show_progress": "hidden", "api_visibility": "private"}
        gr.on([upload.change, model.change, crop.change], on_picture, [upload, model, crop], [drawn, said], **shared)
        state = gr.State()
        webcam.stream(
            on_frame,
            [webcam, model, crop, smooth, state],
            [frame, frame_said, state],
            stream_every=FRAME_S,
            time_limit=None,
            **shared,
        )
    return page


def _told(sent: Sent | None, view: Callable[[Image], View], guide: str) -> tuple[Image | None, str]:
    """Return picture and text for the page: the guide without a picture, or the reason why it cannot be used."""
    if sent is None:
        return None, guide
    try:
        found = view(sent.decode())
    except (InputError, ModelError) as error:
        return None, f"**{error}**"
    return found.picture, found.text


def serve(page: gr.Blocks, port: int, browser: bool) -> str:
    """Serve the page to this computer's browsers while the process runs; return its address.

    Parameters
    ----------
    browser
        Whether to open the user's browser.
    """
    theme = gr.themes.Soft(font=FONT, font_mono=("ui-monospace", "monospace"))
    _, address, _ = page.launch(
        server_name=ADDRESS,
        server_port=port,
        inbrowser=browser,
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        theme=theme,
        css=CSS,
    )
    return address.rstrip("/")
