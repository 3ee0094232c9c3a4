"""Free-text reports of synthetic patients: what they state is what was drawn, and nothing else moves."""

import hashlib
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from textbcs.phantom.findings import describe, diameters
from textbcs.phantom.lesions import Lesion
from textbcs.phantom.patient import Patient, make_patient
from textbcs.phantom.reports import write_report
from textbcs.phantom.settings import STREAMS, Settings
from textbcs.settings.presets import read_preset


@pytest.fixture(scope="module")
def few() -> Settings:
    """The default phantom's lesions on a coarse grid, with many distractors."""
    settings = Settings.of(read_preset("phantom")["phantom"])
    return replace(settings, slices=8, matrix=16, distractors_contralateral=1.0)


@pytest.fixture(scope="module")
def patients(few: Settings) -> list[Patient]:
    return [make_patient(few, index) for index in range(1, 61)]


def test_the_stream_is_new_and_the_others_are_what_they_were() -> None:
    """Their places in the list are the seeds."""
    before = ("facts", "anatomy", "tumours", "contralateral", "ipsilateral", "noise")
    assert (*before, "reports") == STREAMS


def test_a_report_changes_no_patient(few: Settings, patients: list[Patient]) -> None:
    first = hashlib.sha256(patients[4].phases.tobytes()).digest()
    assert write_report(few, patients[4]) == write_report(few, patients[4])
    assert hashlib.sha256(make_patient(few, 5).phases.tobytes()).digest() == first
    other = replace(few, seed=few.seed + 1)
    assert write_report(other, make_patient(other, 5)) != write_report(few, patients[4])


def test_every_style_and_many_wordings_occur(few: Settings, patients: list[Patient]) -> None:
    texts = [write_report(few, patient) for patient in patients]
    assert len(set(texts)) == len(texts)
    styles = Counter(
        "headed" if "FINDINGS:" in text else "numbered" if "1)" in text else "prose"
        for text in texts
    )
    assert min(styles[name] for name in ("headed", "numbered", "prose")) >= 6
    everything = " ".join(texts).lower()
    for words in ("mass", "lesion", "tumour", "oval", "spiculated", "round", "o'clock", "quadrant"):
        assert words in everything
    assert not re.search(r"\b(?:19|20)\d\d\b", everything)  # no dates
    assert all(text.isascii() and len(text) < 2000 for text in texts)


def test_what_is_stated_is_what_was_drawn(few: Settings, patients: list[Patient]) -> None:
    """The side and a size within a reader's error: looked for without the project's rules."""
    for patient in patients:
        text = write_report(few, patient)
        side = "left" if patient.facts.side > 0 else "right"
        assert re.search(rf"\b{side}\b", text, re.IGNORECASE)
        scale = 10 if re.search(r"\d cm\b", text) else 1
        stated = [
            scale * float(number) for number in re.findall(r"(\d+(?:\.\d+)?)(?= x | [cm]m\b)", text)
        ]
        longest = max(diameters(one)[0] for one in patient.tumours)
        assert min(abs(np.log(size / longest)) for size in stated) < 0.25, text


def test_the_numbered_style_names_every_tumour(few: Settings, patients: list[Patient]) -> None:
    listed = [(one, text) for one in patients if "\n1)" in (text := write_report(few, one))]
    assert {len(one.tumours) for one, _ in listed} >= {1, 2}
    for one, text in listed:
        assert len(re.findall(r"^\d\)", text, re.MULTILINE)) == len(one.tumours)


def test_distractors_are_told_apart_in_words(few: Settings, patients: list[Patient]) -> None:
    mentioned = [("Incidental" in write_report(few, one), len(one.distractors)) for one in patients]
    assert not any(said for said, count in mentioned if count == 0)
    shares = [said for said, count in mentioned if count]
    assert 0.6 < np.mean(shares) < 1


def test_places_by_hand(patients: list[Patient]) -> None:
    """A lesion above and outside of the nipple is at 1 or 2 o'clock on the left, 10 or 11 on the right."""
    patient = patients[0]
    for breast, hours in zip(patient.anatomy.breasts, ({10, 11}, {1, 2}), strict=True):
        cx, cy, cz = breast.centre
        outside = np.array([cx + breast.sign * 30, cy - 5, cz + 30])
        lesion = replace(patient.tumours[0], centre=outside)
        found, _ = describe(
            replace(patient, tumours=[lesion], distractors=[]), np.random.default_rng(1)
        )
        assert found[0].side == ("left" if breast.sign > 0 else "right")
        assert found[0].quadrant == "upper outer"
        assert found[0].clock in hours
        assert found[0].depth == "posterior"
        ahead = breast.radii[1] - 5
        assert found[0].nipple_mm == pytest.approx(np.sqrt(30**2 + 30**2 + ahead**2))


def test_diameters_of_spheres_and_ellipsoids(few: Settings, patients: list[Patient]) -> None:
    seen = set()
    for one in (lesion for patient in patients for lesion in patient.tumours):
        long, short = diameters(one)
        seen.add(one.shape)
        if one.shape == "round":
            assert long == pytest.approx(2 * one.radius)
            assert short == pytest.approx(2 * one.radius)
        if one.shape == "ellipse":
            axes = 2 / np.linalg.svd(one.axes[0], compute_uv=False)[::-1]
            assert long == pytest.approx(axes[0], rel=0.02)
            assert axes[1] * 0.99 < short < axes[1] * 1.15
        if one.shape == "irregular":
            assert long == pytest.approx(farthest(one), rel=0.03)
            assert short <= long
    assert seen == {"round", "ellipse", "irregular"}


def farthest(lesion: Lesion) -> float:
    """The greatest distance between points on a lesion's parts, by trying them."""
    rng = np.random.default_rng(2)
    unit = rng.standard_normal((400, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    parts = zip(lesion.lobes, lesion.axes, strict=True)
    points = np.concatenate([middle + unit @ np.linalg.inv(axes).T for middle, axes in parts])
    gaps = points[:, None] - points[None]
    return float(np.sqrt((gaps**2).sum(-1)).max())
