"""The text about uncertainty in the shipped tables."""

from ..a53_model.fit import SIBLING
from ..measure.solve import Agreement
from .board_validation import figure_percent, held_out_boards, held_out_networks, network_percent, of_kind


def board_uncertainty(precision: str, threads: int, own: Agreement) -> str:
    """Summarise the model's errors on held-out networks and boards, and the table's on unseen subnets."""
    rows = of_kind(held_out_networks(), precision, threads)
    boards = of_kind(held_out_boards(), precision, threads)
    return (
        f"not measured on this chip: counts of ncnn's code on an emulated Cortex-A53, and a model of their cost fitted to "
        f"published figures of other boards; mean error on a held-out network {network_percent(rows):.1f} % over its boards, "
        f"{figure_percent(rows):.1f} % for a single figure; {figure_percent(boards, by='soc'):.1f} % on a held-out board whose "
        f"scale and memory are known; the chip's own are those of the {SIBLING}; the sum of rows differs from the model's "
        f"figure of {own.subnets} unseen subnets by {own.mean_percent:.1f} %"
    )
