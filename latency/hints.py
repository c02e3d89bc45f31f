"""Commands that messages suggest for tables that lack a row; they can be pasted into the shell."""

import re
import shlex
from itertools import count
from pathlib import Path

from ..search_space.errors import InputError
from ..search_space.spec import NetworkLayout
from .a53_model.fit import THREADS
from .measure.design import REPEATS, UNSEEN, make_design
from .measure.host import processor


def new_table(layout: NetworkLayout, threads: int, engine: str, device: str, method: str, precision: str) -> str:
    """Return the end of a message: advice on a table for a space, with the command that makes it after a colon.

    A table measured on this machine is measured again if the space has enough subnets. INT8 tables come from an emulated core,
    all others from the layer model of the Snapdragon 625. The command overwrites no file. There is no command for a space
    without a known file.

    Parameters
    ----------
    threads, engine, device, method, precision
        Properties of the table that lacks the rows.
    """
    space = layout.space
    if space.argument is None:
        return f"use a table made for search space {space.name!r}, from its .yaml file"
    num_points = layout.num_points
    input_size = layout.input_size
    near = min(THREADS, key=lambda known: abs(known - threads))
    options = ["--space", space.argument, "--points", str(num_points), "--input-size", str(input_size)]
    if method == "measured" and device == processor()[0] and _measurable(layout):
        backend = "mnn" if engine.startswith("MNN") else "onnxruntime"
        command = ["latency", "measure", "--backend", backend, *options, "--threads", str(threads)]
    elif precision == "int8":
        command = ["latency", "measure", "--backend", "emulator", "--precision", precision, *options, "--threads", str(near)]
    else:
        command = ["latency", "fit", *options, "--threads", str(near)]
    out = _unused(f"{re.sub(r'[^A-Za-z0-9_-]+', '_', space.name)}-{num_points}-{input_size}")
    return f"use the table {out} instead, made by: {shlex.join(['fbnet-pfld', *command, '--out', out])}"


def _measurable(layout: NetworkLayout) -> bool:
    try:
        make_design(layout.space, layout.num_points, layout.input_size, REPEATS, UNSEEN, seed=0)
    except InputError:
        return False
    return True


def _unused(name: str) -> str:
    """Return a file name for a table that is not yet used in the working folder."""
    names = (f"{name}{'' if i == 1 else f'-{i}'}.csv" for i in count(1))
    return next(each for each in names if not Path(each).exists() and not Path(each).with_suffix(".json").exists())
