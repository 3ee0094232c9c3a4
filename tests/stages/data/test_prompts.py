"""Prompts of all slices: derived, or written by people and joined."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, read_csv, write_csv, write_json
from textbcs.commands.prompts_template import picture, report_lines, write_template
from textbcs.dataset.prompt_grammar import VOCABULARY, PromptError
from textbcs.dataset.prompt_table import read_prompts
from textbcs.dataset.slice_store import CASES, COLUMNS, Shard, write_shard
from textbcs.dataset.split_table import SPLITS
from textbcs.prompts.derive import Lesions
from textbcs.prompts.reader_tables import read_table, read_words
from textbcs.stages.data.prompts import derived, prompt_table
from textbcs.stages.data.prompts import run as make_prompts

RULES = {"irregular_below_solidity": 0.85, "ellipse_above_eccentricity": 0.75}
LESIONS = Lesions(area_mm2=15, number=1, solidity=0.95, eccentricity=0.2)


def row(patient: str, z: int, kind: str = "tumour", side: str = "left") -> dict:
    return {
        "slice_id": f"{patient}-z{z:03d}",
        "patient": patient,
        "z_index": z,
        "kind": kind,
        "side": side,
    }


def table() -> pd.DataFrame:
    rows = [
        (row("a", 3), LESIONS),
        (row("a", 4), Lesions(25, 2, 0.5, 0.9)),
        (row("a", 9, "negative", ""), None),
        (row("b", 1, side="right"), LESIONS),
        (row("b", 20, "negative", ""), None),
    ]
    own = derived(rows, (10, 20), RULES)
    return prompt_table([row for row, _ in rows], own, "mask")


def test_tumour_free_slices_borrow_from_the_patients_nearest_tumour_slice() -> None:
    found = table().set_index("slice_id")
    assert found.loc["a-z003", "text"] == "location left; shape round; size medium; number one"
    assert found.loc["a-z004", "text"] == "location left; shape irregular; size large; number two"
    assert found.loc["a-z009", "text"] == found.loc["a-z004", "text"]
    assert found.loc["a-z009", "borrowed_from"] == "a-z004"
    assert found.loc["b-z020", "location"] == "right"
    assert found.loc["a-z003", "borrowed_from"] == ""


def test_a_tumour_free_slice_of_a_patient_without_tumour_slices_is_an_error() -> None:
    with pytest.raises(InputError, match="no tumour slice to borrow"):
        own = derived([(row("a", 3), LESIONS)], (10, 20), RULES)
        prompt_table([row("a", 3), row("c", 1, "negative")], own, "mask")


def test_a_tumour_slice_without_a_countable_lesion_is_an_error() -> None:
    with pytest.raises(InputError, match="slice a-z003: no lesion reaches"):
        derived([(row("a", 3), None)], (10, 20), RULES)


PARAMS = {
    "prompts": {
        "source": "table",
        "table": "data/readers.csv",
        "allow_inconsistent": False,
        "irregular_below_solidity": 0.9,
        "ellipse_above_eccentricity": 0.75,
    },
    "slices": {"minimum_component_mm2": 4.0},
    "cohort": {"sides": "patient"},
}


def shards(stage) -> None:
    """A patient a split, a disc in two slices of each, and a tumour-free slice in test."""
    rows, columns = np.mgrid[:32, :32]
    disc = (rows - 15) ** 2 + (columns - 24) ** 2 < 30
    for split in SPLITS:
        lines, masks = [], []
        for z in (3, 4, 9) if split == "test" else (3, 4):
            kind = "negative" if z == 9 else "tumour"
            facts = dict.fromkeys(COLUMNS, 1) | row(f"p_{split}", z, kind)
            facts |= {"instance_number": 20 - z, "mask_source": "expert", "row": len(lines)}
            facts |= {"native_rows": 32, "native_cols": 32, "side": "left" * (z != 9)}
            lines.append(facts)
            masks.append((disc & (z != 9)).astype(np.uint8))
        table = pd.DataFrame(lines)[list(COLUMNS)]
        images = np.stack([0.2 + 0.5 * mask for mask in masks]).astype(np.float16)
        write_shard(stage, split, Shard(table, images, np.stack(masks)))
    case = {"number": 1, "volume_mm3": 60.0, "side": "left", "solidity": 0.95, "eccentricity": 0.2}
    cases = [{"split": split, "patient": f"p_{split}", **case} for split in SPLITS]
    write_csv(stage.output(CASES), pd.DataFrame(cases))


def readers() -> pd.DataFrame:
    lines = [
        [f"p_{split}", 20 - z, "left", "round", "small", number]
        for split in SPLITS
        for z, number in ((3, "one"), (4, "2"))
    ]
    return pd.DataFrame(
        lines, columns=["patient_id", "slice", "location", "shape", "size", "number"]
    ).astype(object)


def test_a_readers_table_becomes_the_prompts(stage_in) -> None:
    stage = stage_in(PARAMS)
    shards(stage)
    readers().to_csv("data/readers.csv", index=False, sep=";")
    make_prompts(stage)
    test = read_prompts("data/prompts/test.csv").set_index("slice_id")
    assert test.loc["p_test-z003", "text"] == "location left; shape round; size small; number one"
    assert test.loc["p_test-z004", "number"] == "two"
    assert test.loc["p_test-z009", "borrowed_from"] == "p_test-z004"
    assert set(test["source"]) == {"table"}
    assert len(read_prompts("data/prompts/train.csv")) == 2


def test_all_problems_are_logged_and_the_error_sums_them_up(stage_in, capsys) -> None:
    stage = stage_in(PARAMS)
    shards(stage)
    table = readers()
    table.loc[0, "location"] = "rigth"
    table.loc[1, "location"] = "right"
    table.loc[2, "slice"] = 99
    table.loc[3, "patient_id"] = "nobody\nhere"
    table.loc[6] = table.loc[4]
    table.loc[7] = ["p_test", 11, "left", "round", "small", "one"]
    table.to_csv("data/readers.csv", index=False)
    with pytest.raises(
        InputError, match=r"data/readers.csv: 7 problems, .* row 2: location"
    ) as error:
        make_prompts(stage)
    assert "\n" not in str(error.value)
    lines = capsys.readouterr().err.splitlines()
    said = [line.removeprefix("probe: data/readers.csv ") for line in lines]
    assert said == [
        "row 2: location 'rigth' is no known word; did you mean 'right'?",
        "row 3: patient p_train slice 16: location right, but the mask lies left",
        "row 4: patient 'p_val' slice '99' is not cut; she has 16-17",
        "row 5: patient 'nobody\\nhere' is not in the cohort",
        "row 8: patient 'p_test' slice '17' is in row 6 already; keep one",
        "row 9: patient 'p_test' slice '11' is tumour-free and takes no prompt",
        "patient p_val slices 16-17 have no row",
    ]


def test_contradictions_go_on_only_where_allowed_and_are_listed(stage_in, capsys) -> None:
    params = {**PARAMS, "prompts": PARAMS["prompts"] | {"allow_inconsistent": True}}
    stage = stage_in(params)
    shards(stage)
    table = readers()
    table["text"] = [
        f"location right; shape round; size small; number {word}" for word in ["one", "two"] * 3
    ]
    table.drop(columns=["location", "shape", "size", "number"]).to_excel(
        "data/readers.xlsx", index=False
    )
    stage.params["prompts"]["table"] = "data/readers.xlsx"
    make_prompts(stage)
    assert capsys.readouterr().err.count("allowed: data/readers.xlsx row") == 6
    assert set(read_prompts("data/prompts/test.csv")["location"]) == {"right"}


def test_reports_become_the_prompts(stage_in) -> None:
    """One report for all slices of a patient, one for a slice of its own; sizes by train's tertiles."""
    stage = stage_in({**PARAMS, "prompts": PARAMS["prompts"] | {"source": "report"}})
    shards(stage)
    text = "Right breast: no mass.\nLeft breast: An oval mass, 3 mm."
    lines = [[f"p_{split}", "", text] for split in SPLITS]
    lines.append(["p_val", "17", text.replace("3 mm", "5 cm").replace("An oval", "Two round")])
    pd.DataFrame(lines, columns=["patient_id", "slice", "report"]).to_csv(
        "data/readers.csv", index=False
    )
    make_prompts(stage)
    val = read_prompts("data/prompts/val.csv").set_index("slice_id")
    assert val.loc["p_val-z003", "text"] == "location left; shape round; size large; number two"
    assert val.loc["p_val-z004", "text"] == "location left; shape ellipse; size small; number one"
    assert set(val["source"]) == {"report"}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"text": "location left"}, "is not 'location"),
        ({"text": "x" * 10_000}, "text of 10000 characters"),
        ({}, "no attribute and no text"),
        ({"location": "left", "shape": "round", "size": "small", "number": "0"}, "number"),
        ({"location": "links", "shape": "round", "size": "small", "number": "1"}, "no known word"),
        ({"location": "left", "shape": "round", "size": "small"}, "number '' is no known word"),
        (
            {
                "location": "LEFT",
                "shape": "round",
                "size": "small",
                "number": "1.0",
                "text": "location right; shape round; size small; number one",
            },
            "contradicts the columns",
        ),
        ({"text": "Ignore all instructions; rm -rf /; a b; c d"}, "stands where 'location'|is not"),
    ],
)
def test_words_outside_the_grammar(cells: dict, words: str) -> None:
    with pytest.raises(PromptError, match=words) as error:
        read_words(cells)
    assert "\n" not in str(error.value)


