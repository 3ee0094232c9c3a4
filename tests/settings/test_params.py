import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty import changed, fault

from textbcs.base.io import NONE, InputError
from textbcs.models.common import registry
from textbcs.settings import params
from textbcs.settings.combinations import impossible
from textbcs.settings.methods import method_names
from textbcs.settings.presets import read_preset

SEG = {"source": "expert", "kind": "dicom_seg", "description": "^x$", "segment": "Tumor"}
NIFTI = {"source": "expert", "kind": "nifti", "folder": ".", "join": "patient"}
BOX = {
    "source": "box",
    "kind": "box",
    "level": 0.5,
    "peak_percentile": 99,
    "margin_mm": 8,
    "smallest_mm3": 60,
}
PRESETS = sorted(path.stem for path in Path("presets").glob("*.yaml"))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset: str) -> None:
    values = read_preset(preset)
    assert params.fault_of(values) is None
    assert list(impossible(values)) == []
    assert sorted(values["methods"]) == registry.names() == method_names()


def test_fractions_are_the_default_and_three_variants_more() -> None:
    values, default = (read_preset(name) for name in ("fractions", "phantom"))
    steps = {}
    for name in values["tables"]["variants"][len(default["tables"]["variants"]) :]:
        changes = values["variants"].pop(name)
        steps[name] = changes["training"]["fraction"] * changes["training"]["epochs"]
        assert name == f"fraction_{round(100 * changes['training']['fraction'])}"
        assert changes["training"]["early_stop_patience"] == changes["training"]["epochs"]
        # The KL term rises over the same share of the training as the base's.
        annealing = values["methods"]["textbcs"]["loss"]["kl_annealing_epochs"]
        assert changes["loss"]["kl_annealing_epochs"] * changes["training"]["fraction"] == annealing
        values["tables"]["variants"].remove(name)
    assert set(steps.values()) == {default["training"]["epochs"]}
    assert values == default


