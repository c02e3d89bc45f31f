"""``fbnet-pfld benchmark-models``: compare the latency of exported files on this machine."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .options import Json
from .output import finish, track

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Exported files (.onnx, .mnn, .param or .pt).", show_default=False)
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads per engine; the command uses this many cores.")]
Sessions = Annotated[int, typer.Option("--sessions", min=8, help="Number of times each file is opened and timed.")]


def benchmark_models(files: Files, threads: Threads = 1, sessions: Sessions = 12, as_json: Json = False) -> None:
    """Time exported files in turns, pinned to cores and after a warm-up, and compare each with the first.

    Each interval contains the true median in 95 % of cases.
    A file is reported as the fastest only if it beats every other file by more than the noise, with 99 % confidence.
    Give the same file twice to see the noise.
    """
    import numpy as np

    from ...latency import fastest, interleave, interval, open_net, pinned, processor, ratio

    named = dict(zip(_names(files), files, strict=True))
    with pinned(threads):
        engines = {name: open_net(path, threads).engine for name, path in named.items()}
        us = interleave(named, threads, sessions, track)
    first, winner = next(iter(named)), fastest(us)
    device, clock = processor()
    result = {
        "device": device,
        "clock_ghz": clock,
        "threads": threads,
        "sessions": sessions,
        "fastest": winner,
        "files": [
            {
                "file": name,
                "engine": engines[name],
                "us": interval(np.median(us[name], axis=(1, 2)))._asdict(),
                "p95_us": float(np.percentile(us[name], 95)),
                "of_first": ratio(us[name], us[first])._asdict(),
            }
            for name in named
        ],
    }
    finish(result, as_json, _view(result))


def _names(files: list[Path]) -> list[str]:
    seen: Counter[Path] = Counter()
    names = []
    for path in files:
        seen[path] += 1
        names.append(str(path) if seen[path] == 1 else f"{path} ({seen[path]})")
    return names


def _view(result: dict[str, Any]) -> Table:
    winner = result["fastest"]
    verdict = f"fastest: {winner}" if winner else "no winner: the fastest are within the noise" if result["files"][1:] else None
    view = Table(
        title=f"latency of one image, {result['threads']} thread(s), {result['device']}",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
        caption=verdict,
    )
    for heading in ("file", "engine", "median us", "95 %", "p95 us", "ratio to first", "95 % "):
        view.add_column(heading, justify="left" if heading in ("file", "engine") else "right", overflow="fold")
    for row in result["files"]:
        us, of_first = row["us"], row["of_first"]
        view.add_row(
            row["file"],
            row["engine"],
            f"{us['median']:,.1f}",
            f"{us['low']:,.1f} to {us['high']:,.1f}",
            f"{row['p95_us']:,.1f}",
            f"{of_first['median']:.3f}",
            f"{of_first['low']:.3f} to {of_first['high']:.3f}",
        )
    return view
