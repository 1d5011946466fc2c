"""A plugin for child processes: the example's and the faulty one, and a model that can be slow or hungry."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parents[1]

TOY = '''
"""A model with an ablation, that can be slow or hungry on request."""
import resource, time
from bench_faulty.model import Config as FaultyConfig, Faulty
from harness.api import setting

class Config(FaultyConfig):
    pause: float = setting(0.0, "seconds a step", source="ours")
    hungry: bool = setting(False, "eat all memory", source="ours")
    mixing: bool = setting(True, "a switch", source="ours")

class Toy(Faulty):
    Config = Config
    ablation = {"Base": {"mixing": False}, "+ Mixing": {"mixing": True}}

    def train_step(self, batch, clock):
        time.sleep(self.config.pause)
        if self.config.hungry:
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
            self.eaten = [bytearray(2**24) for _ in range(2**10)]
        return super().train_step(batch, clock)
'''

ENTRY = """
from harness import hookimpl

@hookimpl
def bench_models(register):
    register("toy", "bench_toy_model:Toy")
"""

GRID = """
models = ["toy"]
datasets = ["discs"]
resolutions = [16]
seeds = [0, 1, 2]
[settings]
epochs = 4
evaluate_every = 2
batch_size = 8
metrics = "brightness"
"""


def install(folder: Path) -> str:
    """A path on which child processes find the three plugins, with entry points that lie in ``folder``."""
    (folder / "bench_toy_model.py").write_text(TOY)
    (folder / "bench_toy.py").write_text(ENTRY)
    for name in ("bench_example", "bench_faulty", "bench_toy"):
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[harness]\n{name} = {name}\n")
    return os.pathsep.join(map(str, (folder, TESTS / "plugin_example" / "src", TESTS / "plugin_faulty")))
