"""The built-in image sets, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_datasets(register: Register) -> None:
    """Register the built-in data sets."""
    register("phantom", "harness_datasets.phantom:Phantom", summary="procedural thorax slices; needs no data")
    register(
        "covid-ct", "harness_datasets.covid_ct:CovidCT", summary="397 non-COVID chest CT images of COVID-CT"
    )
