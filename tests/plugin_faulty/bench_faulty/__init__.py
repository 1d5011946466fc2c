"""Plugins that go wrong on request, for tests of what the core makes of it."""

from harness import Register, hookimpl


@hookimpl
def bench_models(register: Register) -> None:
    register("faulty", "bench_faulty.model:Faulty", summary="goes wrong on request")
