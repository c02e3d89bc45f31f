"""``fbnet-pfld app``: a page that shows the points of faces in pictures and in the webcam live."""

import importlib.util
import os
import signal
import socket
import tempfile
import time
from typing import Annotated

import typer

from ...search_space.errors import InputError, ResultError
from .output import finish, remark
from .predict import OWN, DetectorFile, Model

Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the page.")]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")]


def live_page(model: Model = None, port: Port = 7860, show: Open = True, detector: DetectorFile = None) -> None:
    """Serve a page that shows the points of all faces in uploaded pictures and the webcam, with latencies, until Ctrl-C.

    The page offers all pretrained subnets, and the network of --model.
    Only this computer can open it; it loads nothing from other servers.
    Uploaded pictures are deleted at the end.
    """
    from ...runtime import ModelError
    from ..predict.detect import make_finder
    from ..predict.live import Live
    from ..predict.model_file import model_file
    from ..predict.net_landmarker import open_landmarker

    find, how = make_finder(None, detector)
    begin = model_file(model, None, OWN)
    live = Live(lambda name: open_landmarker(model_file(name, None, OWN).path), find)
    try:
        live.predictor(begin.name, crop=False)
    except ModelError as error:
        raise InputError(str(error)) from None
    _check_gradio()
    _check_port(port)
    models = _pretrained()
    if begin.name not in models.values():
        models = {f"{begin.name} · {begin.path.stat().st_size / 1e6:.2f} MB": begin.name} | models
    with tempfile.TemporaryDirectory(prefix="fbnet-pfld-app-") as folder:
        # Gradio reads these at import; it polls its own server, through a proxy if the user has one
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False", "no_proxy": "*"}
        from ..predict.page import make_page, serve

        try:
            address = serve(make_page(live, models, begin.name, how), port, show)
        except OSError:  # Gradio gives its server five seconds to start
            raise ResultError(f"Gradio could not serve the page on port {port}; try again, or give another --port") from None
        finish({"page": address, "model": begin.name, "face_boxes": how}, as_json=False)
        remark("press Ctrl-C to stop")
        _wait()


def _pretrained() -> dict[str, str]:
    """Return label -> name of each pretrained subnet, fastest first; the file size is that of the weights, to about 1 %."""
    from ...evaluators.pretrained import PREFIX, pretrained, subnets
    from ..deploy.fold import deployable

    found = {}
    for name, us in subnets().items():
        weights = sum(tensor.numel() for tensor in deployable(pretrained(name).build()).parameters())
        found[f"{us / 1000:.2f} ms on a Snapdragon 625 (modelled) · {4 * weights / 1e6:.2f} MB · {name}"] = f"{PREFIX}{name}"
    return found


def _check_gradio() -> None:
    if importlib.util.find_spec("gradio") is None:
        raise InputError('the page needs Gradio; install the extra app: pip install -e ".[app]"')


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        # like servers: a port whose last connections are closing is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"--port {port} cannot be used: {error.strerror}; give another port") from None


def _wait() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
