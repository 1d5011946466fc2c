"""Feature spaces and metrics, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_features(register: Register) -> None:
    """Register the built-in feature spaces."""
    inception = "harness.scoring.inception:Inception"
    register("inception", inception, summary="2048 pooled Inception features, clean-fid's resize")
    register(
        "inception-random",
        inception,
        summary="the same network with seeded random weights: nothing to download, never called FID",
        trained=False,
    )


@hookimpl
def bench_metrics(register: Register) -> None:
    """Register the built-in metrics."""
    frechet = "harness.scoring.frechet:Frechet"
    register(
        "fid",
        frechet,
        summary="Fréchet Inception distance, clean-fid protocol",
        space="inception",
        score="fid",
    )
    register(
        "fd_random",
        frechet,
        summary="Fréchet distance in a random Inception network; needs no weights",
        space="inception-random",
        score="fd_random",
    )
    register(
        "swd",
        "harness.scoring.patches:SlicedWasserstein",
        summary="sliced Wasserstein distance of Laplacian-pyramid patches; needs no weights",
    )
    register(
        "ms_ssim",
        "harness.scoring.structure:PairwiseMSSSIM",
        summary="mean MS-SSIM between samples, beside that of real images: diversity; needs no weights",
    )
