"""The built-in generative models, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_models(register: Register) -> None:
    """Register the built-in models."""
    register("dcgan", "harness_models.dcgan:DCGAN", summary="convolutional GAN, SAGAN without attention")
    register("sagan", "harness_models.sagan:SAGAN", summary="two self-attention layers in G, hinge loss")
    register("hagan", "harness_models.hagan:HAGAN", summary="AttnMix, pixel branch, reverse skip connection")
    register(
        "infogan", "harness_models.infogan:InfoGAN", summary="DCGAN pair with latent codes read back by D"
    )
    register("wgan", "harness_models.wgan:WGAN", summary="Wasserstein critic, MLP at 64 px")
    register("unetgan", "harness_models.unetgan:UNetGAN", summary="U-Net discriminator, CutMix consistency")
    register("fastgan", "harness_models.fastgan:FastGAN", summary="for a hundred images: D draws them again")
    register(
        "stylegan2-ada",
        "harness_models.stylegan2_ada:StyleGAN2ADA",
        summary="styles, lazy regularisers, adaptive augmentation",
    )
    register(
        "r3gan", "harness_models.r3gan:R3GAN", summary="relativistic pairing, R1 and R2, no normalisation"
    )
    register("ddpm", "harness_models.ddpm:DDPM", summary="denoising diffusion, U-Net of 36M parameters")
    register(
        "edm", "harness_models.edm:EDM", summary="diffusion by levels of noise, 18 steps, 63M parameters"
    )
    register("flow", "harness_models.flow:Flow", summary="rectified flow: straight paths, edm's network")
    register("ldm", "harness_models.ldm:LDM", summary="latent diffusion: a KL autoencoder first, then noise")
    register("duald", "harness_models.duald:DualD", summary="translator: global and local D, attention")
    register("pix2pix", "harness_models.pix2pix:Pix2Pix", summary="translator: conditional PatchGAN and L1")
    register("unet-l1", "harness_models.unet_l1:UNetL1", summary="translator: residual U-Net with L1")
    register("palette", "harness_models.palette:Palette", summary="translator: edm that sees the source")
    register("bbdm", "harness_models.bbdm:BBDM", summary="translator: Brownian bridge from the source")
