"""Effect of each layer's blocks on the NME in a supernet, which shows whether the choice in that layer matters."""

import tempfile
from pathlib import Path

import numpy as np

from ....evaluators import Checkpoint, FaceData
from ...pipeline.scoring import FACES, Scorer
from ..results import Records
from .supernets import KEYS, Supernet

AROUND = 8
"""Number of random subnets in which blocks are exchanged."""


def score_blocks(supernet: Supernet, faces: FaceData, results: Path) -> None:
    """Mean NME of some random subnets on held-out faces, with each block of each layer in turn -> blocks.csv.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of this supernet with other settings.
    """
    records = Records(results / "blocks.csv", *KEYS)
    records.check(setup=supernet.setup, **supernet.key)
    if records.has(**supernet.key):
        return
    rng = np.random.default_rng(supernet.seed)
    names = supernet.model.spec.candidates()
    around = [tuple(str(rng.choice(row)) for row in names.values()) for _ in range(AROUND)]
    changed = [
        (label, block, [(*subnet[:i], block, *subnet[i + 1 :]) for subnet in around])
        for i, (label, row) in enumerate(names.items())
        for block in row
    ]
    with tempfile.TemporaryDirectory() as folder:
        score = Scorer(Checkpoint.load(supernet.checkpoint), faces, supernet.config, supernet.seed, FACES, Path(folder))
        nmes = score([subnet for _, _, subnets in changed for subnet in subnets])
    means = np.reshape(nmes, (len(changed), AROUND)).mean(1)
    records.extend(
        [
            {**supernet.key, "setup": supernet.setup, "layer": label, "block": block, "nme": round(float(mean), 4)}
            for (label, block, _), mean in zip(changed, means, strict=True)
        ]
    )
