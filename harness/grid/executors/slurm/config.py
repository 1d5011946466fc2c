"""What a cell needs of SLURM."""

from __future__ import annotations

from pydantic import ConfigDict

from ....api.settings import PluginConfig, setting


class SlurmConfig(PluginConfig):
    """Settings of jobs; cells of equal settings are submitted together, as one array."""

    # A time of 60 or a memory of 4000 are numbers for whoever writes them.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    partition: str | None = setting(None, "partition; null for the site's default", source="ours")
    account: str | None = setting(None, "account that pays; null for your default", source="ours")
    qos: str | None = setting(None, "quality of service; null for your default", source="ours")
    constraint: str | None = setting(None, "features that a node must have, such as a100", source="ours")
    time: str | None = setting(
        None,
        "time limit, such as 24:00:00; a longer training goes on in further jobs. null: the partition's",
        source="ours",
    )
    gpus: int = setting(1, "GPUs for each cell; 0 computes on processors", source="ours", ge=0, le=1)
    gpu_type: str | None = setting(None, "type of the GPU, as sinfo -o %G names it", source="ours")
    cores: int = setting(4, "processor cores for each cell", source="ours", ge=1)
    memory: str | None = setting(
        None, "memory for each cell, such as 16G; null: the partition's", source="ours"
    )
    lead: int = setting(
        60,
        "so long before its time limit a cell is asked to save; 1.5 times the longest evaluation that was "
        "seen, if that is longer",
        unit="s",
        source="ours: SLURM is up to 60 s early, never late",
        ge=1,
    )
    queued: int | None = setting(
        None, "cells in the queue at a time; null: all, as far as the site allows", source="ours", ge=1
    )
    setup: str = setting("", "shell commands before each cell, such as module load cuda", source="ours")
    options: tuple[str, ...] = setting((), 'further options of sbatch: ["--exclusive"]', source="ours")


def sbatch_options(config: SlurmConfig, *, longest: float | None) -> list[str]:
    """The options of sbatch that a config stands for.

    Args:
        config: The settings.
        longest: Seconds for which a cell may not notice that it is asked to end; None where nobody knows.
    """
    lead = max(config.lead, round(1.5 * (longest or 0.0)))
    if (limit := seconds_of(config.time)) is not None:
        lead = min(lead, limit // 2)  # or the signal would come before the cell began
    gpu = f"gpu:{config.gpu_type}" if config.gpu_type else "gpu"
    values = {
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "constraint": config.constraint,
        "time": config.time,
        "gres": f"{gpu}:{config.gpus}" if config.gpus else None,
        "cpus-per-task": config.cores,
        "mem": config.memory,
        # To the script alone: it passes the signal on, and outlives it to queue the cell again.
        "signal": f"B:USR1@{lead}",
    }
    return [*(f"--{name}={value}" for name, value in values.items() if value is not None), *config.options]


def seconds_of(time: str | None) -> int | None:
    """A time limit in seconds; None for none, and for what only SLURM understands.

    SLURM reads minutes, minutes:seconds, hours:minutes:seconds, days-hours and days-hours:minutes:seconds.
    """
    if time is None:
        return None
    days, dash, rest = time.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        whole = int(days) if dash else 0
    except ValueError:
        return None
    if dash:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    return ((whole * 24 + hours) * 60 + minutes) * 60 + seconds
