"""Program for the emulated core: it runs an engine with one network, alone, on the Python of the emulated system.

Usage: guest.py ENGINE THREADS CHANNELS HEIGHT WIDTH, in a folder with the engine's files ``net.*``. With a file ``images``, of
float32 images one after another, it writes their outputs to ``outputs``. Otherwise the network runs twice on a constant image:
the second run, with warm caches, is the one that counts. Marks around every run tell the counting plugin what belongs to it.
"""

import array
import os
import sys
from collections.abc import Callable
from math import prod

BEGIN = -7001
END = -7002

Run = Callable[["array.array[float]"], bytes]
"""Runs the network on one image; the outputs' bytes."""


def mark(number: int) -> None:
    """Close a file that cannot exist: the plugin sees the call."""
    try:
        os.close(number)
    except OSError:
        return


def open_ncnn(threads: int, channels: int, height: int, width: int) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    if net.load_param("net.param"):
        raise SystemExit("ncnn cannot load the network: it has an operation that ncnn does not know")
    weights = net.load_model("net.bin") if os.path.exists("net.bin") else net.load_model(ncnn.DataReaderFromEmpty())
    if weights:
        raise SystemExit("ncnn cannot load the network's weights")
    entry, exit_ = net.input_names()[0], net.output_names()[0]

    def run(image: "array.array[float]") -> bytes:
        source = ncnn.Mat(image).reshape(width, height, channels)
        mark(BEGIN)
        extractor = net.create_extractor()
        extractor.input(entry, source)
        code, output = extractor.extract(exit_)
        mark(END)
        if code:
            raise SystemExit(f"ncnn cannot run the network: code {code}")
        # an output without an element has no buffer
        return b"" if output.empty() else bytes(output.reshape(output.w * output.h * output.d * output.c))

    return run


def open_mnn(threads: int, channels: int, height: int, width: int) -> Run:
    import _mnncengine as mnn  # the package around it loads numpy and more, which takes seconds here

    net = mnn.Interpreter("net.mnn")
    session = net.createSession({"numThread": threads, "precision": "high"})
    entry, exit_ = net.getSessionInput(session), net.getSessionOutput(session)
    shape = (1, channels, height, width)
    net.resizeTensor(entry, shape)
    net.resizeSession(session)

    def run(image: "array.array[float]") -> bytes:
        entry.copyFrom(mnn.Tensor(shape, mnn.Halide_Type_Float, tuple(image), mnn.Tensor_DimensionType_Caffe))
        mark(BEGIN)
        if net.runSession(session):
            raise SystemExit("MNN cannot run the network")
        mark(END)
        exit_shape = exit_.getShape()
        result = mnn.Tensor(exit_shape, mnn.Halide_Type_Float, (0.0,) * prod(exit_shape), mnn.Tensor_DimensionType_Caffe)
        exit_.copyToHostTensor(result)
        return array.array("f", result.getData()).tobytes()

    return run


ENGINES = {"ncnn": open_ncnn, "mnn": open_mnn}


def main(engine: str, *numbers: str) -> None:
    """Count or predict; see the module."""
    threads, channels, height, width = map(int, numbers)
    run = ENGINES[engine](threads, channels, height, width)
    size = channels * height * width
    if not os.path.exists("images"):
        image = array.array("f", [0.25]) * size
        run(image)
        run(image)
        return
    with open("images", "rb") as images, open("outputs", "wb") as outputs:
        while data := images.read(4 * size):
            outputs.write(run(array.array("f", data)))


if __name__ == "__main__":
    main(*sys.argv[1:])
