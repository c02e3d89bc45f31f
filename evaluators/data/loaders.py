"""Data loaders whose order depends only on seed and epoch, so that a resumed training sees the same batches."""

from typing import Any

import torch
from nni.nas.evaluator.pytorch import DataLoader as TracedLoader
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, Subset

from ...search_space.errors import InputError
from .dataset import LandmarkDataset, as_batch


def split_indices(count: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split ``range(count)`` at random into two disjoint parts, such as for training and validation.

    Parameters
    ----------
    count
        Number of items.
    fraction
        Share of the items in the second part, which has at least one.
    seed
        Random seed.

    Returns
    -------
    tuple
        Sorted indices of the first and of the second part.

    Raises
    ------
    InputError
        If a part would be empty.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    second = max(1, round(count * fraction))
    if not 0 < fraction < 1 or second >= count:
        raise InputError(
            f"a validation fraction of {fraction} of {count} faces leaves an empty part; "
            "give a fraction between 0 and 1 that leaves at least one face on each side"
        )
    return sorted(order[second:]), sorted(order[:second])


def make_loader(
    dataset: LandmarkDataset, indices: list[int], batch_size: int, seed: int | None = None, processes: int = 1, rank: int = 0
) -> DataLoader[Any]:
    """Create a loader of the faces ``indices``: in order, or shuffled by ``seed`` and epoch, without a short last batch.

    Each of several processes gets a different part of the faces. The parts have equal size, so some faces may be repeated.
    The data are in memory as one tensor, so there are no worker processes.
    """
    subset = Subset(dataset, indices)
    # also for one process: Lightning passes the epoch to this sampler, but not to a plain shuffling sampler
    sampler: DistributedSampler[dict[str, Tensor]] = DistributedSampler(
        subset, processes, rank, shuffle=seed is not None, seed=seed or 0
    )
    return TracedLoader(
        subset, batch_size=min(batch_size, len(sampler)), sampler=sampler, drop_last=seed is not None, collate_fn=as_batch
    )
