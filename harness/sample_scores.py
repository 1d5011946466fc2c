"""Scores of samples that come batch by batch, in somebody else's training: ``update`` and ``compute``.

``import harness`` makes it available as ``harness.SampleScores``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ScoreError, SpecError
from .library import scoring_place
from .running.foreign import Opened
from .running.foreign_request import DEFAULT_METRICS, ForeignRequest
from .scoring.generated import load_images
from .scoring.stored import check_images

if TYPE_CHECKING:
    import torch


class SampleScores:
    """Scores of samples under the protocol of ``bench score``, in the manner of torchmetrics.

    In a training loop::

        scores = harness.SampleScores(dataset="phantom", resolution=64, metrics=("frd", "swd"))
        for epoch in range(100):
            train_one_epoch(generator)
            for latents in batches:
                scores.update(generator(latents).add(1).mul(127.5).round().clamp(0, 255).byte())
            print(scores.compute())
            scores.reset()

    Real images are prepared and checked when it is made, weights too, so what is missing is said before
    anybody trains; whatever is of real images is computed once. Samples are kept as uint8 on the processor
    until ``reset``. It scores what this process was given: gather samples of several processes first.

    Args:
        real: Real images, as for ``harness.score``; or leave it out and name a ``dataset``.
        dataset: Name of a registered data set.
        resolution: Side of the images; needed with ``dataset``.
        data_root: Folder of its raw files.
        settings: Its options by name.
        metrics: Scores by name; those of Inception features need its weights.
        held_out: Keep the data set's test patients apart, and score against them too.
        cache: Folder of prepared images and features; None for this user's.
        weights: Files or folders of weights of feature networks.
        offline: Never download weights.
        device: Where feature networks run.
        skip_bad: Leave damaged raw files out, and say so.

    Raises:
        BenchError: Anything that the caller can put right; the message says how.
    """

    def __init__(
        self,
        real: NDArray[np.uint8] | str | Path | None = None,
        *,
        dataset: str | None = None,
        resolution: int | None = None,
        data_root: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        metrics: Sequence[str] = DEFAULT_METRICS,
        held_out: bool = False,
        cache: str | Path | None = None,
        weights: Sequence[str | Path] = (),
        offline: bool = False,
        device: str = "auto",
        skip_bad: bool = False,
    ) -> None:
        images = load_images(Path(real)) if isinstance(real, str | Path) else real
        if images is not None:
            check_images(images)
        side = resolution if images is None else images.shape[2]
        if side is None:
            raise SpecError("no resolution", needed="the side of the images", hint="resolution=64")
        request = ForeignRequest(
            reference=images,
            dataset=dataset,
            data_root=None if data_root is None else Path(data_root),
            settings=dict(settings or {}),
            metrics=tuple(metrics),
            held_out=held_out,
            skip_bad=skip_bad,
        )
        self._opened = Opened.by(request, side, scoring_place(device, cache, weights, offline))
        self._samples: list[NDArray[np.uint8]] = []

    def update(self, images: NDArray[np.uint8] | torch.Tensor) -> None:
        """Add samples: uint8 (N, C, H, W), an array or a tensor on any device.

        Raises:
            ScoreError: They are something else. Floats above all: how they become grey levels is part of
                what is scored, and yours to say.
        """
        values = images if isinstance(images, np.ndarray) else images.detach().cpu().numpy()
        check_images(values)
        self._samples.append(np.array(values))  # a copy: the caller may fill the same array again

    def compute(self) -> dict[str, float]:
        """The scores of all samples since the last ``reset``.

        Raises:
            ScoreError: Too few of them, or of another size than the real images.
        """
        return self._opened.scorer.score(self._together())

    def report(self) -> dict[str, Any]:
        """All that ``harness.score`` returns for these samples; takes longer than ``compute``.

        Raises:
            ScoreError: As ``compute``.
        """
        return self._opened.scores(self._together()).as_dict()

    def reset(self) -> None:
        """Forget the samples."""
        self._samples.clear()

    def _together(self) -> NDArray[np.uint8]:
        if not self._samples:
            raise ScoreError("no samples", needed="at least one update with images")
        kinds = {samples.shape[1:] for samples in self._samples}
        if len(kinds) > 1:
            raise ScoreError(f"samples of shapes {sorted(kinds)}", needed="one shape of all images")
        return np.concatenate(self._samples)
