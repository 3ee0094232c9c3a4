"""What the tests of `audit verify` share: files of the fabricated tree, and findings in short."""

from textbcs.lineage.audit.summary import Report

TABLE = "reports/tables/table1.csv"
MODEL = "results/runs/unet-s1/model.safetensors"


def named(report: Report) -> list[tuple[str, str]]:
    """Class and node of each finding."""
    return [(one.kind, one.node) for one in report.findings]
