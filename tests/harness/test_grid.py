"""Grid files, their cells, and where each cell stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bench_example.model import LinearGAN
from bench_example.model import LinearGANConfig as LinearConfig
from pydantic import ValidationError

from harness import Register, hookimpl
from harness.api import BUSY, Synthesizer, setting
from harness.cell.spec import RunRequest
from harness.cli.cell import cell as compute
from harness.errors import BusyError, Interrupted, SpecError, WeightsError
from harness.grid.definition import Grid, load_grid, shipped
from harness.grid.jobs import pack, unpack
from harness.grid.plan import make_plan
from harness.grid.planned import GridOptions, Plan
from harness.plugins import Registry
from harness.running.cell import Outcome
from harness.running.place import Settings
from harness.running.resolve import resolve

RunTiny = Callable[..., Outcome]
TINY = {"epochs": 4, "evaluate_every": 2, "batch_size": 8, "metrics": "brightness"}


class SwitchesConfig(LinearConfig):
    mixing: bool = setting(True, "a switch", source="ours")
    staged: bool = setting(True, "another", source="ours")


class Switches(LinearGAN):
    """A model with an ablation of two rows."""

    Config = SwitchesConfig
    ablation: ClassVar = {"Base": {"mixing": False, "staged": False}, "+ Mixing": {"staged": False}}


class Plugin:
    @hookimpl
    def bench_models(self, register: Register) -> None:
        register("switches", f"{__name__}:Switches")


def grid_file(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


SMALL = """
models = ["linear-gan", "faulty"]
datasets = "discs"
resolutions = [16]
seeds = [0, 1]
[settings]
epochs = 4
evaluate_every = 2
batch_size = 8
metrics = "brightness"
"""


def plan(grid: Grid, tmp_path: Path, **options: Any) -> Plan:
    return make_plan(grid, GridOptions(**options), tmp_path / "results", tmp_path / "cache", check=False)


def synthesizers() -> set[str]:
    registry = Registry()
    names = [entry.name for entry in registry.entries("models")]
    return {name for name in names if issubclass(registry.load("models", name), Synthesizer)}


@pytest.mark.parametrize("name", ["modern", "modern-256"])
def test_modern_grids_have_every_synthesizer_and_augment_all_alike(name: str) -> None:
    grid = load_grid(name)
    assert set(grid.models) == synthesizers()
    for point in grid.points():
        augment = next(way for way in ("pipeline", "diffaugment", "none") if takes(point.model, way))
        assert grid.settings_of(point)["augment"] == augment, point


def takes(model: str, augment: str) -> bool:
    config = Registry().load("models", model).Config
    # Every adversarial model could take the pipeline; those that name it were published with it.
    if augment == "pipeline":
        return augment in config().augment
    try:
        config(augment=augment)
    except ValidationError:
        return False
    return True


def test_the_shipped_grids_are_the_published_tables_and_the_translators() -> None:
    sizes = {name: len(list(load_grid(name).narrowed(seeds=(0,)).points())) for name in shipped()}
    parity = {"table2-parity": 7 * 3, "table3-parity": 7 * 2}
    everything = len(synthesizers())
    modern = {"modern": everything * 3, "modern-256": everything * 2}
    assert sizes == {"table2": 7 * 3, "table3": 7 * 2, **parity, **modern, "table4": 1, "paired": 3}
    assert load_grid("table3").resolutions == (256,)
    assert load_grid("table4").ablation


def test_every_shipped_cell_resolves_over_phantom(tmp_path: Path) -> None:
    for name, cells in (
        ("table2", 7),
        ("table3", 7),
        ("table2-parity", 7),
        ("table3-parity", 7),
        ("modern", len(synthesizers())),
        ("modern-256", len(synthesizers())),
        ("table4", 5),
        ("paired", 3),
    ):
        grid = load_grid(name).narrowed(datasets=("phantom",), seeds=(0,))
        found = plan(grid, tmp_path, presets=("smoke",)).cells
        assert len(found) == cells
        assert {cell.standing for cell in found} == {"new"}
        assert {cell.epochs for cell in found} == {4}


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_parity_differs_from_the_published_reading_in_augmentation_alone(name: str) -> None:
    published, parity = load_grid(name), load_grid(f"{name}-parity")
    assert list(published.points()) == list(parity.points())
    for point in published.points():
        settings = parity.settings_of(point)
        augment = settings.pop("augment")
        assert settings == published.settings_of(point)
        assert augment == ("none" if point.model == "ddpm" else "diffaugment")
    assert parity.table.published == "", "the published numbers are of another protocol"


def test_cells_come_seed_by_seed_with_their_settings(tmp_path: Path, registry: Registry) -> None:
    grid = load_grid(
        grid_file(tmp_path, SMALL + '[[overrides]]\nmodel = "faulty"\nsettings = { epochs = 6 }\n')
    )
    cells = plan(grid, tmp_path).cells
    assert [(cell.model, cell.seed) for cell in cells] == [
        ("linear-gan", 0), ("faulty", 0), ("linear-gan", 1), ("faulty", 1),
    ]  # fmt: skip
    assert [cell.epochs for cell in cells] == [4, 6, 4, 6]


def test_what_the_user_types_wins_over_the_file(tmp_path: Path, registry: Registry) -> None:
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("linear-gan",), seeds=(7,))
    (cell,) = plan(grid, tmp_path, presets=("smoke",), settings={"metrics": "brightness"}).cells
    request, results, cache, *_ = unpack(cell.arguments[1])
    assert cell.seed == 7
    assert request.settings["limit"] == 64
    assert request.settings["metrics"] == "brightness"
    assert (results, cache) == (tmp_path / "results", tmp_path / "cache")


def test_a_request_survives_being_text(tmp_path: Path) -> None:
    request = RunRequest("a", "b", 64, 3, {"lr": 1e-3, "betas": [0.5, 0.9]}, ("smoke",), tmp_path)
    assert unpack(pack(request, tmp_path, tmp_path)[1])[0] == request


def test_weights_and_skipping_reach_every_cell(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = load_grid(grid_file(tmp_path, SMALL))
    given = []

    def run_cell(request: RunRequest, settings: Settings, expect: str | None) -> Outcome:
        given.append(settings)
        raise BusyError("looked at")

    monkeypatch.setattr("harness.running.cell.run_cell", run_cell)
    monkeypatch.setattr("harness.cli.cell.StopSignal", lambda raises: lambda: False)
    given_on_the_way = {"weights": (Path("mine.pth"),), "skip_bad": True, "device_memory": 10**9}
    for cell in plan(grid, tmp_path, **given_on_the_way).cells:
        with pytest.raises(SystemExit, match=str(BUSY)):
            compute(cell.arguments[1])
    assert len(given) == 4
    for settings in given:
        assert settings.weights is not None
        assert settings.weights.given == (tmp_path / "mine.pth",)
        assert settings.skip_bad
        assert settings.device_memory == 10**9


def test_ablation_rows_are_cells(tmp_path: Path, registry: Registry) -> None:
    registry.add(Plugin(), "test 1")
    grid = load_grid(grid_file(tmp_path, SMALL + "\n")).narrowed(
        models=("switches",), seeds=(0,), ablation=True
    )
    rows = plan(grid, tmp_path).cells
    assert [cell.row for cell in rows] == ["Base", "+ Mixing"]
    assert len({cell.name for cell in rows}) == 2
    assert "[Base]" in rows[0].label


def test_setting_what_an_ablation_row_sets_is_a_clash(tmp_path: Path, registry: Registry) -> None:
    registry.add(Plugin(), "test 1")
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("switches",), ablation=True)
    with pytest.raises(SpecError, match="staged is set for all cells, and by the ablation row"):
        plan(grid, tmp_path, settings={"staged": "true"})


def test_a_model_without_rows_has_no_ablation(tmp_path: Path, registry: Registry) -> None:
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(ablation=True)
    with pytest.raises(SpecError, match="linear-gan declares no ablation"):
        plan(grid, tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SMALL + "epoch = 3\n[table]\nscore = 1\n", "unknown key table.score"),
        ("model = 'a'\n" + SMALL, "unknown key model"),
        (SMALL.replace("seeds = [0, 1]", "seeds = []"), "seeds is empty, so there is no cell"),
        (SMALL.replace("[0, 1]", "[0, 0]"), "names one of its seeds twice"),
        (SMALL.replace("[16]", "['big']"), "resolutions"),
        ("models = [", "is no TOML"),
        (SMALL + "[[overrides]]\nmodels = 'faulty'\nsettings = {}\n", "unknown key overrides.0.models"),
    ],
)
def test_files_that_cannot_be(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint.replace(".", r"\.")):
        load_grid(grid_file(tmp_path, text))


def test_clashing_overrides_name_the_cell(tmp_path: Path, registry: Registry) -> None:
    text = SMALL + (
        '[[overrides]]\nmodel = "faulty"\nsettings = { epochs = 6 }\n'
        '[[overrides]]\ndataset = "discs"\nsettings = { epochs = 8 }\n'
    )
    with pytest.raises(SpecError, match="epochs = 6 and 8 for faulty on discs at 16 px"):
        plan(load_grid(grid_file(tmp_path, text)), tmp_path)


@pytest.mark.parametrize(
    ("axes", "complaint"),
    [
        ({"models": ("lineargan",)}, "unknown model 'lineargan'"),
        ({"datasets": ("disc",)}, "unknown dataset 'disc'"),
        ({"models": ()}, "models is empty"),
    ],
)
def test_names_that_are_not_there(
    tmp_path: Path, registry: Registry, axes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(SpecError, match=complaint):
        plan(load_grid(grid_file(tmp_path, SMALL)).narrowed(**axes), tmp_path)


def test_an_unknown_grid_suggests_the_right_one() -> None:
    with pytest.raises(SpecError, match=r"did you mean .*table2"):
        load_grid("tabel2")


def test_missing_weights_stop_a_grid_before_it_begins(tmp_path: Path) -> None:
    grid = load_grid(grid_file(tmp_path, SMALL.replace('"brightness"', '"fid"')))
    options = GridOptions(weights=(tmp_path / "nowhere",))
    with pytest.raises(WeightsError):
        make_plan(grid, options, tmp_path / "results", tmp_path / "cache", check=True)


def standings(tmp_path: Path, **settings: Any) -> dict[int, tuple[str, str]]:
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("linear-gan",))
    cells = plan(grid, tmp_path, settings=settings).cells
    return {cell.seed: (cell.standing, cell.message) for cell in cells}


def test_a_done_cell_is_done_and_gives_an_estimate(
    tmp_path: Path, registry: Registry, run_tiny: RunTiny
) -> None:
    run_tiny(settings=TINY)
    assert standings(tmp_path) == {0: ("done", ""), 1: ("new", "")}
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("linear-gan",))
    done, new = plan(grid, tmp_path).cells
    assert done.seconds == 0
    assert new.seconds is not None
    assert new.seconds > 0
    # Half as long again takes half as long again.
    longer = plan(grid, tmp_path, settings={"epochs": 6}).cells[1]
    assert longer.seconds == pytest.approx(new.seconds * 1.5)


def test_a_complete_cell_without_a_metric_is_unscored_until_it_has_it(
    tmp_path: Path, registry: Registry, run_tiny: RunTiny
) -> None:
    run_tiny(settings=TINY)
    both = {"metrics": "brightness,swd"}
    assert standings(tmp_path, **both) == {0: ("unscored", "without swd"), 1: ("new", "")}
    run_tiny(settings=TINY | both)
    assert standings(tmp_path, **both)[0] == ("done", "")
    # Fewer are no reason to do anything either.
    assert standings(tmp_path)[0] == ("done", "")


def test_a_cut_cell_is_resumable(tmp_path: Path, registry: Registry, run_tiny: RunTiny) -> None:
    asked = iter(range(100))
    with pytest.raises(Interrupted):
        run_tiny(settings=TINY, stop=lambda: next(asked) >= 25)
    assert standings(tmp_path)[0] == ("resumable", "2 of 4 epochs")


def test_a_record_cut_in_the_middle_is_named_and_not_done(
    tmp_path: Path, registry: Registry, run_tiny: RunTiny
) -> None:
    record = run_tiny(settings=TINY).folder.record
    record.write_bytes(record.read_bytes()[:200])
    status, words = standings(tmp_path)[0]
    assert status == "damaged"
    assert str(record) in words
    assert f"mv {record} {record}.aside" in words


def test_results_of_another_version_are_stale_and_kept(
    tmp_path: Path, registry: Registry, run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_tiny(settings=TINY).folder
    before = folder.record.read_bytes()
    monkeypatch.setattr(LinearGAN, "version", 2)
    status, words = standings(tmp_path)[0]
    assert status == "stale"
    assert folder.path.name in words
    run_tiny(settings=TINY)
    assert folder.record.read_bytes() == before
    assert standings(tmp_path)[0][0] == "done"


def test_another_setting_is_another_cell_and_not_stale(
    tmp_path: Path, registry: Registry, run_tiny: RunTiny
) -> None:
    run_tiny(settings=TINY)
    assert standings(tmp_path, lr=0.5)[0][0] == "new"


def test_a_results_folder_may_move(tmp_path: Path, registry: Registry, run_tiny: RunTiny) -> None:
    run_tiny(settings=TINY)
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("linear-gan",), seeds=(0,))
    found = make_plan(grid, GridOptions(), tmp_path / "elsewhere", tmp_path / "cache", check=False)
    assert found.cells[0].standing == "done"


def test_folders_of_strangers_do_no_harm(tmp_path: Path, registry: Registry, run_tiny: RunTiny) -> None:
    spec = run_tiny(settings=TINY).record.spec
    for number, text in enumerate(["", "[]", "{}", json.dumps({"model": 1})]):
        folder = tmp_path / "results" / "runs" / f"linear-gan-discs-16-s1-{number}"
        folder.mkdir()
        (folder / "spec.json").write_text(text)
    assert spec.seed == 0
    assert standings(tmp_path)[1] == ("new", "")


def test_roots_by_name_by_folder_and_for_all(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "raw" / "discs").mkdir(parents=True)
    grid = load_grid(grid_file(tmp_path, SMALL)).narrowed(models=("linear-gan",), seeds=(0,))
    for roots, expected in (
        ({"": tmp_path / "raw"}, tmp_path / "raw" / "discs"),
        ({"": tmp_path / "other"}, tmp_path / "other"),
        ({"": tmp_path / "raw", "discs": tmp_path}, tmp_path),
        ({}, None),
    ):
        (cell,) = plan(grid, tmp_path, roots=roots).cells
        assert unpack(cell.arguments[1])[0].data_root == expected


def test_raw_files_are_fingerprinted_once_for_a_whole_grid(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench_example.dataset import Discs

    calls = []
    fingerprint = Discs.fingerprint
    monkeypatch.setattr(Discs, "fingerprint", lambda self: calls.append(1) or fingerprint(self))
    cells = plan(load_grid(grid_file(tmp_path, SMALL)), tmp_path).cells
    assert len(cells) == 4
    assert len(calls) == 1
    request = unpack(cells[0].arguments[1])[0]
    assert resolve(request).spec.folder_name == cells[0].name


def test_cells_are_listed_where_the_raw_files_are_not_at_hand(tmp_path: Path) -> None:
    grid = load_grid("table2").narrowed(
        models=("dcgan", "hagan"), datasets=("covid-ct", "phantom"), seeds=(0,)
    )
    found = plan(grid, tmp_path).cells
    assert [(cell.model, cell.dataset, cell.standing) for cell in found] == [
        ("dcgan", "covid-ct", "unknown"),
        ("hagan", "covid-ct", "unknown"),
        ("dcgan", "phantom", "new"),
        ("hagan", "phantom", "new"),
    ]
    assert "--data-root" in found[0].message
    with pytest.raises(SpecError, match="covid-ct needs a folder"):
        make_plan(
            grid,
            GridOptions(settings={"metrics": "swd"}),
            tmp_path / "results",
            tmp_path / "cache",
            check=True,
        )
