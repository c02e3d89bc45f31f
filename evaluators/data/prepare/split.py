"""Split into training and test faces, by the source's folders or by a fraction."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence

FRACTION = 0.1

_KNOWN = re.compile(r"(train|test|val)(?:ing|id|idation)?[-_ ]?(?:set|data|images?|imgs?)?", re.IGNORECASE)
_SPLITS: Mapping[str, str] = {"train": "train", "test": "test", "val": "train"}
_OF_300W: Mapping[str, str] = {"afw": "train", "ibug": "test", "01_indoor": "test", "02_outdoor": "test"}
"""Folders of 300W whose names do not state a split, but whose use is established."""


def split_of_folder(name: str) -> str | None:
    """Return the split of a folder name: ``trainset``, ``training_data``, ``val`` ... train, ``test``, ``testset`` ... test."""
    known = _KNOWN.fullmatch(name)
    return _SPLITS[known[1].lower()] if known else None


def by_folders(names: Sequence[str]) -> list[str | None] | None:
    """Return the split of each image by the folders of its path in the source; the innermost folder with a split decides.

    ``afw`` is for training, and ``ibug``, ``01_Indoor`` and ``02_Outdoor`` are for testing, as is usual for 300W, if another
    folder of the source names a split.

    Returns
    -------
    list or None
        ``train``, ``test``, or None for an image without such a folder; None instead of the list if no folder is for testing.
    """
    folders = [[] if name.startswith("/") else name.split("/")[-2::-1] for name in names]
    splits = [next(filter(None, map(split_of_folder, each)), None) for each in folders]
    if any(splits):
        splits = [
            split or next((_OF_300W[folder.lower()] for folder in each if folder.lower() in _OF_300W), None)
            for split, each in zip(splits, folders, strict=True)
        ]
    return splits if "test" in splits else None


def by_fraction(who: Sequence[str], fraction: float, seed: int) -> list[str]:
    """Return the split of each face, about ``fraction`` of them for testing.

    Identities are drawn in an order that depends only on them and the seed; an identity with more faces than still needed is
    skipped.
    """
    room = fraction * len(who)
    test: set[str] = set()
    for identity, count in sorted(Counter(who).items(), key=lambda item: _hash(item[0], seed)):
        if count <= room:
            test.add(identity)
            room -= count
    return ["test" if identity in test else "train" for identity in who]


def _hash(identity: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest()
