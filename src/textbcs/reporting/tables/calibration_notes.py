"""The sentences below the tables of calibration and of uncertainty, for the method or against it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics.ablation_rows import ablation_names, dropout_twins
from textbcs.reporting.common.probability_names import KINDS, limits, named
from textbcs.reporting.tables.calibration import CALIBRATED, Table

if TYPE_CHECKING:
    import pandas as pd

LOWEST = {"ece_region": "ECE", "brier_region": "Brier score", "nll_region": "NLL"}
# Map that a head offers as its uncertainty: vacuity of an evidential one, entropy of another.
OWN = {
    "own_auroc_image": "AUROC for wrong pixels",
    "own_auroc_band": "within the outline's band",
    "own_auroc_outside": "outside it",
    "own_excess_aurc_patients": "excess AURC over patients",
}
Pairs = Mapping[
    tuple[str, str, str, str], Mapping[str, Any]
]  # by first, second, its kind and measure


def by_pair(differences: "pd.DataFrame") -> Pairs:
    """The rows of `differences.csv` by what is compared and the measure."""
    return {
        (str(r["first"]), str(r["second"]), str(r["second_kind"]), str(r["measure"])): r
        for r in records(differences)
    }


def calibration_notes(
    table: Table, pairs: Pairs, called: Mapping[str, str], params: Mapping[str, Any]
) -> list[str]:
    """What is lowest, what evidential learning changes, which loss and which temperature do what.

    Args:
        table: of `calibration.by_key`.
        pairs: of `by_pair`.
        called: of `probability_names.names`.
        params: `tables`, `seeds`, `variants`, `methods.textbcs` and `evaluation.bootstrap`.
    """
    notes = [*_recipes(called, params), *_lowest(table, called, BASE)]
    scores = list(LOWEST.items())
    for first, second, what in _compared(called, params):
        said = [
            ", ".join(filter(None, (_change(pairs, (first, second, kind), *one) for one in scores)))
            for kind in ("raw", "scaled_region")
        ]
        if said[0]:
            also = (
                f"; against the latter with the region's temperature: {said[1]}" if said[1] else ""
            )
            notes.append(f"{what}: {said[0]}{also}. Lower is better.")
    notes += [*_losses(called, params), *_temperatures(table, called)]
    notes += [*_dropout(pairs, called, params), *_once(params)]
    rules = params["evaluation"]["bootstrap"]
    notes.append(
        "Intervals: BCa over resampled patients, their slices and pixels kept together "
        f"({rules['resamples']} samples, seed {rules['seed']}); the bins of the ECE stay those of the test "
        "split. Differences are paired by patient."
    )
    return notes


def uncertainty_notes(
    table: Table, pairs: Pairs, called: Mapping[str, str], params: Mapping[str, Any]
) -> list[str]:
    """What evidential learning changes in finding errors, and where the area says as much as a map."""
    notes = []
    for first, second, what in _compared(called, params):
        said = [_change(pairs, (first, second, "raw"), score, name) for score, name in OWN.items()]
        if any(said):
            notes.append(f"{what}, each by its own uncertainty: {', '.join(filter(None, said))}.")
    notes += [*_area(table, called), *_once(params)]
    notes.append(
        "AUROC: 50 is chance. AUPRC: chance is the share of wrong pixels. Excess AURC: mean 1 - Dice of the "
        "patients that are kept when the most uncertain are left out, less that of the perfect order; 0 is "
        "best. Every network is judged by its own errors, which differ. A temperature changes no order of "
        "pixels, so its rows are left out."
    )
    notes.append(
        "A slice's uncertainty: the mean of the map over what is predicted and the band around its outline; "
        "the greatest value that the map can have where nothing is predicted. A patient's: the mean over her "
        "slices. The row without a map knows the predicted area alone."
    )
    return notes


def _compared(
    called: Mapping[str, str], params: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """First, second and what the pair shows."""
    own = ablation_names(params)
    for svli in (True, False):
        if {(svli, True), (svli, False)} <= set(own):
            first, second = own[svli, True], own[svli, False]
            pair = f"{called[first]} minus {called[second]}"
            yield first, second, f"EL, all else equal ({pair})"
    if RIVAL in called:
        own_recipes = "each by its own recipe (loss, text, learning rate)"
        yield BASE, RIVAL, f"{called[BASE]} minus {called[RIVAL]}, {own_recipes}"


def _change(pairs: Pairs, pair: tuple[str, str, str], score: str, name: str) -> str:
    """A score's difference with its limits; empty where it was not measured."""
    row = pairs.get((*pair, score))
    if row is None:
        return ""
    scale, places = CALIBRATED[score][1:] if score in CALIBRATED else (100, 1)
    value = f"{name} {scale * row['value']:+.{places}f}"
    if row["low"] != row["low"]:
        return value
    return f"{value} ({limits(scale * row['low'], scale * row['high'], places)})"


