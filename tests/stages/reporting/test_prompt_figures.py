"""The table of what the text is worth, and its figures, from answers made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import Prompt
from textbcs.dataset.slice_store import COLUMNS, Shard, read_slices
from textbcs.evaluation.statistics.intervals import Interval
from textbcs.evaluation.statistics.prompt_effects import Worth
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import probe_texts
from textbcs.reporting.common.printed_tables import read_table
from textbcs.reporting.figures import dose_response, prompt_styles
from textbcs.reporting.figures.canvas import view
from textbcs.reporting.tables.worth_of_text import CAUTION, findings, printed_rows
from textbcs.stages.reporting.figures import prompt_figures
from textbcs.stages.reporting.text_worth import run as write_text_worth

SIZE = 16
PARAMS = {
    "robustness": {"methods": ["textbcs", "lvit"], "first_pass": "unet"},
    "seeds": [1, 2],
    "cohort": {"kind": "phantom", "sides": "patient"},
    "evaluation": {
        "threshold": 0.5,
        "bootstrap": {"resamples": 99, "seed": 1},
    },
}
PROMPTS = [
    Prompt("left", "round", "small", "one"),
    Prompt("right", "irregular", "large", "two"),
    Prompt("left", "irregular", "medium", "one"),
]
SLICES = ["a-1", "b-1", "c-1", "c-9"]


def answers(shift: float) -> pd.DataFrame:
    """Three tumour slices of three patients and a tumour-free one; probes fall by 0.01 each."""
    texts = [prompt.text for prompt in (*PROMPTS, PROMPTS[2])]
    probes = probe_texts(texts, [s[0] for s in SLICES], texts, read_paraphrases(), 41)
    rows = []
    for number, (probe, of) in enumerate(probes.items()):
        for place, (slice_id, text) in enumerate(zip(SLICES, of, strict=True)):
            free = slice_id == "c-9"
            dice = np.nan if free else 0.9 - shift - 0.01 * number - 0.1 * place
            facts = {"slice_id": slice_id, "patient": slice_id[0]}
            facts |= {"kind": "negative" if free else "tumour", "probe": probe, "prompt": text}
            rows.append({**facts, "dice": dice, "predicted_pixels": 0 if free else 9})
    return pd.DataFrame(rows)


@pytest.fixture
def written(stage_in):
    """Two methods with two seeds, a run that no parameter names, the test slices, the prior."""
    stage = stage_in(PARAMS)
    for method, loss in (("textbcs", 0.0), ("lvit", 0.2)):
        for seed in (1, 2):
            folder = f"results/robustness/{method}-s{seed}"
            rows = answers(loss + 0.1 * (seed - 1))
            io.write_csv(f"results/evaluation/{method}-s{seed}/prompts.csv", rows)
            maps = {
                f"{slice_id}/{probe}": np.full((SIZE, SIZE), 0.2, np.float16)
                for slice_id in SLICES[:3]
                for probe in rows["probe"].unique()
            }
            maps["c-1/true"] = np.eye(SIZE, dtype=np.float16)
            io.write_tensors(f"{folder}/cases.safetensors", maps)
    io.write_csv("results/evaluation/old-s1/prompts.csv", answers(0))
    prior = answers(0.5).query("probe == 'true'").drop(columns=["probe", "prompt"])
    io.write_csv("results/evaluation/prior-s0/slices.csv", prior)
    table = pd.DataFrame([dict.fromkeys(COLUMNS, 1) | {"slice_id": s} for s in SLICES])
    io.write_csv("data/slices/test/slices.csv", table)
    masks = np.zeros((4, SIZE, SIZE), np.uint8)
    masks[:3, 4:8, 4:8] = 1
    image = np.full((4, SIZE, SIZE), 0.3, np.float16)
    io.write_tensors("data/slices/test/slices.safetensors", {"image": image, "mask": masks})
    return stage


def test_the_table_in_four_forms(written) -> None:
    write_text_worth(written)
    table = io.read_csv("reports/tables/text_worth.csv")
    ours = table[table["method"] == "textbcs"].set_index("quantity")
    # Seeds differ by 0.1, patients by 0.1; `empty` is the third probe.
    assert ours.loc["dice_true", "value"] == pytest.approx(75)
    assert ours.loc["text_gain", "value"] == pytest.approx(2)
    # It is the same for every patient, of which resampling says nothing.
    assert ours.loc["text_gain", ["low", "high"]].isna().all()
    assert ours.loc["text_harm", "value"] == pytest.approx(1)
    assert ours.loc["paraphrase_loss", "value"] == pytest.approx(23)
    # Fourteen values, a hundredth apart: the deviation of 1 to 14 is sqrt(17.5).
    assert ours.loc["paraphrase_sd", "value"] == pytest.approx(17.5**0.5)
    assert ours.loc["leak_share", "value"] == pytest.approx(100 * 0.3 / 0.75)
    assert ours.loc["break_even", "value"] == pytest.approx(200 / 3)
    assert ours.loc["dice_paper_1a", "patients"] == 3
    assert ours["label"].notna().all()
    assert ours.loc["change_empty", "label"] == "Points, empty prompt - own prompt"
    assert ours.loc["dice_words_alone", "label"].startswith(
        "Dice %, paraphrase '{location}, {shape}"
    )
    assert ours.loc["paraphrase_mean", "label"] == "Dice %, mean of all 14 paraphrases"
    lvit = table[table["method"] == "lvit"].set_index("quantity")
    assert lvit.loc["dice_true", "value"] == pytest.approx(55)
    markdown = Path("reports/tables/text_worth.md").read_text()
    assert "| Quantity | TextBCS | LViT |" in markdown
    assert "means over 3 patients of their slices' means, 2 seeds" in markdown
    assert (
        "| Points, text gain: own prompt - empty | 2.00 [all equal] | 2.00 [all equal] |"
        in markdown
    )
    assert "each case's worst of 14 paraphrases" in markdown
    assert (
        "- TextBCS, text gain 2.00 [all equal] points: whether its own prompt is better than none is open, "
        "there is no interval." in markdown
    )
    assert f"- {CAUTION}\n" in markdown
    assert r"\end{table}" in Path("reports/tables/text_worth.tex").read_text()
    agreed = io.read_csv("reports/tables/automatic_prompts.csv")
    assert agreed["agreement"].tolist() == [1] * 4
    assert Path("results/evaluation/old-s1").exists()
    assert "Cohen's kappa" in Path("reports/tables/automatic_prompts.md").read_text()
    data = read_table(Path("results/tables/probe/text_worth.json"))
    assert data.headers == ["Quantity", "TextBCS", "LViT"]
    assert data.notes[-1] == CAUTION


def worth(**intervals: tuple[float, float, float]) -> list[Worth]:
    return [Worth(name, Interval(*limits, 3), 4) for name, limits in intervals.items()]


def test_what_the_intervals_say_is_said_either_way() -> None:
    loss = {"paraphrase_loss": (0.1, 0.0, 0.2)}
    for_text = worth(text_gain=(0.2, 0.1, 0.3), text_harm=(-0.2, -0.3, -0.1), **loss)
    assert findings("X", for_text)[0].endswith("its own prompt is better than none.")
    assert findings("X", for_text)[1].endswith("another case's prompt is better than none.")
    against = worth(text_gain=(-0.2, -0.3, -0.1), text_harm=(0.0, -0.1, 0.1), **loss)
    assert findings("X", against)[0].endswith("its own prompt is worse than none.")
    assert "is open, the interval holds 0" in findings("X", against)[1]
    assert (
        findings("X", against)[2]
        == "X loses 10.00 [0.00, 20.00] points with a case's worst paraphrase."
    )


def test_what_is_not_known_is_a_dash() -> None:
    rows = printed_rows({"x": worth(text_gain=(float("nan"),) * 3)}, read_paraphrases())
    assert {row["x"] for row in rows} == {"–"}


def test_styles_are_the_papers_own_variants_and_the_worst() -> None:
    shown = prompt_styles.style_rows(answers(0), read_paraphrases(), "textbcs")
    assert shown.groupby("case")["slice_id"].unique().map(list).tolist() == [["c-1"], ["b-1"]]
    first, second = (shown[shown["case"] == case]["probe"].tolist() for case in (1, 2))
    tail = ["slots_in_prose", "empty", "shuffled", "swapped_location"]
    assert first == ["true", "paper_1a", "paper_1b", *tail]
    assert second == ["true", "paper_2a", "paper_2b", *tail]
    prompts = shown.set_index(["case", "probe"])["prompt"]
    assert prompts[1, "paper_1a"] == "a single medium-sized irregular mass in the left breast"
    assert prompts[2, "swapped_location"].startswith("location left")


def test_the_worst_other_wording_is_none_of_the_variants_beside_it() -> None:
    rows = answers(0)
    rows.loc[(rows["slice_id"] == "c-1") & (rows["probe"] == "paper_1b"), "dice"] = -1
    first = prompt_styles.style_rows(rows, read_paraphrases(), "lvit").query("case == 1")
    assert first["probe"].is_unique
    assert first.set_index("style").loc["worst other wording", "probe"] == "slots_in_prose"
    assert set(first["method"]) == {"lvit"}


def test_the_mask_is_an_area_and_the_prediction_a_line() -> None:
    shown = prompt_styles.style_rows(answers(0), read_paraphrases(), "lvit")
    maps = {f"{row.slice_id}/{row.probe}": np.eye(SIZE) for row in shown.itertuples()}
    shard = Shard(
        pd.DataFrame({"slice_id": SLICES}),
        np.zeros((4, SIZE, SIZE), np.float16),
        np.pad(np.ones((4, 4, 4), np.uint8), ((0, 0), (4, 8), (4, 8))),
    )
    figure = prompt_styles.draw(shown, maps, shard, 0.5)
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == len(shown)
    area = np.asarray(panels[0].images[1].get_array())[..., 3]
    assert ((area > 0) == (shard.masks[2] > 0)).all()
    assert len(panels[0].collections) == 1
    assert figure.get_supxlabel().startswith("LViT; light area: mask")


def test_the_dose_figure_says_that_it_is_computed() -> None:
    points = pd.DataFrame(
        {"method": "lvit", "wrong": "shuffled", "dose": [0.0, 100.0], "dice": 50.0}
    )
    names = ("low", "high", "drawn_low", "drawn_high", "dice_empty")
    figure = dose_response.draw(points.assign(**dict.fromkeys(names, 40.0)))
    assert figure.get_supxlabel().startswith("computed from the two end points")
    assert figure.axes[0].get_xlabel().startswith("slices")


def test_figures_come_with_their_data_and_are_the_same_each_time(written) -> None:
    names = [
        f"{n}.{end}" for n in ("dose_response", "prompt_styles") for end in ("pdf", "png", "csv")
    ]
    prompt_figures(written, read_slices(written, "test"))
    first = {name: Path("reports/figures", name).read_bytes() for name in names}
    prompt_figures(written, read_slices(written, "test"))
    assert first == {name: Path("reports/figures", name).read_bytes() for name in names}
    assert first["dose_response.pdf"].startswith(b"%PDF")
    assert first["prompt_styles.png"].startswith(b"\x89PNG")
    points = io.read_csv("reports/figures/dose_response.csv")
    assert len(points) == 2 * 2 * 11
    ends = points[(points["method"] == "lvit") & (points["wrong"] == "shuffled")]["dice"]
    assert [ends.iloc[0], ends.iloc[-1]] == pytest.approx([55, 52])
    assert points["dice_empty"].tolist() == pytest.approx([73] * 22 + [53] * 22)
    styles = io.read_csv("reports/figures/prompt_styles.csv")
    assert (len(styles), set(styles["method"])) == (14, {"textbcs"})


def test_runs_of_another_test_split_are_one_line(written) -> None:
    table = io.read_csv("data/slices/test/slices.csv")
    io.write_csv("data/slices/test/slices.csv", table.assign(slice_id=["x-1", *SLICES[1:]]))
    with pytest.raises(InputError, match=r"textbcs-s1: other slices than data/slices/test"):
        prompt_figures(written, read_slices(written, "test"))


def test_the_window_holds_all_that_is_drawn() -> None:
    there = np.zeros((64, 64), bool)
    there[20, 10] = there[24, 13] = True
    # A margin of 8 on each side, cut where the slice ends.
    assert view(there) == (slice(12, 33), slice(2, 22))
    there[20, 60] = True
    assert view(there) == (slice(12, 33), slice(2, 64))
    assert view(np.zeros((64, 64), bool)) == (slice(0, 64), slice(0, 64))
