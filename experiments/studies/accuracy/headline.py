"""The headline: finetuned choices of trained supernets compared with ``PfldLite`` in size, latency and NME."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from ....evaluators import Checkpoint, FaceData
from ....latency import LookupTable
from ....search_space import BASELINES, Architecture, PfldSpace, SpaceSpec
from ....search_space.counting import count_parameters
from ....strategies import Subnet, cost_of, evolve, pareto_front
from ...deploy.candidate import TrainedNetwork
from ...pipeline.config import Config
from ...pipeline.scoring import FACES, Scorer
from ..evidence.choices import EVALUATIONS
from ..evidence.supernets import Supernet
from ..results import Records, digest, train_and_test
from .accuracy_report import BASELINE

TABLE = "snapdragon625-4t"
"""Latency table of the choices."""

KEYS = ("data", "aim", "epochs", "seed", "blocks")
"""Columns that identify a finetuning."""

REACHED = "accurate"
"""Aim of the fastest subnet that reaches the baseline's NME."""


@dataclass(frozen=True)
class Limits:
    """Limits of a subnet's latency and size, relative to the baseline's.

    Parameters
    ----------
    faster
        Lowest ratio of the baseline's latency to the subnet's.
    size
        Highest ratio of the subnet's parameters to the baseline's.
    """

    faster: float = 0.0
    size: float = inf


AIMS: Mapping[str, Limits] = {"fast and small": Limits(6.25, 0.5), REACHED: Limits()}
"""Aim -> limits. ``fast and small`` chooses the most accurate subnet within its limits, ``accurate`` the fastest subnet on the
front that reaches the NME of the baseline."""


@dataclass(frozen=True)
class Baseline:
    """Latency in microseconds and parameters of the network that subnets are compared with."""

    us: float
    parameters: int

    @classmethod
    def of(cls, points: int, input_size: int) -> "Baseline":
        """Return latency by :data:`TABLE` and parameters of :data:`~.accuracy_report.BASELINE`."""
        network = BASELINES[BASELINE](points, input_size)
        us = TrainedNetwork(network).table_us(LookupTable.load(TABLE))
        assert us is not None  # the shipped table lists it
        return cls(us, count_parameters(network))


class Sizes:
    """Counts the parameters of any subnet of a space without building it: fixed parts plus chosen blocks."""

    def __init__(self, spec: SpaceSpec, points: int, input_size: int):
        space = PfldSpace(spec, points, input_size)
        # label -> block -> parameters, in the network's order
        self._blocks = [
            {name: count_parameters(block) for name, block in layer.named_children()} for layer in space.layers.children()
        ]
        searched = sum(sum(row.values()) for row in self._blocks)
        self._fixed = count_parameters(space) - searched

    def __call__(self, subnet: Subnet) -> int:
        """Count the parameters of a subnet, given by its blocks."""
        return self._fixed + sum(row[name] for row, name in zip(self._blocks, subnet, strict=True))


def candidates(supernet: Supernet, faces: FaceData, aim: str) -> Iterator[Architecture]:
    """Subnets to finetune for an aim, in order: the most accurate within the limits, or the whole front, fastest first.

    An evolution scores subnets on held-out faces with the supernet's weights. A subnet beyond the size limit gets an infinite
    score, so that it never becomes a parent. The latency limit applies at the end.
    """
    limits = AIMS[aim]
    config, table = supernet.config, LookupTable.load(TABLE)
    cost = table.cost(supernet.model)

    def architecture(subnet: Subnet) -> Architecture:
        return table.annotate(supernet.architecture(subnet))

    if aim == REACHED:
        # the fastest subnet of the space is on any front: it needs no scores
        yield architecture(tuple(min(row, key=row.__getitem__) for row in cost.blocks_us.values()))
    scorer = Scorer(Checkpoint.load(supernet.checkpoint), faces, config, supernet.seed, FACES, supernet.folder)
    size = Sizes(scorer.space.spec, config.points, config.input_size)
    baseline = Baseline.of(config.points, config.input_size)

    def score(subnets: list[Subnet]) -> list[float]:
        small = [subnet for subnet in subnets if size(subnet) <= limits.size * baseline.parameters]
        scores = dict(zip(small, scorer(small), strict=True))
        return [scores.get(subnet, inf) for subnet in subnets]

    # score subnets, and take the Pareto-optimal ones within the latency limit, fastest first
    found = evolve(score, scorer.logits, cost, EVALUATIONS, supernet.seed)
    subnets = [subnet for subnet, nme in found.items() if nme < inf]
    us = [cost_of(cost, subnet) for subnet in subnets]
    front = [subnets[i] for i in pareto_front(us, [found[subnet] for subnet in subnets])]
    within = [subnet for subnet in front if limits.faster * cost_of(cost, subnet) <= baseline.us]
    yield from map(architecture, within if aim == REACHED else within[-1:])  # accuracy grows along the front


