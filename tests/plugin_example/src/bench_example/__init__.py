"""Announces what this distribution brings. Nothing heavy is imported before somebody asks for it."""

from harness import Register, hookimpl


@hookimpl
def bench_models(register: Register) -> None:
    register("linear-gan", "bench_example.model:LinearGAN", summary="one linear layer against another")
    register(
        "one-convolution",
        "bench_example.translator:ConvolutionTranslator",
        summary="translates by one convolution",
    )


@hookimpl
def bench_datasets(register: Register) -> None:
    register("discs", "bench_example.dataset:Discs", summary="bright discs at random places")


@hookimpl
def bench_metrics(register: Register) -> None:
    register("brightness", "bench_example.metric:Brightness", summary="difference of mean grey levels")
