"""Lightning module that trains any landmark network: supernet, subnet or baseline."""

from typing import Any

import nni
import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ...search_space.errors import check_name
from ...search_space.pose_net import PoseNet
from ..data.augment import AUGMENTS
from ..data.dataset import network_input
from ..data.layouts import layout_of
from .loss import LOSSES
from .metrics import landmark_metrics
from .schedule import SCHEDULES
from .teacher import Teacher
from .typed_network import as_network


@nni.trace
class LandmarkModule(LightningModule):
    """Train a network with ``forward(images) -> (N, 2P)`` with AdamW.

    Logs ``train_loss``, and ``val_nme``, ``val_fr8`` and ``val_auc8`` in percent. A loss that needs the pose also trains the
    auxiliary pose net on the network's ``forward_features``.

    Parameters
    ----------
    num_points
        Number of landmarks.
    total_steps
        Optimiser steps of the whole training, which is the schedule's length.
    loss
        A name in ``LOSSES``.
    learning_rate
        Peak of the schedule.
    schedule
        A name in ``SCHEDULES``.
    weight_decay
        Weight decay of AdamW.
    augment
        A name in ``AUGMENTS``: the augmentation of training batches.
    eye_corners
        Indices of the outer eye corners; built in for 68, 98 and 106 points.

    Raises
    ------
    InputError
        If the loss, the schedule, the augmentation or the eye corners are unknown.
    """

    def __init__(
        self,
        num_points: int,
        total_steps: int,
        loss: str = "l1",
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        augment: str = "full",
        eye_corners: tuple[int, int] | None = None,
    ):
        super().__init__()
        for name, known in ((loss, LOSSES), (schedule, SCHEDULES), (augment, AUGMENTS)):
            check_name(name, known)
        layout = layout_of(num_points, eye_corners)
        self.num_points, self.total_steps = num_points, total_steps
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.schedule = SCHEDULES[schedule]
        self.loss = LOSSES[loss]()
        self.augment = AUGMENTS[augment](layout.mirror)
        self.metrics = landmark_metrics(layout.eye_corners, "val_")
        self.pose_net: PoseNet | None = None
        self._teacher: Teacher | None = None

    def set_model(self, model: nn.Module) -> None:
        super().set_model(model)
        if self.loss.needs_pose:
            self.pose_net = PoseNet(as_network(model).feature_channels)

    def learn_from(self, teacher: Teacher) -> None:
        """Make the network also learn from another network's points."""
        self._teacher = teacher

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def augmented(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Augment a training batch at random; ``inputs`` of the result is the network's input."""
        images, points, pose = batch["images"], batch["points"], batch["pose"]
        if self.augment:
            images, points, pose = self.augment(images, points, pose)
        return {"inputs": network_input(images), "points": points, "pose": pose}

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar, between an output (N, 2P) of the network and another network's."""
        shape = (len(output), self.num_points, 2)
        return self.loss(output.view(shape), target.view(shape))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch, which may already be augmented."""
        batch = batch if "inputs" in batch else self.augmented(batch)
        inputs, points = batch["inputs"], batch["points"]
        if self.pose_net is None:
            predicted = self.model(inputs)
            loss = self.loss(predicted.view_as(points), points)
        else:
            predicted, features = as_network(self.model).forward_features(inputs)
            loss = self.loss(predicted.view_as(points), points, self.pose_net(features), batch["pose"])
        if self._teacher:
            loss = self._teacher(loss, predicted.view_as(points), inputs)
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(inputs))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # validate in the precision in which the network is used
            predicted = self.model(network_input(batch["images"]))
        self.metrics.update(predicted.view_as(batch["points"]), batch["points"])

    def on_validation_epoch_end(self) -> None:
        for name, value in self.metrics.compute().items():
            self.log(name, value)
        self.metrics.reset()

    def make_schedule(self, optimizer: Optimizer) -> LRScheduler:
        """Create the learning-rate schedule of the whole training, at its first step."""
        return self.schedule(optimizer, self.learning_rate, self.total_steps)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.make_schedule(optimizer), "interval": "step"}}
