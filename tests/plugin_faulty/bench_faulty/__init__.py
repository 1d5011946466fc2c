"""Plugins that go wrong on request, for tests of what the core makes of it."""

from harness import Register, hookimpl


@hookimpl
def bench_models(register: Register) -> None:
    register("faulty", "bench_faulty.model:Faulty", summary="goes wrong on request")
    register("deaf", "bench_faulty.deaf:Deaf", summary="one channel, values from 0 to 9, whatever the seed")
    register("planted", "bench_faulty.planted:Planted", summary="makes images of known merit")
