"""Stage `flow`: who and what came in, was left out and why, and went out, as papers print it.

Reads the tables of the stages cohort, masks, split and slices; writes `reports/tables/flow.{csv,md}`.
Nothing is counted twice and nothing gets lost: the sums are checked before the table is written.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.io import InputError, read_csv, write_csv, write_text
from textbcs.slices.splits import SPLITS

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

COLUMNS = (
    "step",
    "outcome",
    "split",
    "mask_source",
    "reason",
    "patients",
    "tumour_slices",
    "tumour_free_slices",
)
IN, EXCLUDED, OUT = "in", "excluded", "out"
NO_SLICE = "no tumour slice is left"


def write_flow(stage: "Stage") -> None:
    """Write the flow table.

    Raises:
        InputError: the stages' tables are not of one run, so that the counts do not add up.
    """
    text = {"patient": str, "reason": str, "source": str, "excluded": str}
    patients = read_csv(stage.input("data/cohort/patients.csv"), ["patient", "excluded"], text)
    masks = read_csv(
        stage.input("data/masks/masks.csv"), ["patient", "source", "slices", "reason"], text
    )
    split = read_csv(stage.input("data/splits/split.csv"), ["patient", "split"], text)
    left_out = read_csv(stage.input("data/slices/excluded.csv"), ["patient", "reason"], text)
    slices = {
        name: read_csv(stage.input(f"data/slices/{name}/slices.csv"), ["patient", "kind"], text)
        for name in SPLITS
    }
    table = flow_table(patients, masks, split, slices, left_out)
    fault = imbalance(table)
    if fault:
        raise InputError(
            f"the tables of cohort, masks, split and slices are not of one run: {fault}"
        )
    write_csv(stage.output("reports/tables/flow.csv"), table)
    write_text(stage.output("reports/tables/flow.md"), markdown(table))


def flow_table(
    patients: "pd.DataFrame",
    masks: "pd.DataFrame",
    split: "pd.DataFrame",
    slices: Mapping[str, "pd.DataFrame"],
    left_out: "pd.DataFrame",
) -> "pd.DataFrame":
    """The flow of patients and slices, a row per step, outcome and reason.

    Args:
        patients: `patient`, `excluded` (empty or missing where she is not).
        masks: `patient`, `source`, `slices` (how many hold tumour), `reason`.
        split: `patient`, `split`.
        slices: of each split, `patient` and `kind` (tumour or negative).
        left_out: `patient` and `reason` of every tumour slice that was left out.

    Returns:
        Columns `COLUMNS`. Tumour slices are counted from the masks on.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = [{"step": "cohort", "outcome": IN, "patients": len(patients)}]
    gone = patients["excluded"].fillna("")
    rows += _reasons("cohort", gone[gone != ""])
    unusable = masks[masks["reason"].fillna("") != ""]
    for source, own in unusable.groupby(unusable["source"].fillna("")):
        rows += _reasons("masks", own["reason"], mask_source=source)
    usable = masks[masks["reason"].fillna("") == ""]
    undrawn = usable[~usable["patient"].isin(split["patient"])]
    rows += _reasons("split", pd.Series(["in no split"] * len(undrawn), dtype=str))
    drawn = usable.merge(split, on="patient")
    for name in SPLITS:
        for source, own in drawn[drawn["split"] == name].groupby("source"):
            facts = {"split": name, "mask_source": source}
            rows += _slice_rows(own, slices[name], left_out, facts)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    text = list(COLUMNS[:5])
    table[text] = table[text].astype(object).fillna("")
    return table.astype(dict.fromkeys(COLUMNS[5:], "Int64"))


def _reasons(step: str, reasons: "pd.Series[str]", **facts: Any) -> list[dict[str, Any]]:
    """A row for each reason to exclude a patient, the commonest first."""
    counts = sorted(reasons.value_counts().items(), key=lambda pair: (-pair[1], str(pair[0])))
    return [
        {"step": step, "outcome": EXCLUDED, "reason": reason, "patients": int(count), **facts}
        for reason, count in counts
    ]


def _slice_rows(
    own: "pd.DataFrame",
    slices: "pd.DataFrame",
    left_out: "pd.DataFrame",
    facts: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The rows of the step `slices` for the patients of one split and mask source."""
    kept = slices[slices["patient"].isin(own["patient"])]
    tumour = kept[kept["kind"] == "tumour"]
    dropped = left_out[left_out["patient"].isin(own["patient"])]
    step = {"step": "slices", **facts}
    rows: list[dict[str, Any]] = [
        {**step, "outcome": IN, "patients": len(own), "tumour_slices": int(own["slices"].sum())}
    ]
    counts = dropped["reason"].value_counts().items()
    for reason, count in sorted(counts, key=lambda pair: (-pair[1], str(pair[0]))):
        rows.append({**step, "outcome": EXCLUDED, "reason": reason, "tumour_slices": int(count)})
    lost = len(own) - tumour["patient"].nunique()
    if lost:
        rows.append({**step, "outcome": EXCLUDED, "reason": NO_SLICE, "patients": lost})
    rows.append(
        {
            **step,
            "outcome": OUT,
            "patients": tumour["patient"].nunique(),
            "tumour_slices": len(tumour),
            "tumour_free_slices": len(kept) - len(tumour),
        }
    )
    return rows


def imbalance(table: "pd.DataFrame") -> str:
    """What does not add up, or "": patients over the whole flow, slices within the step `slices`."""

    def total(step: str, outcome: str, column: str) -> int:
        rows = table[(table["outcome"] == outcome) & table["step"].str.match(step)]
        return int(rows[column].fillna(0).sum())

    came, gone, went = (
        total(step, outcome, "patients")
        for step, outcome in (("cohort", IN), ("", EXCLUDED), ("slices", OUT))
    )
    if came != gone + went:
        return f"{came} patients in, {gone} excluded, {went} out"
    came, gone, went = (total("slices", one, "tumour_slices") for one in (IN, EXCLUDED, OUT))
    if came != gone + went:
        return f"{came} tumour slices in, {gone} excluded, {went} out"
    return ""


def markdown(table: "pd.DataFrame") -> str:
    """The table as Markdown, with the totals that leave the flow."""
    out = table[table["outcome"] == OUT]
    came = int(table.loc[table["step"] == "cohort", "patients"].iloc[0])
    lines = [
        f"**Flow: {came} patients in, {int(out['patients'].sum())} out with "
        f"{int(out['tumour_slices'].sum())} tumour slices and "
        f"{int(out['tumour_free_slices'].sum())} tumour-free ones.**",
        "",
        "| " + " | ".join(name.replace("_", " ") for name in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for row in table.astype("object").fillna("").itertuples(index=False):
        lines.append("| " + " | ".join(str(value).replace("|", "\\|") for value in row) + " |")
    return "\n".join(lines) + "\n"
