"""The built-in image sets, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_datasets(register: Register) -> None:
    """Register the built-in data sets."""
    register("phantom", "harness_datasets.phantom:Phantom", summary="procedural thorax slices; needs no data")
    register("covid-ct", "harness_datasets.covid_ct:CovidCT", summary="397 chest CT images without COVID")
    register("acdc", "harness_datasets.acdc:ACDC", summary="cardiac MRI of 100 patients, ED and ES slices")
    register("brats2018", "harness_datasets.brats2018:Brats2018", summary="brain MRI of 285 glioma cases")
    register("folder", "harness_datasets.folder:Folder", summary="your own folder of images or volumes")
