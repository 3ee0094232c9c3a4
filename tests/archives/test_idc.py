"""The real index of the IDC, listings of a bucket, and what the dry run says before anything is fetched."""

import hashlib
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from cohort_stage import make_stage

from textbcs.archives.archive import open_archive
from textbcs.archives.idc import index_path, parse_listing, read_index
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import select
from textbcs.cohort.listing import list_tables
from textbcs.commands.estimate import estimate
from textbcs.settings.presets import read_preset

DUKE = "duke_breast_cancer_mri"


@pytest.fixture(scope="module")
def duke() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of the whole collection, from the preset and the installed index."""
    return list_tables(read_preset("duke"), lambda paths: paths)


def gigabytes(table: pd.DataFrame) -> float:
    return float(table["bytes"].sum() / 1e9)


def test_the_whole_collection(duke) -> None:
    """Counts as TCIA states them (922, 5034 MR, 127 SEG, 368.4 GB) and as BAMF states them (897)."""
    series, patients = duke
    assert list(patients["patient"]) == [f"Breast_MRI_{n:03d}" for n in range(1, 923)]
    images = series[series["modality"] == "MR"]
    assert len(images) == 5034
    assert images["instances"].sum() == 773_126
    assert gigabytes(images) == pytest.approx(368.39, abs=0.01)
    masks = series[series["modality"] == "SEG"]
    own = masks[masks["description"] == "Segmentation"]
    assert (len(own), len(masks) - len(own)) == (127, 897)
    assert set(series["modality"]) == {"MR", "SEG"}
    assert series["series_uid"].is_unique
    kinds = {
        "AIMI breast-tumor AI segmentation": 805,
        "AIMI breast-tumor radiologist 9 corrected segmentation": 45,
        "AIMI breast-tumor radiologist 10 corrected segmentation": 47,
        "Segmentation": 127,
    }
    assert masks["description"].value_counts().to_dict() == kinds
    licences = {"CC BY 4.0": 897, "CC BY-NC 4.0": 5161}
    assert series["licence"].value_counts().to_dict() == licences
    assert set(series.loc[series["licence"] == "CC BY 4.0", "doi"]) == {"10.5281/zenodo.8345959"}
    assert set(images["doi"].str.lower()) == {"10.7937/tcia.e3sv-re93"}


def test_phases_of_the_whole_collection(duke) -> None:
    series, patients = duke
    counts = series[series["phase"].isin(["pre", "post1"])].groupby(["patient", "phase"]).size()
    assert (counts == 1).all()
    both = counts.unstack(fill_value=0).reindex(patients["patient"], fill_value=0)
    assert list(both.index[(both < 1).any(axis=1)]) == ["Breast_MRI_700"]
    excluded = patients[patients["excluded"] != ""]
    reasons = dict(zip(excluded["patient"], excluded["excluded"], strict=True))
    assert reasons == {"Breast_MRI_700": "no first post-contrast series"}
    # GE and Siemens, each under its whole name.
    assert sorted(patients["manufacturer"].value_counts()) == [294, 628]


def test_the_selection_and_its_gigabytes(duke) -> None:
    params = read_preset("duke")
    assert params["cohort"]["phases"] == ["pre", "post1"]
    chosen = select(*duke, params["cohort"], params["masks"])
    images = chosen[chosen["modality"] == "MR"]
    assert gigabytes(images) == pytest.approx(151, abs=0.5)
    assert gigabytes(images[images["phase"] == "post1"]) == pytest.approx(75.5, abs=0.5)
    only = {**params["cohort"], "phases": ["post1"]}
    chosen = select(*duke, only, params["masks"])
    assert gigabytes(chosen[chosen["modality"] == "MR"]) == pytest.approx(75.5, abs=0.5)
    masks = chosen[chosen["phase"] == "mask"]
    assert masks["patient"].nunique() == len(masks) == 92


def test_the_index_agrees_with_the_table_that_was_made_from_it(duke_tables) -> None:
    table = pd.read_csv(duke_tables / "duke_idc_v25_series.csv.gz", dtype=str)
    rows = read_index(index_path("presets/none", "25.0.5"), DUKE)
    ours = {row["SeriesInstanceUID"]: row["crdc_series_uuid"] for row in rows}
    theirs = dict(zip(table["SeriesInstanceUID"], table["crdc_series_uuid"], strict=True))
    assert ours == theirs


def test_one_series_of_the_real_index() -> None:
    uid = "1.3.6.1.4.1.14519.5.2.1.15147203499230039585785258602759759529"
    rows = read_index(index_path("presets/none", "25.0.5"), DUKE)
    (row,) = [row for row in rows if row["SeriesInstanceUID"] == uid]
    assert row["PatientID"] == "Breast_MRI_001"
    assert (row["instanceCount"], row["series_size_MB"]) == (160, 64.608706)
    assert row["crdc_series_uuid"] == "1684fdb0-1561-4a1f-8dd3-3eadb2a967f1"
    assert row["aws_bucket"] == "idc-open-data-cr"
    assert not {"PatientAge", "PatientSex", "StudyDate"} & set(row)


def test_the_dry_run_says_everything_and_writes_nothing(tmp_path: Path, monkeypatch) -> None:
    params = read_preset("duke")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(estimate(params))
    assert "listed    922 patients, 6058 series, 377.4 GB" in text
    assert "excluded  1 of 922 patients: no first post-contrast series" in text
    assert "to fetch  921 patients, 1934 series, 152.1 GB" in text
    assert "pre     921 patients, 921 series, 75.6 GB, licence CC BY-NC 4.0, DOI 10.7937/" in text
    assert "mask    92 patients, 92 series, 0.9 GB, licence CC BY 4.0, DOI 10.5281/zenodo" in text
    assert not list(tmp_path.iterdir())


def test_another_version_of_the_index_stops(params, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys = {"kind": "idc", "address": "https://127.0.0.1:9", "collection": DUKE}
    garbage = tmp_path / "garbage.parquet"
    garbage.write_bytes(hashlib.sha256(b"x").digest() * 9)
    for index, version, words in (
        ("presets/none", "24.0.0", "wants '24.0.0' of idc-index-data, installed is 25.0.5"),
        ("nowhere.parquet", "", "nowhere.parquet: file is missing"),
        (str(garbage), "", "garbage.parquet: no readable index of the IDC"),
    ):
        params["cohort"] |= {**keys, "index": index, "index_version": version}
        with pytest.raises(InputError, match=words) as error:
            list_tables(make_stage(params).params, lambda paths: paths)
        assert "\n" not in str(error.value)


HEAD = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def listing(*keys: str, tail: str = "<IsTruncated>false</IsTruncated>") -> bytes:
    rows = "".join(
        f"<Contents><Key>{key}</Key><Size>5</Size><ETag>&quot;ab&quot;</ETag></Contents>"
        for key in keys
    )
    return f"{HEAD}{rows}{tail}</ListBucketResult>".encode()


def test_a_listing() -> None:
    objects, token = parse_listing(listing("u/b.dcm", "u/a.dcm"), "u/")
    assert [(one.key, one.size, one.etag) for one in objects] == [
        ("u/b.dcm", 5, "ab"),
        ("u/a.dcm", 5, "ab"),
    ]
    assert token == ""
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t/=</NextContinuationToken>"
    assert parse_listing(listing("u/a.dcm", tail=more), "u/")[1] == "t/="
    plain = listing("u/a.dcm").replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b"")
    assert len(parse_listing(plain, "u/")[0]) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b"<Error><Code>AccessDenied</Code></Error>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult/>',
        listing("u/../../etc/x.dcm"),
        listing("u/.hidden.dcm"),
        listing("v/a.dcm"),
        listing("u/a.exe"),
        listing("u/deep/a.dcm"),
        listing("u/a.dcm", tail="<IsTruncated>true</IsTruncated>"),
        listing("u/a.dcm").replace(b"<Size>5", b"<Size>five"),
    ],
)
def test_what_is_no_listing(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (its words differ)
        parse_listing(body, "u/")


def test_an_index_with_holes_is_one_line(params, tmp_path: Path, monkeypatch) -> None:
    """Numbers that are missing are met when a row is used, long after the file was opened."""
    monkeypatch.chdir(tmp_path)
    texts = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesDescription"]
    texts += ["SeriesNumber", "Manufacturer", "license_short_name", "source_DOI", "aws_bucket"]
    columns = dict.fromkeys([*texts, "crdc_series_uuid"], "'1'")
    columns |= {"collection_id": "'c'", "instanceCount": "NULL", "series_size_MB": "1.5"}
    made = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {made}) TO 'holes.parquet' (FORMAT parquet)")
    keys = {"kind": "idc", "address": "https://127.0.0.1:9", "collection": "c"}
    params["cohort"] |= keys | {"index": "holes.parquet", "index_version": ""}
    with pytest.raises(InputError, match=r"holes\.parquet: no readable listing of series") as error:
        open_archive(params).series(lambda paths: paths)
    assert "\n" not in str(error.value)
