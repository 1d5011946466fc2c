"""Ways to run the cells of a grid, registered lazily."""

from harness import Register, hookimpl


@hookimpl
def bench_executors(register: Register) -> None:
    """Register the built-in executors."""
    register("local", "harness.grid.executors.local:Local", summary="processes on this machine")
    register(
        "kubernetes",
        "harness.grid.executors.kubernetes.executor:Kubernetes",
        summary="Indexed Jobs of Kubernetes, written as files or applied",
    )
    register("ray", "harness.grid.executors.ray.executor:Ray", summary="tasks of Ray, on a cluster or here")
    register("slurm", "harness.grid.executors.slurm.executor:Slurm", summary="jobs of a SLURM cluster")