def test_duke_is_the_papers_protocol() -> None:
    # TextBCS 4.3, and five seeds of our own.
    values = read_preset("duke")
    training = values["training"]
    assert (values["slices"]["size"], training["optimizer"]) == (224, "adam")
    assert {batch for _, batch in values["methods"]["textbcs"]["grid"]} == {4}
    assert (training["schedule"], training["plateau_factor"], training["plateau_patience"]) == (
        "plateau",
        0.1,
        5,
    )
    assert (training["early_stop_patience"], values["text"]["encoder"]) == (50, "bioclinicalbert")
    assert len(values["seeds"]) == 5
    loss = values["methods"]["textbcs"]["loss"]
    assert (loss["lambda_evidence"], loss["lambda_kl"], loss["lambda_alignment"]) == (
        0.01,
        5e-7,
        0.01,
    )
    for name in values["tables"]["table1"]:
        network = values["methods"][name]["network"]
        published = registry.full_size(network)
        own = {"tokens"}  # LViT's 10 would cut our prompts
        for key in published.keys() - own:
            assert network[key] in (published[key], list(np.atleast_1d(published[key]))), (
                name,
                key,
            )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("training.weight_decay", -1, "training.weight_decay = -1: allowed: number, at least 0"),
        ("methods.unet.grid", [[0, 8]], "methods.unet.grid.0.0 = 0: allowed: number, above 0"),
        ("tables.table1", ["unet"], "tables.table1: needs 'textbcs', which all variants change"),
        (
            "tables.reference",
            "unet",
            "tables.reference = 'unet': unknown key; allowed here: for_use, table1, variants",
        ),
        ("tables.variants", ["x"], "tables.variants.0 = 'x': no such variant"),
        ("robustness.methods", ["textbcs", "x"], "robustness.methods.1 = 'x': allowed: a name in"),
        ("robustness.first_pass", "x", "robustness.first_pass = 'x': allowed: a name in"),
        ("methods.unet.network", {"model": "textbcs"}, "methods.unet.network"),
        ("training.fraction", 0, "training.fraction = 0: allowed: number, above 0, at most 1"),
        ("training.fraction", 1.5, "training.fraction = 1.5: allowed: number, above 0, at most 1"),
        (
            "variants.dropout_unet.network.dropout",
            1,
            "variants.dropout_unet.network.dropout = 1: allowed: number, at least 0, below 1",
        ),
        ("variants.dropout_unet.training", {"fractoin": 1}, "training.fractoin = 1: unknown key"),
        ("methods.unet.network.dropout", 0.5, "methods.unet.network.dropout = 0.5: unknown key"),
        ("evaluation.calibration.dropout_passes", 1, "dropout_passes = 1: allowed: .* at least 2"),
        ("training.lr", 1, "training.lr = 1: unknown key; allowed here: "),
        ("slices.phase", "post9", "slices.phase = 'post9': allowed: one of pre, post1"),
        ("methods.unet.network.widht", 3, "methods.unet.network.widht = 3: unknown key"),
        ("methods.unet.training", {"lr": 1}, "methods.unet.training.lr = 1: unknown key"),
        ("training.channels_last", "yes", "training.channels_last = 'yes': allowed: boolean"),
        ("split.ratio", [7, 1], r"split.ratio = \[7, 1\]: allowed: array"),
        ("slices.size", 50, "slices.size = 50: .*multiples of 16"),
        ("tables.table1", ["unet", "x"], "tables.table1.1 = 'x': no such method"),
        ("slices.phase", "sub", "subtraction needs 'pre'"),
        ("masks.sources", [SEG | {"kind": "x"}], "masks.sources.0.kind = 'x': allowed: one of"),
        ("masks.sources", [SEG | {"segmnt": "x"}], "masks.sources.0.segmnt = 'x': unknown key"),
        ("masks.sources", [NIFTI], "masks.sources.0.kind = 'nifti': needs a folder"),
        ("masks.sources", [SEG, BOX], "masks.sources.1.kind = 'box': needs 'pre' and 'post1'"),
        ("prompts.source", "table", "prompts.source = 'table': needs a table"),
        (
            "prompts.source",
            "guess",
            "prompts.source = 'guess': allowed: one of derive, table, report",
        ),
        ("masks.train_only", ["expert"], "masks.train_only = .* covers all of masks.sources"),
        (
            "masks.sources",
            [SEG | {"description": "^(breast"}],
            r"masks.sources.0.description = '\^\(breast': no regular expression",
        ),
        ("robustness.methods", ["textbcs", "unet"], "methods.1 = 'unet': .* read the prompt: lvit"),
        ("robustness.first_pass", "lvit", "first_pass = 'lvit': allowed: one that reads no text"),
        ("gradcam.with", "unet", "gradcam.with = 'unet': allowed: a variant with svli and without"),
        ("gradcam.with", "nope", "gradcam.with = 'nope': allowed: a variant with svli"),
        (
            "gradcam.with",
            "evidence_e0",
            "gradcam.with = 'evidence_e0': allowed: .* evidential that",
        ),
        ("gradcam.with", "ablation_none", "gradcam.with = 'ablation_none': allowed"),
        (
            "gradcam.without",
            "ablation_svli",
            "gradcam.without = 'ablation_svli': allowed: a varian",
        ),
        (
            "tables.variants",
            ["ablation_none", "evidence_e0"],
            "gradcam.with = 'ablation_svli': allowed: a variant .* that tables.variants lists",
        ),
        (
            "tables.variants",
            [],
            r"gradcam.without = 'ablation_none': with tables.variants = \[\] allowed: textbcs",
        ),
        (
            "evaluation.bootstrap.confidence",
            0.9,
            "confidence = 0.9: unknown key; allowed here: resamples, seed",
        ),
        (
            "evaluation.nsd_tolerances_mm",
            [6.0, 3.0],
            r"nsd_tolerances_mm = \[6.0, 3.0\]: allowed: ascending",
        ),
        ("evaluation.lesions.minimum_component_mm2", 5, "minimum_component_mm2 = 5: unknown key"),
        ("seeds", [1, 1], r"seeds = \[1, 1\]: allowed: array, at least 1 item, no value twice"),
        ("replicates.seeds", [2, 1], "replicates.seeds.1 = 1: every method is trained with it"),
        (
            "replicates.seeds",
            [2, 2],
            r"replicates.seeds = \[2, 2\]: allowed: array, no value twice",
        ),
        ("replicates.methods", [], r"replicates.methods = \[\]: allowed: array, at least 1 item"),
        (
            "replicates.methods",
            ["textbcs", "x"],
            "methods.1 = 'x': allowed: a name in tables.table1",
        ),
        ("replicates.methods", ["unet"], r"replicates.methods = \['unet'\]: needs 'textbcs'"),
        ("replicates.methods", ["textbcs"] * 2, "replicates.methods = .* no value twice"),
        ("tables.table1", ["unet", "textbcs"], "replicates.methods.1 = 'nnunet': allowed: a name"),
        ("split.ratio", [7, 1], r"split.ratio = \[7, 1\]: allowed: array, 3 items \(weights"),
        ("slices.phase", "post2", "needs 'post2' in cohort.phases"),
        ("slices.clip_percentiles", [99, 1], "the first below the second"),
        ("phantom.patients", 3, "at least 10"),
        ("phantom.tumours", [0.5, 0.1, 0.1, 0.1], "allowed: sum 1"),
        ("methods.textbcs.network.heads", 3, "divisors of width"),
        ("methods.textbcs.network.grid", 5, "divisors of slices.size / 8"),
    ],
)
def test_faults_name_key_value_and_what_is_allowed(key: str, value: Any, words: str) -> None:
    message = fault(changed(key, value))
    assert re.search(words, message), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({"kind": "idc"}, "cohort.address = .*with kind idc allowed: an address"),
        ({"address": "https://host"}, "cohort.address = .*with kind phantom allowed: ''"),
        ({"archive": "data/own"}, "cohort.archive = .*with kind phantom allowed: presets/none"),
        ({"kind": "folder"}, "cohort.archive = .*with kind folder allowed: a folder"),
        (
            {"kind": "folder", "archive": "https://host"},
            "cohort.archive = 'https://host': allowed: a folder; an address stands in cohort.address",
        ),
        ({"kind": "nbia", "address": "https://host"}, "collection = '': kind nbia needs"),
        (
            {"kind": "idc", "address": "https://host", "collection": "c"},
            "index_version = '': with kind idc and this index allowed: a version of idc-index-data",
        ),
        (
            {
                **{"kind": "idc", "address": "https://host", "collection": "c"},
                **{"index": "a.parquet", "index_version": "25.0.5"},
            },
            "index_version = '25.0.5': with kind idc and this index allowed: ''",
        ),
        (
            {"kind": "nbia", "address": "https://host", "collection": "c", "index": "a.parquet"},
            "index = 'a.parquet': with kind nbia allowed: a .tcia file or 'presets/none'",
        ),
        ({"index": "a.tcia"}, "index = 'a.tcia': with kind phantom allowed: 'presets/none'"),
        ({"index": "s5cmd"}, "cohort.index = 's5cmd': allowed: string, matching"),
        ({"index_version": "1.0"}, "index_version = '1.0': with kind phantom and this index"),
    ],
)
def test_an_archive_is_named_as_its_kind_needs(cohort: dict[str, Any], words: str) -> None:
    values = changed("cohort.doi", "")
    values["cohort"] |= cohort
    message = fault(values)
    assert re.search(words, message), message
    for index in (NONE, "m.tcia"):
        values["cohort"] |= {"kind": "nbia", "address": "https://host", "index": index}
        values["cohort"] |= {"archive": NONE, "index_version": "", "collection": "c"}
        assert not list(impossible(values))


