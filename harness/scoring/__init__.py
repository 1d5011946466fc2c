"""Feature spaces and metrics, registered lazily."""

from harness import Register, hookimpl

_INCEPTION = "harness.scoring.spaces.inception:Inception"
_RADIMAGENET = "harness.scoring.spaces.radimagenet:RadImageNet"
_FRECHET = "harness.scoring.metrics.frechet:Frechet"
_KERNEL = "harness.scoring.metrics.kernel:KernelDistance"
_MANIFOLD = "harness.scoring.metrics.manifold:Manifold"
_VIT = "harness.scoring.spaces.vit:VisionTransformer"
_MEMBERSHIP = "harness.scoring.metrics.membership:MembershipAUC"
_STANDARDISED = "harness.scoring.metrics.standardised:Standardised"


@hookimpl
def bench_features(register: Register) -> None:
    """Register the built-in feature spaces."""
    register("inception", _INCEPTION, summary="2048 pooled Inception features, clean-fid's resize")
    register(
        "inception-tf",
        _INCEPTION,
        summary="the same with torch-fidelity's resize, for numbers that were published with it",
        resize="tensorflow",
    )
    register(
        "inception-random",
        _INCEPTION,
        summary="the same network with seeded random weights: nothing to download, never called FID",
        trained=False,
    )
    register("radimagenet", _RADIMAGENET, summary="2048 pooled ResNet50 features learnt on radiology")
    register(
        "dinov2",
        _VIT,
        summary="1024 features of DINOv2's ViT-L/14; needs timm and weights",
        architecture="dinov2",
    )
    register(
        "rad-dino",
        _VIT,
        summary="768 features of a ViT-B/14 learnt on chest X-rays; needs timm and weights",
        architecture="rad-dino",
    )
    register(
        "radiodino",
        _VIT,
        summary="384 features of a ViT-S/16 learnt on RadImageNet; needs timm and weights",
        architecture="radiodino",
    )
    register(
        "radiomics",
        "harness.scoring.spaces.radiomics.space:Radiomics",
        summary="394 features of intensity and texture, as pyradiomics; needs no weights",
    )


@hookimpl
def bench_metrics(register: Register) -> None:
    """Register the built-in metrics."""
    register("fid", _FRECHET, summary="Fréchet Inception distance, clean-fid", space="inception", score="fid")
    register("kid", _KERNEL, summary="kernel Inception distance, unbiased", space="inception", score="kid")
    register(
        "manifold",
        _MANIFOLD,
        summary="precision, recall, density, coverage, copy_excess",
        space="inception",
    )
    register(
        "mia_auc",
        _MEMBERSHIP,
        summary="whether samples tell who was trained on; needs held-out patients",
        space="inception",
        score="mia_auc",
    )
    # Elsewhere than in the verified Inception space, a score's name carries its space.
    for space, suffix, summary in (
        ("inception-tf", "tf", "with torch-fidelity's resize"),
        ("inception-random", "random", "in a random network; needs no weights"),
        ("radimagenet", "radimagenet", "in radiology features"),
        ("dinov2", "dinov2", "in DINOv2 features"),
        ("rad-dino", "rad_dino", "in chest X-ray features"),
        ("radiodino", "radiodino", "in features of RadioDINO"),
    ):
        distance = f"fid_{suffix}" if space == "inception-tf" else f"fd_{suffix}"
        register(distance, _FRECHET, summary=f"Fréchet distance {summary}", space=space, score=distance)
        register(
            f"kid_{suffix}", _KERNEL, summary=f"kernel distance {summary}", space=space, score=f"kid_{suffix}"
        )
        register(
            f"manifold_{suffix}",
            _MANIFOLD,
            summary=f"precision ... copy_excess {summary}",
            space=space,
            suffix=f"_{suffix}",
        )
        register(
            f"mia_auc_{suffix}",
            _MEMBERSHIP,
            summary=f"membership attack {summary}",
            space=space,
            score=f"mia_auc_{suffix}",
        )
    # Radiomic features have units, so each counts by how far it is from what real images have.
    register(
        "frd",
        "harness.scoring.metrics.log_frechet:LogFrechet",
        summary="Fréchet radiomics distance, as frd-score; needs no weights",
        space="radiomics",
        score="frd",
    )
    register(
        "kid_radiomics",
        f"{_STANDARDISED}Kernel",
        summary="kernel distance in standardised radiomic features; needs no weights",
        space="radiomics",
        score="kid_radiomics",
    )
    register(
        "manifold_radiomics",
        f"{_STANDARDISED}Manifold",
        summary="precision ... copy_excess in standardised radiomic features; needs no weights",
        space="radiomics",
        suffix="_radiomics",
    )
    register(
        "mia_auc_radiomics",
        f"{_STANDARDISED}MembershipAUC",
        summary="membership attack in standardised radiomic features; needs no weights",
        space="radiomics",
        score="mia_auc_radiomics",
    )
    register(
        "swd",
        "harness.scoring.metrics.patches:SlicedWasserstein",
        summary="sliced Wasserstein distance of Laplacian-pyramid patches; needs no weights",
    )
    register(
        "ms_ssim",
        "harness.scoring.metrics.structure:PairwiseMSSSIM",
        summary="diversity: mean MS-SSIM between samples against that of real images; needs no weights",
    )
    for score, name, summary in (
        ("utility", "Utility", "what a segmentation network learns from labelled samples; needs no weights"),
        ("utility_gain", "UtilityGain", "what labelled samples add to real images; needs no weights"),
    ):
        register(score, f"harness.scoring.metrics.utility:{name}", summary=summary)
    for score, summary in (
        ("psnr", "peak signal-to-noise ratio of translations, whole and inside regions"),
        ("ssim", "structural similarity of translations, whole and inside regions"),
        ("mae", "mean absolute error of translations, whole and inside regions"),
    ):
        register(score, "harness.scoring.metrics.paired:PairedScore", summary=summary, score=score)