def _recipes(called: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """What the rows of the ablation are."""
    own = ablation_names(params)
    rows = [called[name] for key, name in own.items() if key != (True, True)]
    if rows:
        yield (
            f"{_listed(rows)}: the ablation's rows, {called[own[True, True]]}'s learning rate, schedule and "
            "seed; they differ from it in SVLI and EL alone, as the names say (the baseline has neither)."
        )


def _lowest(table: Table, called: Mapping[str, str], reference: str) -> Iterator[str]:
    """The best row of each score of the region, whoever it is."""
    for score, name in LOWEST.items():
        rows = {
            named(called, method, kind): CALIBRATED[score][1] * row["value"]
            for (method, kind, measure), row in table.items()
            if measure == score and method in called
        }
        ours, places = called[reference], CALIBRATED[score][2]
        if ours not in rows:
            continue
        best = min(rows, key=lambda one: rows[one])
        text = f"{name} in the region: lowest for {best} ({rows[best]:.{places}f})"
        yield f"{text}." if best == ours else f"{text}, not for {ours} ({rows[ours]:.{places}f})."


def _losses(called: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """Whose loss raises the foreground's probability: UNet's has no option, the ablation's has one."""
    own = ablation_names(params)
    balanced = params["methods"][BASE]["loss"].get("balanced_cross_entropy", True)
    without = [called[name] for (_, evidential), name in own.items() if not evidential]
    rows = [*([called[RIVAL]] if RIVAL in called else []), *(without if balanced else [])]
    if rows:
        yield (
            f"Half of the loss of {_listed(rows)} is a cross-entropy in which foreground and background "
            "weigh alike, however few pixels are foreground: it raises the foreground's probabilities by "
            "design."
        )
    if balanced and any(evidential for _, evidential in own) and without:
        yield ("EL takes this loss's place, so what it changes includes the change of the loss.")


def _temperatures(table: Table, called: Mapping[str, str]) -> Iterator[str]:
    """Where the temperature of the image makes the region worse."""
    for method in called:
        raw, image, region = (
            table.get((method, kind, "nll_region")) for kind in ("raw", "scaled", "scaled_region")
        )
        if raw and image and region and image["value"] > raw["value"]:
            yield (
                f"{called[method]}: the temperature fitted on the whole image makes the region worse (NLL "
                f"{raw['value']:.3f} to {image['value']:.3f}). The one fitted on the validation region "
                f"gives an NLL of {region['value']:.3f} in the region and "
                f"{table[method, 'scaled_region', 'nll_image']['value']:.4f} in the image."
            )


def _dropout(pairs: Pairs, called: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[str]:
    """Where the passes with dropout segment clearly worse than the same network without any."""
    for name, twin in dropout_twins(params).items():
        row = pairs.get((name, twin, "raw", "dice"))
        if row is not None and row["high"] < 0:
            yield (
                f"{called[name]}{KINDS['sampled']}: its Dice is clearly below that of {called[twin]} "
                f"({100 * row['value']:+.2f} points, {limits(100 * row['low'], 100 * row['high'], 2)}), so "
                "its probabilities and its uncertainty are those of a worse network."
            )


def _once(params: Mapping[str, Any]) -> Iterator[str]:
    """What limits over patients leave open where each network was trained once."""
    if len(params["seeds"]) == 1:
        yield (
            "This table uses one training of each network. Its intervals cover the choice of patients, not "
            "the choice of seed. With two or more values in `seeds` it has rows for the ensemble, too."
        )


def _area(table: Table, called: Mapping[str, str]) -> Iterator[str]:
    """Whose best map ranks patients no better than the predicted area does."""
    measure, end = "excess_aurc_patients", "_excess_aurc_patients"
    for method in called:
        for kind in KINDS:
            found = {
                name.removesuffix(end): float(row["value"])
                for (m, k, name), row in table.items()
                if (m, k) == (method, kind) and name.endswith(f"_{measure}")
            }
            area = found.pop("inverse_area", None)
            if area is not None and found and min(found.values()) >= area:
                yield (
                    f"{named(called, method, kind)}: no map ranks the patients better than the predicted "
                    f"area does (excess AURC {100 * min(found.values()):.2f} against {100 * area:.2f})."
                )


def _listed(rows: list[str]) -> str:
    return rows[0] if len(rows) == 1 else f"{', '.join(rows[:-1])} and {rows[-1]}"
