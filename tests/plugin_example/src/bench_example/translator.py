"""The smallest model that translates one modality into another: one convolution."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from harness.api import Batch, Clock, ImageShape, PluginConfig, Translator, setting


class TranslatorConfig(PluginConfig):
    lr: float = setting(0.01, "learning rate", source="ours", gt=0)
    kernel: int = setting(5, "side of the convolution", unit="pixels", source="ours", ge=1)


class ConvolutionTranslator(Translator[TranslatorConfig]):
    version = 1
    Config = TranslatorConfig
    ablation = {"a pixel": {"kernel": 1}, "+ its neighbours": {"kernel": 5}}
    # Source and target are moved alike, whatever is drawn.
    augmentations = ("flip", "shift")

    def __init__(self, shape: ImageShape, config: TranslatorConfig) -> None:
        super().__init__(shape, config)
        self.generator = nn.Conv2d(shape.channels, shape.channels, config.kernel, padding="same")
        self._optimizer = torch.optim.Adam(self.generator.parameters(), config.lr)

    def networks(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return {"generator": self._optimizer}

    def train_step(self, batch: Batch, clock: Clock) -> dict[str, Tensor]:
        assert batch.source is not None  # it is there in every paired task
        loss = (self.translate(batch.source) - batch.images).abs().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return {"l1": loss.detach()}

    def translate(self, source: Tensor) -> Tensor:
        images: Tensor = self.generator(source)
        return images.clamp(-1, 1)

    def explain(self, batch: Batch) -> Mapping[str, Tensor]:
        # Maps are of any scale from 0 on; pictures are in [-1, 1].
        assert batch.source is not None
        return {"change": (self.translate(batch.source) - batch.source).abs().mean(1, keepdim=True)}
