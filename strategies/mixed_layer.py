"""The searched layer of an FBNet supernet."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from .nni_bases import MixedLayer


class GumbelMixedLayer(MixedLayer):
    """Weight the candidates by one Gumbel-softmax sample per training step, and by the noise-free sample in eval mode.

    In eval mode, the most probable candidate alone would misrepresent the supernet: while the temperature is high, the
    BatchNorm statistics after the layer are those of mixtures (a network with an error of 5 % then shows 1,000 %). Weights at
    temperature 1 would also misrepresent it, since they are far from those of the training steps.

    NNI's layer draws new noise for every request for weights, so that its latency term and its forward pass see different
    samples. Here, ``resample`` draws a sample and keeps it; layers with the same label share it.

    Source: Wu et al. 2019, FBNet, section 3.3; Jang et al. 2017, equation 2.
    """

    temperature = 1.0
    sample: Tensor | None = None
    tilt: Tensor | None = None
    """Latency offset that a latency target subtracts from the logits, (candidates,)."""

    @property
    def logits(self) -> Tensor:
        """Logits of the sampling distribution, float32 (candidates,)."""
        logits = self._arch_alpha.float()
        return logits if self.tilt is None else logits - self.tilt.to(logits)

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> Any:
        mixed: nn.Module | None = super().mutate(module, name, memo, mutate_kwargs)
        if mixed is not None:
            mixed.train(module.training)
        return mixed

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        new = {}
        if self.label not in memo:
            new = {self.label: self.draw()}
        self.sample = {**memo, **new}[self.label]
        return new

    def draw(self) -> Tensor:
        """Draw a sample: weights (candidates,) that sum to one."""
        return functional.gumbel_softmax(self.logits, tau=self.temperature)

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Return label -> candidate -> probability, without noise."""
        if self.label in memo:
            return {}
        return {self.label: dict(zip(self.names, self.logits.detach().softmax(-1).tolist(), strict=True))}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        weights = self.sample if self.training else (self.logits / self.temperature).softmax(-1)
        if weights is None:
            raise RuntimeError(f"layer {self.label!r} has no sample; call the supernet's resample() before its forward pass")
        return self._reduction([self[name](*args, **kwargs) for name in self.names], weights)
