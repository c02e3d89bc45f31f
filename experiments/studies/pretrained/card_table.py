"""Update the tables of the pretrained networks' card from their result files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ....evaluators.pretrained import SUPERNET
from ....search_space.errors import InputError
from ....search_space.files import read_json, read_text, write_text
from .make_pretrained import FIGURES, SETTINGS
from .rate_pretrained import RATINGS

CARD = "card.md"
"""The card, beside the networks."""

DATA: Mapping[str, str] = {"synthetic": "synthetic", "rendered": "other rendered", "photos": "photographs"}
"""Data set in the columns of the ratings -> its name in the card."""


def write_card(folder: Path) -> str:
    """Replace the text between the markers of a folder's ``card.md`` by tables of its results.

    A part begins with a line ``<!-- NAME -->`` and ends with a line ``<!-- /NAME -->``.

    Returns
    -------
    str
        The card.

    Raises
    ------
    InputError
        If a file is missing, or the card lacks a marker.
    """
    made = read_json(folder / FIGURES, "figures of the making")
    settings = read_json(folder / SETTINGS, "settings of the making")
    if not (folder / RATINGS).exists():
        raise InputError(f"{folder / RATINGS} not found; run the rate command first")
    rated = pd.read_csv(folder / RATINGS)
    card = read_text(folder / CARD, "card")
    parts = {"training": training_text(settings, made), "figures": figures_table(rated, made)}
    for name, text in parts.items():
        card = between(card, name, text, folder / CARD)
    write_text(folder / CARD, card)
    return card


def between(card: str, name: str, text: str, where: Path) -> str:
    """Return the card with ``text`` between the markers ``name``; :class:`InputError` unless each marker occurs once."""
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    if card.count(start) != 1 or card.count(end) != 1:
        raise InputError(f"{where}: no part {start.strip()} ... {end}; add these two lines where the figures belong")
    before, rest = card.split(start)
    _, after = rest.split(end)
    return f"{before}{start}{text}{end}{after}"


def figures_table(rated: pd.DataFrame, made: Mapping[str, Any]) -> str:
    """A row per subnet, fastest first: size, latency, NME and FR@8 on each data set."""
    titles = ["name", "modelled us", "params", "M MACs", "file KB", *(f"{title}, NME / FR@8" for title in DATA.values())]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]
    for row in rated.to_dict("records"):
        cost = made["subnets"][row["name"]]
        cells = [
            f"`{row['name']}`",
            f"{row['us']:,.0f}",
            f"{cost['parameters']:,}",
            f"{cost['macs'] / 1e6:.2f}",
            f"{row['bytes'] / 1024:.0f}",
            *(f"{row[f'{data}_nme']:.2f} / {row[f'{data}_fr8']:.1f}" for data in DATA),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def training_text(settings: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """Data, epochs and times of the training, as a list."""
    faces, stages = settings["faces"], settings["search"]["stages"]
    lengths = ", ".join(f"{name} {stages[name]['epochs']}" for name in ("teacher", "distillation", "sandwich", "logits"))
    finetuned = sum(subnet["cpu_seconds"] for subnet in made["subnets"].values())
    lines = [
        f"- Faces: {faces['train']:,} for training and {faces['test']:,} for testing, rendered at {faces['size']}x"
        f"{faces['size']} pixels with seed {faces['seed']}.",
        f"- Supernet of `{settings['space']}`: epochs {lengths}; batch {settings['search']['batch_size']}, "
        f"seed {settings['seed']}, {made[SUPERNET]['cpu_seconds'] / 60:.0f} CPU minutes with its front.",
        f"- Each subnet: finetuned for {settings['finetune']['epochs']} epochs with the supernet's weights; "
        f"{finetuned / 60:.0f} CPU minutes for all {len(made['subnets'])}.",
    ]
    return "\n".join(lines) + "\n"
