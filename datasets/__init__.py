"""The built-in image sets, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_datasets(register: Register) -> None:
    """Register the built-in data sets."""
    register("phantom", "harness_datasets.phantom:Phantom", summary="procedural thorax slices; needs no data")
    register("covid-ct", "harness_datasets.covid_ct:CovidCT", summary="397 chest CT images without COVID")
    register("acdc", "harness_datasets.acdc:ACDC", summary="cardiac MRI of 150 patients, ED and ES slices")
    register("brats2018", "harness_datasets.brats:Brats2018", summary="brain MRI of 285 glioma cases")
    register("brats2020", "harness_datasets.brats:Brats2020", summary="brain MRI of 369 glioma cases")
    register("brats2021", "harness_datasets.brats:Brats2021", summary="brain MRI of 1251 glioma cases")
    register(
        "brats2023", "harness_datasets.brats:Brats2023", summary="brain MRI of 1251 glioma cases, GLI task"
    )
    register(
        "msd-brain", "harness_datasets.msd_brain:MSDBrain", summary="brain MRI of 484 glioma cases, 4D files"
    )
    register(
        "medmnist", "harness_datasets.medmnist:MedMNIST", summary="small pictures of twelve kinds, .npz files"
    )
    register("folder", "harness_datasets.folder:Folder", summary="your own folder of images or volumes")
