"""The flow of patients and slices: in, left out with a reason, and out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.dataset.split_table import SPLITS

if TYPE_CHECKING:
    import pandas as pd


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
HEADERS = {name: name.replace("_", " ") for name in COLUMNS}
# A column of tables in which a file was left out, before patients are counted.
FILES = "files"
IN, EXCLUDED, OUT = "in", "excluded", "out"
NO_SLICE = "no tumour slice is left"


def flow_table(
    patients: "pd.DataFrame",
    masks: "pd.DataFrame",
    split: "pd.DataFrame",
    slices: Mapping[str, "pd.DataFrame"],
    left_out: "pd.DataFrame",
    unused: Sequence[tuple[str, str, int]] = (),
) -> "pd.DataFrame":
    """The flow of patients and slices, a row per step, outcome and reason.

    Args:
        patients: `patient`, `excluded` (empty or missing where she is not).
        masks: `patient`, `source`, `slices` (how many hold tumour), `reason`.
        split: `patient`, `split`.
        slices: of each split, `patient` and `kind` (tumour or negative).
        left_out: `patient` and `reason` of every tumour slice that was left out.
        unused: kind, reason and number of the files that intake did not use.

    Returns:
        Columns `COLUMNS`, and `FILES` where there are such files. Tumour slices are counted from the
        masks on.
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
    return _with_files(table.astype(dict.fromkeys(COLUMNS[5:], "Int64")), unused)


def _with_files(table: "pd.DataFrame", unused: Sequence[tuple[str, str, int]]) -> "pd.DataFrame":
    """The flow with the files that intake did not use in front; as it is where all were used."""
    import pandas as pd

    if not unused:
        return table
    rows = [
        {"step": "intake", "outcome": EXCLUDED, "reason": f"{kind}: {reason}", FILES: count}
        for kind, reason, count in unused
    ]
    files = pd.DataFrame(rows, columns=[*COLUMNS, FILES])
    files[list(COLUMNS[:5])] = files[list(COLUMNS[:5])].astype(object).fillna("")
    numbers = dict.fromkeys((*COLUMNS[5:], FILES), "Int64")
    table = table.assign(**{FILES: pd.array([None] * len(table), "Int64")})
    return pd.concat([files.astype(numbers), table], ignore_index=True)


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


def title(table: "pd.DataFrame") -> str:
    """How many come in, and what leaves the flow."""
    out = table[table["outcome"] == OUT]
    came = int(table.loc[table["step"] == "cohort", "patients"].iloc[0])
    return (
        f"Flow: {came} patients in, {int(out['patients'].sum())} out with "
        f"{int(out['tumour_slices'].sum())} tumour slices and "
        f"{int(out['tumour_free_slices'].sum())} tumour-free ones."
    )


def printed_rows(table: "pd.DataFrame") -> list[dict[str, str]]:
    """The rows as text; what is not counted at a step is left empty."""
    return [
        {key: str(value) for key, value in row.items()}
        for row in records(table.astype("object").fillna(""))
    ]
