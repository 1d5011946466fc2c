"""``bench status``: what a results folder's cells are doing, wherever they run."""

from __future__ import annotations

from ..errors import SpecError
from .options import RESULTS, AsJson, Results


def status(results: Results = RESULTS, as_json: AsJson = False) -> None:
    """Show where all cells of a results folder are: queued, running and where, how far, or failed and why.

    Nothing is started, and nothing is held up. `bench grid NAME --watch` follows the cells of one grid.
    """
    from ..grid.found import found_cells
    from ..grid.schedule import Watched
    from ..grid.status import status_of
    from .following import lookout_of, print_status

    if not results.is_dir():
        raise SpecError(
            f"there is no folder {results}",
            needed="the results of bench run or bench grid",
            hint="--results DIR",
        )
    found, troubles = found_cells(results)
    cells = [Watched(cell) for cell in found]
    lookout = lookout_of(cells, results, troubles)
    print_status(status_of(None, results, cells, None, lookout.troubles), as_json=as_json)
