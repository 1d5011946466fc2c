"""``bench sample``: images from a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import SpecError
from ..files import is_partial, read_json, typed, write_json
from ..limits import IMAGES, SEEDS
from .options import (
    RESULTS,
    CacheOption,
    Device,
    Results,
    Roots,
    cache_folder,
    registry,
    roots_of,
    runs_to_type,
    tell,
)


def sample(
    run: Annotated[
        str,
        typer.Argument(help="A run: its folder, its name, or the start of it.", autocompletion=runs_to_type),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the images: a new one, or one that holds samples of the same networks."
        ),
    ],
    count: Annotated[int, typer.Option(min=1, max=IMAGES, help="Number of images.")] = 64,
    first_seed: Annotated[
        int,
        typer.Option(min=0, max=SEEDS - 1, help="Seed of the first image; the others follow."),
    ] = 0,
    which: Annotated[
        Literal["best", "last"],
        typer.Option(help="Networks to use: those that scored best, or the last ones."),
    ] = "best",
    form: Annotated[
        Literal["png", "npy"], typer.Option("--format", help="PNG files, or one uint8 array.")
    ] = "png",
    data_root: Roots = None,
    results: Results = RESULTS,
    cache: CacheOption = None,
    device: Device = "auto",
) -> None:
    """Make images with the networks of a run; the same seed is always the same image.

    A translator makes them of held-out slices, evenly spaced, for which it needs the raw files. Label maps
    go into a folder beside OUT, OUT-labels, where a run makes some: 0 for nothing, k for the k-th label.
    """
    import numpy as np

    from ..cell.records import Store
    from ..data.pictures import save_png
    from ..files import atomic_write
    from ..running.environment import pick_device
    from ..running.images import CellImages
    from ..running.model import load_model
    from ..tasks import task_of

    if first_seed + count > SEEDS:
        raise SpecError(f"{count} images from seed {first_seed} on", needed=f"seeds below {SEEDS}")
    registry()
    folder = Store(results).find(run)
    spec = folder.read_spec()
    model = load_model(folder, pick_device(device), which)
    opened = CellImages(roots_of(data_root), cache_folder(cache), tell)
    task = task_of(type(model), labels=spec.protocol.labels)
    images, _, labels = task.draw(model, count, first_seed, lambda: opened(spec))
    _claim(out, {"run": spec.folder_name, "which": which})
    # Labels apart: whoever scores the folder must not take them for images.
    for place, stack in ((out, images), (out.with_name(f"{out.name}-labels"), labels)):
        if stack is None:
            continue
        if form == "npy":
            with atomic_write(place / "samples.npy") as file:
                np.save(file, stack)
        else:
            for number, image in enumerate(stack):
                save_png(place / f"{first_seed + number:06d}.png", image)
        print(f"{len(stack)} images of {stack.shape[2]} px in {place}")


def _claim(out: Path, origin: dict[str, str]) -> None:
    """Mark a folder as that of one run's samples: those of two in one folder would be scored as one."""
    mark = out / "samples.json"
    try:
        found = read_json(mark)
        whose = f"samples of {found['run']}, {found['which']}"
    except (OSError, ValueError, LookupError, TypeError):
        found, whose = None, "something else"
    # What a kill left of the mark itself is nobody's.
    if found != origin and out.exists() and not (out.is_dir() and all(map(is_partial, out.iterdir()))):
        raise SpecError(f"{out} holds {whose}", needed="a new folder", hint=typed("--out", f"{out}-2"))
    write_json(mark, origin)
