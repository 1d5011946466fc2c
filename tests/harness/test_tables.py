"""Tables and comparisons from records: what is averaged, what is marked, and how it is printed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas
import pytest
from bench_example.metric import Brightness
from bench_example.model import LinearGAN

from harness.errors import SpecError
from harness.grid.definition import Grid
from harness.plugins import Registry
from harness.records import Record, Store
from harness.run import Outcome
from harness.tables.compare import compare, comparison_sheet
from harness.tables.scores import score_sheet
from harness.tables.sheets import Cell, Column, Sheet, latex_escape, number, render
from harness.tables.survey import Installed, Survey, matching, survey

RunTiny = Callable[..., Outcome]


class Records:
    """Makes records by changing one that a real cell wrote."""

    def __init__(self, template: Record, store: Store) -> None:
        self.template = template
        self.store = store

    def add(
        self,
        score: float | None,
        *,
        model: str = "linear-gan",
        dataset: str = "discs",
        seed: int = 0,
        epochs: int = 4,
        config: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        spec = self.template.spec
        spec = spec.model_copy(
            update={
                "seed": seed,
                "model": spec.model.model_copy(
                    update={"name": model, "config": {**spec.model.config, **(config or {})}}
                ),
                "dataset": spec.dataset.model_copy(update={"name": dataset}),
                "protocol": spec.protocol.model_copy(update={"epochs": epochs}),
            }
        )
        spec = type(spec).model_validate(spec.model_dump())
        scores = {} if score is None else {"brightness": score}
        record = self.template.model_copy(
            update={
                "spec": spec,
                "identity": spec.identity,
                "scores": {"best": scores, "last": {name: value + 1 for name, value in scores.items()}},
                **changes,
            }
        )
        folder = self.store.folder(spec)
        folder.path.mkdir(parents=True)
        folder.spec.write_text(spec.model_dump_json())
        folder.write_record(record)
        return folder.record


@pytest.fixture
def records(run_tiny: RunTiny, tmp_path: Path) -> Records:
    template = run_tiny(results=tmp_path / "template").record
    return Records(template, Store(tmp_path / "results"))


GRID = Grid(
    name="mine",
    title="Mine",
    models=("linear-gan", "faulty"),
    datasets=("discs",),
    resolutions=(16,),
    table={"scores": ["brightness"]},
)


def rows(sheet: Sheet) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}


def ranks(sheet: Sheet) -> dict[str, list[str]]:
    return {row[0].text: [cell.rank for cell in row[1:]] for row in sheet.rows}


def sheet_of(records: Records, registry: Registry, grid: Grid = GRID, **options: Any) -> Sheet:
    return score_sheet(grid, survey(records.store), registry, **options)


def test_mean_and_sample_deviation_over_seeds(records: Records, registry: Registry) -> None:
    for seed, score in enumerate((10.0, 12.0, 14.0)):
        records.add(score, seed=seed)
    records.add(20.0, model="faulty")
    sheet = sheet_of(records, registry)
    assert rows(sheet) == {"linear-gan": ["12.00 ± 2.00"], "faulty": ["20.00 (n=1)"]}
    assert "over 3 seeds" in sheet.caption
    assert "40 generated against 40 real, 4 epochs" in sheet.caption


def test_lower_is_better_here_and_the_first_two_are_ranked(records: Records, registry: Registry) -> None:
    records.add(3.0)
    records.add(2.0, model="faulty")
    assert Brightness.goals == {"brightness": "lower"}
    sheet = sheet_of(records, registry)
    assert ranks(sheet) == {"linear-gan": ["second"], "faulty": ["best"]}
    assert sheet.columns[1] == Column("brightness ↓", "discs")


def test_higher_is_better_where_the_metric_says_so(
    records: Records, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Brightness, "goals", {"brightness": "higher"})
    records.add(3.0)
    records.add(2.0, model="faulty")
    assert ranks(sheet_of(records, registry)) == {"linear-gan": ["best"], "faulty": ["second"]}


def test_one_value_is_no_winner(records: Records, registry: Registry) -> None:
    records.add(3.0)
    assert ranks(sheet_of(records, registry)) == {"linear-gan": [""], "faulty": [""]}


def test_missing_diverged_and_failed_are_marked_and_never_averaged(
    records: Records, registry: Registry
) -> None:
    records.add(10.0, seed=0)
    records.add(99.0, seed=1, status="diverged", error="a loss is not finite")
    records.add(None, model="faulty", status="failed", error="RuntimeError: no")
    assert rows(sheet_of(records, registry)) == {
        "linear-gan": ["10.00 (1 diverged)"],
        "faulty": ["failed"],
    }


def test_nothing_done_is_a_table_of_dashes(records: Records, registry: Registry) -> None:
    sheet = sheet_of(records, registry)
    assert rows(sheet) == {"linear-gan": ["–"], "faulty": ["–"]}  # noqa: RUF001
    assert "No cell is done" in sheet.caption


@pytest.mark.parametrize("what", ["model", "metric"])
def test_another_version_is_stale_and_not_averaged(
    records: Records, registry: Registry, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    records.add(10.0)
    monkeypatch.setattr(LinearGAN if what == "model" else Brightness, "version", 2)
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["stale"]
    assert any("made with version 1" in note and "is version 2 here" in note for note in sheet.notes)


def test_a_record_of_another_protocol_is_stale(records: Records, registry: Registry) -> None:
    for seed in range(3):
        records.add(10.0, identity=f"{seed:064x}", seed=seed)
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["stale"]
    assert [note.partition(" is stale: ")[2] for note in sheet.notes] == [
        "another version of the protocol; and 2 more"
    ]


def test_a_caveat_is_a_dagger_with_its_words(records: Records, registry: Registry) -> None:
    records.add(10.0, caveats=["leaks training data"])
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["10.00†"]
    assert "linear-gan: † leaks training data" in sheet.notes


def test_other_conditions_never_share_a_column(records: Records, registry: Registry) -> None:
    records.add(10.0)
    records.add(11.0, model="faulty")
    records.add(1.0, seed=1, epochs=400)
    sheet = sheet_of(records, registry)
    assert rows(sheet) == {"linear-gan": ["10.00"], "faulty": ["11.00"]}
    assert any("1 cells under other conditions are left out" in note for note in sheet.notes)
    longer = Survey(list(matching(survey(records.store).results, {"epochs": "400"})))
    assert rows(score_sheet(GRID, longer, registry))["linear-gan"] == ["1.000"]


def test_the_defaults_stand_for_a_model_and_other_setups_are_named(
    records: Records, registry: Registry
) -> None:
    records.add(10.0)
    for seed in range(3):
        records.add(1.0, seed=seed, config={"lr": 0.5})
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["10.00"]
    assert any("1 other setup" in note for note in sheet.notes)


def test_what_a_grid_asks_for_stands_for_a_model_and_nothing_else_does(
    records: Records, registry: Registry
) -> None:
    asked = GRID.model_copy(update={"settings": {"lr": "0.5", "epochs": 4}})
    records.add(1.0, config={"lr": 0.25})
    records.add(2.0)
    assert rows(sheet_of(records, registry, asked))["linear-gan"] == ["–"]  # noqa: RUF001
    records.add(3.0, config={"lr": 0.5})
    assert rows(sheet_of(records, registry, asked))["linear-gan"] == ["3.000"]


def test_a_record_cut_in_the_middle_is_named_and_counts_as_not_done(
    records: Records, registry: Registry
) -> None:
    path = records.add(10.0)
    path.write_bytes(path.read_bytes()[:300])
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["–"]  # noqa: RUF001
    assert any(str(path) in note and "not done" in note for note in sheet.notes)


def test_a_copied_run_folder_counts_once(records: Records, registry: Registry) -> None:
    path = records.add(10.0)
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    sheet = sheet_of(records, registry)
    assert rows(sheet)["linear-gan"] == ["10.00"]
    assert any("counts once" in note for note in sheet.notes)


def test_moved_results_give_the_same_table(records: Records, registry: Registry, tmp_path: Path) -> None:
    records.add(10.0)
    before = render(sheet_of(records, registry), "md")
    (tmp_path / "results").rename(tmp_path / "moved")
    assert render(score_sheet(GRID, survey(Store(tmp_path / "moved")), registry), "md") == before


def test_the_last_evaluation_instead_of_the_best(records: Records, registry: Registry) -> None:
    records.add(10.0)
    sheet = sheet_of(records, registry, which="last")
    assert rows(sheet)["linear-gan"] == ["11.00"]
    assert "Last evaluation" in sheet.caption


def test_published_values_stand_beside_with_the_difference(
    records: Records, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.tables.scores.lookup", lambda table, score, **place: 12.5)
    records.add(10.0)
    sheet = sheet_of(records, registry, against_published=True)
    assert rows(sheet)["linear-gan"] == ["10.00", "12.5", "−2.500"]  # noqa: RUF001
    assert rows(sheet)["faulty"] == ["–", "12.5", "–"]  # noqa: RUF001


def test_the_published_numbers_are_found_by_plugin_names() -> None:
    from harness.tables.published import lookup

    assert lookup("II", "fid", model="hagan", dataset="acdc", resolution=64) == 60.792
    assert lookup("III", "fid", model="ddpm", dataset="covid-ct", resolution=256) == 182.405
    assert lookup("IV", "fid", model="Base Model", dataset="covid-ct", resolution=64) == 240.231
    assert lookup("II", "kid", model="hagan", dataset="acdc", resolution=64) is None


def test_ablation_rows_are_told_apart_by_their_switches(
    records: Records, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ablation: ClassVar = {"Base": {"latent_dim": 2}, "+ Noise": {}}
    monkeypatch.setattr(LinearGAN, "ablation", ablation)
    records.add(30.0, config={"latent_dim": 2})
    records.add(20.0)
    grid = GRID.narrowed(models=("linear-gan",), ablation=True)
    assert rows(sheet_of(records, registry, grid)) == {"Base": ["30.00"], "+ Noise": ["20.00"]}


def test_unknown_scores_name_the_known_ones(records: Records, registry: Registry) -> None:
    with pytest.raises(SpecError, match="no metric gives 'fidd'"):
        sheet_of(records, registry, scores=("fidd",))


def test_where_with_an_unknown_name_says_so(records: Records) -> None:
    records.add(1.0)
    with pytest.raises(SpecError, match="no record has a setting epoch"):
        list(matching(survey(records.store).results, {"epoch": 3}))


def test_csv_holds_plain_numbers(records: Records, registry: Registry) -> None:
    records.add(10.0, seed=0)
    records.add(13.0, seed=1)
    frame = pandas.read_csv(io.StringIO(render(sheet_of(records, registry), "csv")))
    line = frame.set_index("row").loc["linear-gan"]
    assert line["mean"] == 11.5
    assert line["std"] == pytest.approx(2.1213203)
    assert (line["n_seeds"], line["seeds"], line["n_real"]) == (2, "0 1", 40)


NASTY = Sheet(
    label="nasty",
    caption="50 % of a_b & <c>",
    columns=[Column("model"), Column("fid ↓", "set_1"), Column("kid", "set_1")],
    rows=[[Cell("a|b"), Cell("1.0 ± 0.5", "best", 1.0), Cell("<i>", "second")]],
    numbers=pandas.DataFrame({"model": ["a|b"]}),
    notes=["# 1 ~ ^ \\"],
)


def test_markdown_is_escaped_and_ranked() -> None:
    text = render(NASTY, "md")
    assert text.splitlines()[0] == "| model | set_1 fid ↓ | set_1 kid |"
    assert text.splitlines()[2] == r"| a\|b | **1.0 ± 0.5** | <u><i></u> |"


def test_latex_as_expected() -> None:
    assert render(NASTY, "latex") == (
        "% needs \\usepackage{booktabs,graphicx}\n"
        "\\begin{table}[t]\n"
        "  \\centering\n"
        "  \\caption{50 \\% of a\\_b \\& $<$c$>$}\n"
        "  \\label{tab:nasty}\n"
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
        "  \\begin{tabular}{lrr}\n"
        "    \\toprule\n"
        "     & \\multicolumn{2}{c}{set\\_1} \\\\\n"
        "    \\cmidrule(lr){2-3}\n"
        "    model & fid $\\downarrow$ & kid \\\\\n"
        "    \\midrule\n"
        "    a|b & \\textbf{1.0 $\\pm$ 0.5} & \\underline{$<$i$>$} \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}}\n"
        "  \\par\\smallskip{\\footnotesize \\# 1 \\textasciitilde{} \\textasciicircum{} \\textbackslash{}}\n"
        "\\end{table}\n"
    )


def test_latex_compiles(records: Records, registry: Registry, tmp_path: Path) -> None:
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no LaTeX here")
    records.add(10.0, caveats=["leaks é & 5 %"])
    records.add(99.0, model="faulty", status="diverged")
    tables = render(NASTY, "latex") + render(sheet_of(records, registry, against_published=True), "latex")
    source = tmp_path / "paper.tex"
    source.write_text(
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + tables
        + "\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", source.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_html_is_escaped() -> None:
    text = render(NASTY, "html")
    assert "<i>" not in text
    assert "&lt;i&gt;" in text
    assert '<td data-value="1.0"><strong>1.0 ± 0.5</strong></td>' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(88.852, "88.85"), (0.0123456, "0.01235"), (240.231, "240.2"), (12345.6, "12346"), (0.0, "0.000"),
     (-2.5, "−2.500"), (9.99996, "10.00")],  # noqa: RUF001
)  # fmt: skip
def test_four_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_every_special_character_is_escaped() -> None:
    assert latex_escape("a_b{c}") == r"a\_b\{c\}"
    assert latex_escape("--where") == "-{}-where"


def sides(records: Records, registry: Registry) -> tuple[list[Any], list[Any], Installed]:
    found = survey(records.store).results
    return (
        [result for result in found if result.spec.model.name == "linear-gan"],
        [result for result in found if result.spec.model.name == "faulty"],
        Installed(registry),
    )


def test_comparison_by_hand(records: Records, registry: Registry) -> None:
    for seed, (ours, theirs) in enumerate([(8.0, 10.0), (9.0, 10.0), (10.0, 10.0)]):
        records.add(ours, seed=seed)
        records.add(theirs, model="faulty", seed=seed)
    records.add(1.0, seed=9)
    first, second, installed = sides(records, registry)
    one = compare(first, second, "brightness", installed, "best")
    assert one.better == pytest.approx(10.0)  # mean 9 against 10, lower is better
    assert one.probability == pytest.approx((3 + 3 + 1.5) / 9)
    assert one.unpaired == 1
    low, high = one.interval
    assert 0 <= low < 10 < high <= 20
    other = compare(second, first, "brightness", installed, "best")
    assert other.probability == pytest.approx(1 - one.probability)
    assert "fewer than 5 seeds" in " ".join(comparison_sheet("a", "b", [one]).notes)


def test_equal_models_are_a_draw(records: Records, registry: Registry) -> None:
    for seed in range(4):
        records.add(5.0 + seed, seed=seed)
        records.add(5.0 + seed, model="faulty", seed=seed)
    first, second, installed = sides(records, registry)
    one = compare(first, second, "brightness", installed, "best")
    assert (one.better, one.interval, one.probability) == (0.0, (0.0, 0.0), 0.5)


def test_cells_under_other_conditions_make_no_pair(records: Records, registry: Registry) -> None:
    records.add(5.0)
    records.add(5.0, model="faulty", epochs=8)
    first, second, installed = sides(records, registry)
    with pytest.raises(SpecError, match="no two cells with brightness share"):
        compare(first, second, "brightness", installed, "best")


def test_many_records_are_read_quickly(records: Records, registry: Registry, tmp_path: Path) -> None:
    path = records.add(10.0)
    text = path.read_text()
    count = 1000
    for seed in range(1, count):
        folder = path.parent.with_name(f"many-{seed}")
        folder.mkdir()
        content = json.loads(text)
        content["identity"], content["spec"]["seed"] = f"{seed:064x}", seed
        (folder / "record.json").write_text(json.dumps(content))
        (folder / "spec.json").write_text("{}")
    started = time.process_time()
    found = survey(records.store)
    assert len(found.results) == count
    # 10,000 in 5 s is the aim; a tenth of both, with room for a busy machine.
    assert time.process_time() - started < 1.5