def test_a_missing_key_is_named() -> None:
    values = changed("split.seed", 1)
    del values["split"]["seed"]
    assert fault(values) == (
        "split.seed is missing: allowed: integer, at least 0, at most 4294967295 "
        "(draws the order of patients and strata)"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2\n", "not valid YAML"),
        ("- 1\n", "expected sections"),
        ("a: 2020-13-45\n", r"p\.yaml: not valid YAML: month must be in 1..12"),
        ("a: " + "[" * 3000, r"p\.yaml: not valid YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        params.load_params(tmp_path / "p.yaml")
    assert "\n" not in str(caught.value)


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("a: 5e-7\nb: no\n")
    assert params.read_yaml(tmp_path / "p.yaml") == {"a": 5e-7, "b": "no"}


def test_select_gives_the_named_part_only() -> None:
    values = {"a": {"b": 1, "c": 2}, "d": 3, "e": 4}
    assert params.select(values, ["a.b", "d"]) == {"a": {"b": 1}, "d": 3}
    with pytest.raises(InputError, match=r"a\.x is missing"):
        params.select(values, ["a.x"])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("cohort.descriptions", {"post1": "("}, "cohort.descriptions.post1 = '(': no regular expr"),
        ("cohort.descriptions", {"pre": "native"}, "post1 is missing"),
        ("cohort.descriptions", {"post1": "a", "late": "b"}, "late = 'b': unknown key"),
        ("cohort.phases", ["pre", "post1"], "pre is missing in cohort.descriptions"),
    ],
)
def test_descriptions_of_own_data(key: str, value: Any, words: str) -> None:
    assert words in fault(changed(key, value, "own"))


def test_nifti_volumes_need_descriptions_and_have_no_boxes() -> None:
    values = changed("cohort.kind", "nifti", "own")
    assert not list(impossible(values))
    values["cohort"]["boxes"] = "boxes.csv"
    assert "cohort.boxes = 'boxes.csv': with kind nifti" in fault(values)
    values = changed("cohort.kind", "nifti", "own")
    del values["cohort"]["descriptions"]
    assert "cohort.descriptions is missing: kind nifti" in fault(values)
    values["cohort"]["series"] = "data/own/series.csv"
    assert not list(impossible(values))


def test_a_table_of_series_needs_no_description_of_each_phase() -> None:
    values = changed("cohort.phases", ["pre", "post1"], "own")
    values["cohort"]["series"] = "data/own/series.xlsx"
    assert not list(impossible(values))
    assert "cohort.series = 'series.txt'" in fault(changed("cohort.series", "series.txt", "own"))
    assert "cohort.visit = 'newest'" in fault(changed("cohort.visit", "newest", "own"))


def test_without_sides_no_report_is_read() -> None:
    values = read_preset("phantom")
    values["cohort"]["sides"] = "none"
    assert list(impossible(values)) == []
    values["prompts"] |= {"source": "report", "table": "reports.csv"}
    (said,) = impossible(values)
    assert said.endswith("with prompts.source = 'report' allowed: patient, image")
