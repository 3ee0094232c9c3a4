"""README.md and CITATION.cff say what the tables, the measurements and the project file say."""

import re
import tomllib
from pathlib import Path

import pytest

from textbcs.base.io import read_csv, read_json
from textbcs.settings.params import read_yaml

README = Path("README.md").read_text(encoding="utf-8")
SENTENCES = " ".join(README.split("\n## Result\n")[1].split("\n## ")[0].split())
TABLES = Path("reports/tables")
PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))


def claim(name: str) -> tuple[float, str]:
    """Our value of a claim, and its interval to one digit."""
    row = read_csv(TABLES / "claims.csv").set_index("claim").loc[name]
    return row["ours"], f"{row['low']:.1f} to {row['high']:.1f}"


def test_five_minutes_are_enough() -> None:
    assert len(README.splitlines()) <= 150


def test_the_scores_are_those_of_table_1() -> None:
    table = read_csv(TABLES / "table1.csv").set_index("method")
    assert table["dice_patient_mean"].idxmax() == "textbcs"
    assert len(table) == 13
    for method, words in (
        ("textbcs", "{} % as a mean"),
        ("lvit", "{} % for LViT"),
        ("unet", "{} % for UNet"),
    ):
        assert words.format(f"{table.loc[method, 'dice_patient_mean']:.1f}") in SENTENCES
    low, high = (
        float(limit) for limit in table.loc["textbcs", "dice_patient_interval"].split(" to ")
    )
    assert f"95 % interval {low:.1f} to {high:.1f}" in SENTENCES
    slices, patients = table.loc["textbcs", ["tumour_slices", "patients"]]
    assert f"On {slices:.0f} tumour slices of {patients:.0f} test patients" in SENTENCES


@pytest.mark.parametrize(
    ("method", "label"), [("unet", "UNet"), ("nnunet", "nnU-Net"), ("lvit", "LViT")]
)
def test_the_differences_are_those_of_the_seeds(method: str, label: str) -> None:
    row = read_csv(TABLES / "seeds.csv").set_index("method").loc[method]
    first, second, third = (f"{row[f'difference_seed_{seed}']:+.1f}" for seed in (1, 2, 3))
    assert re.search(rf"{label} \({re.escape(f'{first}, {second} and {third}')}[ )]", SENTENCES)


def test_the_text_and_evidential_learning() -> None:
    value, interval = claim("text_attribution")
    assert f"The text brings {value:.1f} points" in SENTENCES
    assert f"({interval})" in SENTENCES
    worth = read_csv(TABLES / "text_worth.csv").set_index(["method", "quantity"])["value"]
    assert f"costs {-worth['textbcs', 'change_swapped_location']:.1f}" in SENTENCES
    gain, interval = claim("evidential")
    assert f"({gain:+.1f}; {interval})" in SENTENCES
    verdicts = read_csv(TABLES / "table4.csv").set_index("method")
    assert "do not agree" in SENTENCES
    assert (
        verdicts.loc["lvit", verdicts.columns[verdicts.columns.str.contains("agree")]]
        .ne("yes")
        .all()
    )


def test_the_costs_are_those_that_were_measured() -> None:
    result = read_json("benchmarks/results/pipeline.json")
    run = next(one for one in result["runs"] if one["distractor_factor"] == 1.0)
    said = " ".join(README.split())
    assert f"it took {run['cpu_minutes_on_two_cores']:.0f} minutes on two cores" in said
    assert result["machine"]["cpu"] in said
    assert f"at most {run['peak_memory_of_a_process_mb'] / 1000:.2f} GB" in said
    assert f"costs as much as {round(run['cost_in_reference_steps'], -2):,} training steps" in said
    assert f"took {run['reference_step_cpu_seconds']:.2f} s of CPU time each" in said


def test_the_tree_is_the_order_of_imports() -> None:
    """The packages of the tree, first to last, are the layers of import-linter, last to first."""
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    order = {name: place for place, layer in enumerate(layers) for name in layer.split(" | ")}
    tree = re.findall(
        r"^  (\w+)[/,]", README.split("src/textbcs/  ")[1].split("\ndata/")[0], re.MULTILINE
    )
    places = [order[name] for name in tree]
    assert places == sorted(places, reverse=True)
    assert set(tree) | {"cli"} == set(order)


def test_the_citation() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["references"][0]["url"] in README
    log = Path("CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{citation['version']}]" in log
