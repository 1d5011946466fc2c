"""A data set without files: every slice is computed from its number."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.api import Dataset, PluginConfig, Slice, Split, setting


class DiscsConfig(PluginConfig):
    patients: int = setting(10, "how many patients", unit="patients", source="ours", ge=1)


class Discs(Dataset[DiscsConfig]):
    version = 1
    Config = DiscsConfig
    needs_root = False
    licence = "public domain"
    # A mirrored disc is a disc: a model may train on mirrored images without a word in its record.
    flips = ("left-right", "up-down")
    # What a pixel of label 1, 2, ... shows.
    label_names = ("inside",)
    # What pairs can be made of, and where their scores are also taken: unions of labels.
    modalities = ("disc", "ring")
    regions = {"inside": ("inside",)}

    def items(self) -> Sequence[str]:
        return [f"patient{number:03d}" for number in range(self.config.patients)]

    def read(self, item: str) -> Iterator[Slice]:
        number = int(item.removeprefix("patient"))
        rng = np.random.default_rng(number)
        y, x = np.mgrid[:32, :32]
        for index in range(4):
            centre = rng.uniform(8, 24, 2)
            distance, radius = np.hypot(y - centre[0], x - centre[1]), rng.uniform(4, 8)
            disc = distance < radius
            shown = {"disc": disc, "ring": disc & (distance > radius / 2)}
            # One patient has one split: otherwise a model is tested on people it has seen.
            split: Split = "test" if number % 5 == 0 else "train"
            source, target = self.pair or (None, "disc")
            yield Slice(
                shown[target].astype(np.float32),
                patient=item,
                source=item,
                index=index,
                split=split,
                counterpart=shown[source].astype(np.float32) if source else None,
                labels=disc.astype(np.uint8),
            )

    def fingerprint(self) -> str:
        return f"{self.config.patients:064x}"
