"""The built-in generative models, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_models(register: Register) -> None:
    """Register the built-in models."""
    register(
        "dcgan",
        "harness_models.dcgan:DCGAN",
        summary="convolutional GAN, the published baseline without attention",
    )
    register(
        "sagan",
        "harness_models.sagan:SAGAN",
        summary="DCGAN generator with two self-attention layers, hinge loss",
    )
    register(
        "hagan",
        "harness_models.hagan:HAGAN",
        summary="AttnMix, hierarchical discriminator, reverse skip connection",
    )
