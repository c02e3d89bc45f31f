"""Images per second of loading and augmentation, compared with decoding from disk in each epoch, and with the training step.

Run ``python -m fbnet_pfld.experiments.studies.benchmarks.loading``.

``ours`` is the loading of this package's trainings: faces from memory, augmented as a batch on the network's device and in its
memory layout. ``disk`` is a conventional data set: OpenCV reads and decodes a face, and torchvision's transforms of the same
strengths change it and its points, in this process or in a worker process per core; the faster of the two is the peer. (In its
favour, mirroring does not reorder its points, its pose does not change, and its single colour channels do not change.)
``load`` and ``decode`` are the same without augmentation. The training steps (a forward pass, a backward pass and AdamW) get a
ready batch. Everything may use all cores, and a GPU if there is one. The kinds take turns, and medians of the turns are
reported.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from ....evaluators import LandmarkDataset, layout_of, network_input
from ....evaluators.data.augment import Augment
from ....evaluators.data.loaders import make_loader
from ....evaluators.data.synthetic import generate
from ....evaluators.training.loss import LOSSES
from ....search_space import Architecture, SpaceSpec
from ..accuracy.contenders import MEDIAN

FACES = 512
"""Faces in an epoch of loading."""

BATCH = 64
"""Faces in a batch."""

STEPS = 3
"""Training steps in a turn."""

TURNS = 7
"""Turns of each kind, after one for warm-up."""

SMALLEST = ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5")
"""Blocks of the smallest subnet of the ``pfld`` space."""


class FacesOnDisk(Dataset):
    """Faces that are read, decoded and augmented one by one on access."""

    def __init__(self, root: Path, data: LandmarkDataset, strength: Augment):
        self.paths, self.points, self.size = [str(root / name) for name in data.names], data.points, data.images.shape[-1]
        widest = 2 * int(3 * strength.blur * self.size) + 1
        self.move = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(
                    strength.degrees,
                    (strength.shift, strength.shift),
                    (1 - strength.scale, 1 + strength.scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                ),
            ]
        )
        self.change_look = v2.Compose(
            [
                v2.RandomApply([v2.GaussianBlur(widest, (0.01, strength.blur * self.size))], strength.share),
                v2.ColorJitter(strength.light / 2, strength.light, strength.saturation),
                v2.RandomGrayscale(strength.grey),
                v2.ToDtype(torch.float32, scale=True),
                v2.RandomErasing(strength.share, (0.01, strength.occlusion**2), value=0.5),
                v2.RandomApply([v2.GaussianNoise(sigma=strength.noise / 2)], strength.share),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = tv_tensors.Image(torch.from_numpy(cv2.imread(self.paths[index])).permute(2, 0, 1))
        points = tv_tensors.KeyPoints(self.points[index] * self.size, canvas_size=(self.size, self.size))
        image, points = self.move(image, points)
        return self.change_look(image).as_subclass(Tensor), points.as_subclass(Tensor) / self.size


def ours(data: LandmarkDataset, strength: Augment | None, device: str) -> Callable[[], int]:
    """Return an epoch of this package's loading; with ``strength``, also of its augmentation."""
    loader = make_loader(data, list(range(len(data))), BATCH, seed=0)

    def epoch() -> int:
        for batch in loader:
            images, points, pose = (batch[name].to(device) for name in ("images", "points", "pose"))
            if strength:
                network_input(strength(images, points, pose)[0])
        return len(data)

    return epoch


def disk(faces: FacesOnDisk, workers: int, device: str) -> Callable[[], int]:
    """Return an epoch of loading face by face."""
    loader = DataLoader(faces, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)

    def epoch() -> int:
        for images, points in loader:
            network_input(images.to(device))
            points.to(device)
        return len(faces)

    return epoch


def decode(faces: FacesOnDisk) -> Callable[[], int]:
    """Return an epoch that only reads and decodes all faces."""

    def epoch() -> int:
        for path in faces.paths:
            cv2.imread(path)
        return len(faces.paths)

    return epoch


def training(blocks: tuple[str, ...], data: LandmarkDataset, device: str) -> Callable[[], int]:
    """Return some training steps of a subnet on one batch."""
    spec = SpaceSpec.load("pfld")
    model = Architecture(spec, 106, 112, dict(zip(spec.labels, blocks, strict=True))).build().to(device)
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-4), LOSSES["l1"]()
    images, points = network_input(data.images[:BATCH].to(device)), data.points[:BATCH].to(device)

    def steps() -> int:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss(model(images).view_as(points), points).backward()
            optimizer.step()
        return STEPS * BATCH

    return steps


def rates(kinds: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Images per second of each kind: medians of the turns, after one for warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(TURNS + 1):
        for name, run in kinds.items():
            start = time.perf_counter()
            images = run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append((time.perf_counter() - start) / images)
    return {name: 1 / statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measure and print the results."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    cv2.setNumThreads(1)  # files are decoded one at a time, and each worker uses one core
    device = "cuda" if torch.cuda.is_available() else "cpu"
    strength = Augment(layout_of(106).mirror)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "faces"
        generate(root, FACES, 1)
        data = LandmarkDataset(root)
        faces = FacesOnDisk(root, data, strength)
        found = rates(
            {
                "ours": ours(data, strength, device),
                "disk": disk(faces, 0, device),
                "disk, workers": disk(faces, cores, device),
                "load": ours(data, None, device),
                "decode": decode(faces),
                "train smallest": training(SMALLEST, data, device),
                "train median": training(MEDIAN, data, device),
            }
        )
    for name, rate in found.items():
        print(f"{name:15} {rate:8.0f} images/s")
    disk_rate = max(found["disk"], found["disk, workers"])
    ratios = {"ours_over_disk": found["ours"] / disk_rate, "load_over_decode": found["load"] / found["decode"]}
    shares = {}
    for subnet in ("smallest", "median"):
        train = found[f"train {subnet}"]
        ratios[f"ours_over_train_{subnet}"] = found["ours"] / train
        # in one process the seconds per image add up: the network waits while a batch is made
        shares[f"share_ours_{subnet}"] = train / (train + found["ours"])
        shares[f"share_disk_{subnet}"] = train / (train + found["disk"])
    for name, ratio in ratios.items():
        print(f"{name.replace('_', ' ')}: {ratio:.1f}")
    for name, share in shares.items():
        print(f"{name.replace('_', ' ')}: {share:.1%} of an epoch")
    print(
        json.dumps(
            {
                **{name: round(value, 3) for name, value in (ratios | shares).items()},
                "images_per_s": {name: round(rate) for name, rate in found.items()},
                "batch": BATCH,
                "device": device,
                "threads": cores,
            }
        )
    )


if __name__ == "__main__":
    main()
