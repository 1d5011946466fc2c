"""HAGAN's options, and the published ablation as sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.api import setting

from ..settings import Augmentations, around
from ..synthesis import SynthesisConfig
from .discriminator import PixelBranch
from .reverse_skip import SamplingSource

Shown = Literal["plain", "augmented"]


class HAGANConfig(SynthesisConfig):
    """Options of HAGAN."""

    augment: Augmentations = setting(
        ("diffaugment",),
        "flip and shift change real images alone, diffaugment both real and generated ones; or none",
        source="published: DiffAugment, and no plain augmentation of real images",
    )

    attention: bool = setting(
        True, "self-attention on the generator's 16 x 16 and 32 x 32 maps", source="published: as SAGAN"
    )

    attnmix: bool = setting(True, "train on mixed images, with the consistency of Eq. 5", source="published")
    alpha: float = setting(
        0.5,
        "weight of area ratio and attention ratio in a mixed image's label (Eq. 4)",
        source="inferred: the label then stays in [0, 1]",
        gt=0,
        le=0.5,
    )
    mixing: Shown = setting(
        "plain",
        "what is mixed, and held to Eq. 5: plain images, or those that DiffAugment made of them",
        source="inferred: Eq. 1 to 5 name x and G(z), the list of what D is shown T(x) and T(G(z))",
    )
    feature_consistency: bool = setting(
        True,
        "hold the trunk's maps of mixed images to the mixture of maps",
        source="inferred: published is a contrast loss between maps, without its form",
    )
    beta_consistency: float = setting(
        1.0,
        "weight of the consistency losses (beta_2 of Eq. 7)",
        source="inferred: not published",
        tune=around(1.0),
        ge=0,
    )

    pixel_branch: PixelBranch = setting(
        "lateral",
        "how pixels are judged: from the trunk's first three maps, by a path of its own on the image, or not",
        source="inferred: the one reading that keeps the published operation count",
    )
    beta_pixel: float = setting(
        1.0,
        "weight of the discriminator's pixel loss (beta_1 of Eq. 7)",
        source="inferred: not published",
        tune=around(1.0),
        ge=0,
    )
    beta_pixel_generator: float = setting(
        1.0,
        "weight of the generator's pixel loss (beta of Eq. 8)",
        source="inferred: not published",
        tune=around(1.0),
        ge=0,
    )

    reverse_skip: bool = setting(
        True, "add the discriminator's maps of real images to the generator's maps", source="published"
    )
    reverse_skip_sampling: SamplingSource = setting(
        "mean",
        "what sampling adds: running means of the maps, nothing, or maps of training images: a leak",
        source="ours: the published text does not say",
    )
    reverse_skip_drop: float = setting(
        0.5,
        "probability that a training image receives what sampling adds, in place of maps of a real image",
        source="ours: so that the path used for sampling is trained",
        ge=0,
        le=1,
    )

    staged_training: bool = setting(
        True, "begin without DiffAugment and mixing", source="published: conventional training first"
    )
    warmup_epochs: int = setting(
        100, "length of the first stage", unit="epochs", source="published: n = 100 for all data sets", ge=0
    )


#: Table IV: each row adds to the one before; the last is the default.
ABLATION: Mapping[str, Mapping[str, Any]] = {
    "Base Model": {
        "attention": False,
        "augment": (),
        "attnmix": False,
        "feature_consistency": False,
        "reverse_skip": False,
        "pixel_branch": "none",
        "staged_training": False,
    },
    "+ AttnMix Generator": {
        "feature_consistency": False,
        "reverse_skip": False,
        "pixel_branch": "none",
        "staged_training": False,
    },
    "+ Reverse Skip Connection": {
        "feature_consistency": False,
        "pixel_branch": "none",
        "staged_training": False,
    },
    "+ Hierarchical Discriminator": {"staged_training": False},
    "+ Training Strategy": {},
}
