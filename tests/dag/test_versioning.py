"""docs/how-to/versioning.md: what DVC says of parameters, scores, curves and experiments."""

import json
import re
from typing import Any

import pytest
from checkout import SOURCE, Checkout

from textbcs.base.io import read_csv, read_json

pytestmark = pytest.mark.dag

DICE = "reports/metrics/dice_slice_mean.json"
CURVES = "reports/figures/training_curves.csv"
UNET = [[1.0e-3, 4]]
CHANGED = {"params.yaml": {"methods.unet.grid": {"old": "[[0.002, 4]]", "new": "[[0.001, 4]]"}}}


def scores(checkout: Checkout) -> dict[str, float]:
    """The Dice of each method, as Table 1 has it."""
    table = read_csv(checkout.root / "reports/tables/table1.csv")
    return dict(zip(table["method"], table["dice_slice_mean"], strict=True))


def said(checkout: Checkout, *command: str) -> Any:
    """The JSON that a command of DVC prints."""
    return json.loads(checkout.dvc(*command))


def test_metrics_are_the_scores_of_table_1(tiny: Checkout) -> None:
    expected = scores(tiny)
    assert max(expected.values()) > 0
    found = said(tiny, "metrics", "show", "--json")[""]["data"]
    assert {path.rsplit("/", 1)[1] for path in found} == {
        "dice_patient_mean.json",
        "dice_slice_mean.json",
        "miou_slice_mean.json",
    }
    assert found[DICE]["data"] == pytest.approx(expected)
    best = max(expected, key=expected.__getitem__)
    line = next(row for row in tiny.dvc("metrics", "show").splitlines() if DICE in row)
    assert float(line.split()[1 + sorted(expected).index(best)]) == pytest.approx(
        expected[best], rel=1e-4
    )


def test_metrics_diff_and_params_diff_name_what_changed(tiny: Checkout) -> None:
    assert tiny.dvc("metrics", "diff").strip() == ""
    assert tiny.dvc("params", "diff").strip() == ""
    values = read_json(tiny.root / DICE)
    values["unet"] += 1.5
    (tiny.root / DICE).write_text(json.dumps(values))
    tiny.set_param("methods.unet.grid", UNET)
    changed = said(tiny, "metrics", "diff", "--json")
    assert list(changed) == [DICE]
    assert list(changed[DICE]) == ["unet"]
    assert changed[DICE]["unet"]["diff"] == pytest.approx(1.5)
    assert said(tiny, "params", "diff", "--json") == CHANGED


def test_plots_show_each_methods_curve_and_the_figures(tiny: Checkout) -> None:
    table = read_csv(tiny.root / CURVES)
    drawn = said(tiny, "plots", "show", CURVES, "--show-vega")
    points = [(p["method"], int(p["epoch"]), float(p["validation_dice"])) for p in values(drawn)]
    columns = (table[name] for name in ("method", "epoch", "validation_dice"))
    assert points == list(zip(*columns, strict=True))
    text = (tiny.root / CURVES).read_text()
    (tiny.root / CURVES).write_text(text.replace(text.splitlines()[1], "unet,1,1,0.125,False"))
    drawn = said(tiny, "plots", "diff", "--targets", CURVES, "--show-vega")
    assert {point["rev"] for point in values(drawn)} == {"HEAD", "workspace"}
    assert "0.125" in {p["validation_dice"] for p in values(drawn) if p["rev"] == "workspace"}
    tiny.dvc("plots", "show")
    page = (tiny.root / "dvc_plots/index.html").read_text()
    assert "validation_dice" in page
    assert page.count("<img") == 3
    assert tiny.git("status", "--short").split() == ["M", CURVES], "the page is not for git"


def values(drawn: Any) -> list[dict[str, str]]:
    """The data in a Vega-Lite specification."""
    found: list[dict[str, str]] = drawn["data"]["values"]
    return found


def test_an_experiment_by_dvc_and_one_by_snakemake(tiny: Checkout) -> None:
    before = scores(tiny)
    told = tiny.dvc("exp", "run", "-n", "slower", "-S", "methods.unet.grid=[[0.001,4]]", "table1")
    assert sorted(re.findall(r"Running stage '([^']+)'", told)) == [
        "complexity",  # it reads every method's settings
        "predict@unet-1",
        "predict_replicate@unet-2",
        "replicates",
        "robustness@lvit-1",  # UNet's masks are what its automatic prompts are read off
        "robustness@textbcs-1",
        "score",
        "search@unet",
        "table1",
        "train@unet-1",
        "train_replicate@unet-2",
    ]
    after = scores(tiny)
    assert {name for name in after if after[name] != before[name]} <= {"unet"}
    assert "calibrate" in tiny.snakemake("-n").stdout, "what the target did not need is left"

    tiny.git("checkout", "-q", ".")
    tiny.dvc("checkout")
    assert scores(tiny) == before
    assert "up to date" in tiny.dvc("status")
    tiny.set_param("methods.unet.grid", UNET)
    again = tiny.ran("reports/tables/table1.csv")
    assert set(again) <= {"table1"}, "searched, trained and scored already"
    assert scores(tiny) == after
    told = tiny.dvc("exp", "run", "-n", "again", "table1")
    assert "Running stage" not in told, "it keeps what Snakemake has made"

    shown = {row["rev"]: row for row in said(tiny, "exp", "show", "--json")}
    main = tiny.git("rev-parse", "HEAD").strip()
    found = {one["name"]: one["revs"][0]["data"] for one in shown[main]["experiments"]}
    assert set(found) == {"slower", "again"}
    for data in found.values():
        assert data["params"]["params.yaml"]["data"]["methods"]["unet"]["grid"] == UNET
        assert data["metrics"][DICE]["data"] == pytest.approx(after)
    listing = tiny.dvc("exp", "show", "--only-changed", "--md")
    assert "methods.unet.grid" in listing
    assert said(tiny, "params", "diff", "main", "slower", "--json") == CHANGED


def test_the_page_names_what_is_there() -> None:
    """A stage writes every file that docs/how-to/versioning.md names, and the DVC it names is ours."""
    text = (SOURCE / "docs/how-to/versioning.md").read_text(encoding="utf-8")
    definition = (SOURCE / "dvc.yaml").read_text(encoding="utf-8")
    for path in re.findall(r"reports/[\w/]+\.\w+", text):
        assert path in definition, path
    pinned = re.search(r"^dvc==(\S+)$", (SOURCE / "requirements.lock").read_text(), re.MULTILINE)
    assert pinned
    assert f"dvc[s3]=={pinned[1]}" in text
