"""Names of DICOM objects in an export."""

from pathlib import Path

from textbcs.base.io import sha256_file
from textbcs.intake.series_uids import part_uid
from textbcs.lineage.export.entities import Entities, urn_of


def test_a_part_of_a_series_has_the_name_of_the_series() -> None:
    assert urn_of("1.2.3") == urn_of(part_uid("1.2.3", 2)) == "urn:oid:1.2.3"


def test_what_names_a_persons_files_is_not_copied(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    entities = Entities(limit=0)
    for name in ("series.csv", "intake.csv"):
        path = Path("data/cohort", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("MUELLER/IM1")
        entities.add_file(str(path), sha256_file(path), path.stat().st_size)
    assert list(entities.inside) == ["data/cohort/series.csv"]
    assert [one for one in entities.entities if one.startswith("ni:")]
