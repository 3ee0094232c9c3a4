"""The complexity table: our counts beside the printed ones, with a verdict.

Printed FLOPs mix units (MACs or FLOPs, batches of one or two, 2-D and 3-D networks), so each is
held against the one convention that reproduces UNet and LViT.
"""

from collections.abc import Mapping
from typing import Any

# Why verdicts on the paper stand here whatever the cohort is, as nowhere else.
NOTE = (
    "Parameters and operations depend on the network and the image size, not on the cohort. So they are "
    "compared with the paper's even on phantoms; scores are not."
)
REPRODUCED = 0.005  # of the printed value
CLOSE = 0.05

HEADERS = {
    "label": "Method",
    "reads_at_test": "Reads at test",
    "params_m": "Params M (224 px, full width)",
    "params_learnt_m": "of them trained M",
    "params_mask_m": "of them used for the mask M",
    "flops_g": "FLOPs G (2 per MAC, batch 1)",
    "paper_convention_g": "G as the paper counts (MACs, batch 2)",
    "paper_params_m": "Paper Params M",
    "params_verdict": "Params",
    "paper_flops_g": "Paper Flops G",
    "flops_verdict": "Flops",
    "params_here_m": "Params M (as trained here)",
}


def complexity_row(
    method: str, report: Mapping[str, Any], printed: Mapping[str, Any]
) -> dict[str, Any]:
    """One method's counts in millions and G, with the verdicts where the paper prints a value.

    Args:
        method: its name.
        report: `results/complexity/<method>.json`.
        printed: the method's entry of the paper's Table 1, or {}.
    """
    row: dict[str, Any] = {
        "method": method,
        "label": printed.get("label", method),
        "reads_at_test": report["reads_at_test"],
        "params_m": report["params_as_trained"] / 1e6,
        "params_learnt_m": report["params_learnt"] / 1e6,
        "params_mask_m": report["params_for_mask"] / 1e6,
        "flops_g": report["flops"] / 1e9,
        "paper_convention_g": report["paper_convention_macs"] / 1e9,
        "params_here_m": report["params_here"] / 1e6,
        "paper_params_m": printed.get("params_m"),
        "paper_flops_g": printed.get("flops_g"),
    }
    row["params_verdict"] = verdict(row["params_m"], row["paper_params_m"])
    row["flops_verdict"] = verdict(row["paper_convention_g"], row["paper_flops_g"])
    return row


def verdict(ours: float, printed: float | None) -> str:
    """Whether a printed count follows from the published definition; empty where none is printed."""
    if printed is None:
        return ""
    off = abs(ours - printed) / printed
    if off <= REPRODUCED:
        return "reproduced"
    return "close" if off <= CLOSE else "not reproducible"