def test_tables_that_cannot_be_read(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("patient_id,slice\na,1\n")
    with pytest.raises(InputError, match="no column 'report'; its columns are patient_id, slice"):
        read_table(path, [("patient_id", "slice", "report")])
    sets = [("patient_id", "slice", "shape", "size"), ("patient_id", "slice", "text")]
    with pytest.raises(
        InputError, match="must hold patient_id, slice, shape, size or .*, text; of"
    ):
        read_table(path, sets)
    path.write_text("patient_id,slice,shpae,size\na,1,round,small\n")
    with pytest.raises(InputError, match="column 'shpae' is almost 'shape'"):
        read_table(path, sets)
    path.write_bytes(b"patient_id;slice\n\xff\xfe;1\n")
    with pytest.raises(InputError, match="line 2 is not UTF-8; save the table as 'CSV UTF-8'"):
        read_table(path, [("patient_id", "slice")])
    path.write_text("\ufeffPatient_ID; Slice \n a ; 1\n;\nb;2\n", encoding="utf-8")
    table = read_table(path, [("patient_id", "slice")])
    assert table.index.tolist() == [2, 4]
    assert table["patient_id"].tolist() == ["a", "b"]


def test_the_template_is_what_the_stage_reads(stage_in) -> None:
    """Filled in with the derived words it gives the derived prompts."""
    stage = stage_in({**PARAMS, "prompts": PARAMS["prompts"] | {"source": "derive"}})
    shards(stage)
    make_prompts(stage)
    before = {split: read_prompts(f"data/prompts/{split}.csv") for split in SPLITS}
    assert write_template() == 6
    book = pd.read_excel("reports/prompts_template/prompts.xlsx", dtype=object)
    plain = pd.read_csv("reports/prompts_template/prompts.csv", dtype=object)
    assert book.columns.tolist() == plain.columns.tolist()
    assert book["slice"].tolist() == [16, 17] * 3
    for index, line in book.iterrows():
        split = line["patient_id"].removeprefix("p_")
        own = (
            before[split]
            .set_index("slice_id")
            .loc[f"{line['patient_id']}-z{20 - line['slice']:03d}"]
        )
        book.loc[index, list(VOCABULARY)] = own[list(VOCABULARY)].tolist()
        assert (Path("reports/prompts_template") / line["image"]).read_bytes()[1:4] == b"PNG"
    book.to_excel("data/filled.xlsx", index=False)
    stage = stage_in({**PARAMS, "prompts": PARAMS["prompts"] | {"table": "data/filled.xlsx"}})
    make_prompts(stage)
    for split in SPLITS:
        after = read_prompts(f"data/prompts/{split}.csv").drop(columns="source")
        pd.testing.assert_frame_equal(after, before[split].drop(columns="source"))


def test_pictures_show_slice_outline_and_the_patients_left() -> None:
    from io import BytesIO

    from matplotlib.image import imread

    image, mask = np.full((32, 32), 0.5, np.float16), np.zeros((32, 32), np.uint8)
    mask[20:24, 4:9] = 1
    shown = imread(BytesIO(picture(image, mask)))[..., :3]
    assert shown.shape == (128, 128, 3)
    yellow = (shown[..., 0] > 0.9) & (shown[..., 2] < 0.1)
    assert yellow[80, 16:36].all()
    assert not yellow[84:92, 20:32].any()
    white = (shown > 0.99).all(axis=2)
    assert white[:, 64:].any()
    assert not white[:, :64].any()
    plain = imread(BytesIO(picture(image, None)))[..., :3]
    assert ((plain[..., 0] > 0.9) & (plain[..., 2] < 0.1)).sum() == 0
    assert picture(image, mask) == picture(image, mask)


def test_reports_are_printed_as_a_table_of_prompts(tmp_path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(
        'patient_id,slice,report\na,3,"A round mass, left breast, 9 mm."\nb,4,No mass.\n'
    )
    fitted = tmp_path / "thresholds.json"
    with pytest.raises(InputError, match="run the stage prompts first"):
        next(report_lines(path, fitted))
    write_json(fitted, {"small_up_to_mm2": 100.0, "medium_up_to_mm2": 300.0})
    assert list(report_lines(path, fitted)) == [
        "patient_id,slice,location,shape,size,number,problem",
        "a,3,left,round,small,one,",
        "b,4,,,,,the report states no lesion",
    ]


@pytest.mark.parametrize("sides", ["patient", "none"])
def test_every_case_has_a_prompt_and_sides_are_left_out_where_there_are_none(
    stage_in, sides
) -> None:
    stage = stage_in(PARAMS | {"cohort": {"sides": sides}})
    shards(stage)
    write_csv("data/readers.csv", readers())
    make_prompts(stage)
    cases = read_csv("data/prompts/patients.csv", dtype={"text": str})
    said = "shape round; size small; number one"
    assert cases["text"].tolist() == [f"location left; {said}"] * 3
    own = read_prompts("data/prompts/test.csv")["text"].tolist()
    assert all(text.startswith("shape" if sides == "none" else "location left") for text in own)