def finetune_headline(
    name: str, faces: FaceData, supernet: Supernet, recipe: Config, aim: str, to_reach: float, results: Path
) -> None:
    """Finetune the choice of a supernet for an aim -> headline.csv, a row per finetuning.

    Parameters
    ----------
    name
        Name of the data set in the results.
    recipe
        Settings of the finetuning.
    to_reach
        NME in percent at which the walk along the front ends, for the aim :data:`REACHED`.

    Raises
    ------
    InputError
        If the supernet is not trained, or the file has rows of this supernet with other settings.
    """
    records = Records(results / "headline.csv", *KEYS)
    setup = digest(supernet.setup, recipe.finetune.model_dump(mode="json"), EVALUATIONS, FACES, TABLE)
    key = {"data": name, "aim": aim, "epochs": recipe.finetune.epochs, "seed": supernet.seed}
    records.check(setup=setup, **key)
    baseline = Baseline.of(recipe.points, recipe.input_size)
    for chosen in _until_reached(records, key, candidates(supernet, faces, aim), to_reach):
        parameters = count_parameters(chosen.build())
        start = time.process_time()
        figures = train_and_test(recipe, faces, chosen, supernet.seed, supernet.checkpoint)
        records.add(
            **key,
            setup=setup,
            blocks=" ".join(chosen.choices.values()),
            us=round(chosen.us, 1),
            parameters=parameters,
            **figures,
            cpu_seconds=round(time.process_time() - start, 1),
            faster=round(baseline.us / chosen.us, 3),
            size_ratio=round(parameters / baseline.parameters, 4),
        )


def _until_reached(
    records: Records, key: Mapping[str, Any], subnets: Iterable[Architecture], to_reach: float
) -> Iterator[Architecture]:
    """Yield the subnets without a row, in order, until a row reaches the NME ``to_reach`` in percent."""
    for subnet in subnets:
        row = {**key, "blocks": " ".join(subnet.choices.values())}
        if not records.has(**row):
            yield subnet
        rows = records.frame()
        same = (rows[list(row)] == pd.Series(row)).all(axis=1)
        if rows[same].test_nme.min() <= to_reach:
            return


def headline_table(headline: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of NME, latency and size per data set and aim, and ratios to the baseline.

    For the aim :data:`REACHED`, the last subnet of a seed's walk counts. ``nme_ratio`` compares with the baseline's shortest
    training in ``networks``, ``nme_ratio_long`` with its longest.
    """
    lite = networks[networks.network == BASELINE]
    rows = []
    for (name, aim, epochs), part in headline.groupby(["data", "aim", "epochs"], sort=False):
        last = part.groupby("seed").tail(1)
        trained = lite[lite.data == name].groupby("epochs").test_nme.mean()
        rows.append(
            {
                "data": name,
                "aim": aim,
                "epochs": epochs,
                "seeds": len(last),
                "nme": last.test_nme.mean(),
                "spread": last.test_nme.std(),
                "us": last.us.mean(),
                "parameters": last.parameters.mean(),
                "faster": last.faster.mean(),
                "least_faster": last.faster.min(),
                "size_ratio": last.size_ratio.mean(),
                "nme_ratio": last.test_nme.mean() / trained.get(trained.index.min(), float("nan")),
                "nme_ratio_long": last.test_nme.mean() / trained.get(trained.index.max(), float("nan")),
                "minutes": last.cpu_seconds.mean() / 60,
            }
        )
    return pd.DataFrame(rows).round(3)
