"""One patient's row against counts by hand, and her lesions against flooding."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from textbcs.evaluation.volumes.patient_scores import Reference, Rules, score_patient, to_native

RULES = Rules([1.0, 3.0], minimum_mm3=12.0, minimum_covered=0.5)
STEP = (2.0, 1.0, 1.0)  # 2 mm³ a voxel: six voxels count
STEPS = [step for step in product((-1, 0, 1), repeat=3) if any(step)]


def two_lesions() -> np.ndarray:
    mask = np.zeros((8, 12, 12), bool)
    mask[1:3, 1:5, 1:5] = mask[5:7, 7:10, 7:10] = True  # 32 and 18 voxels
    return mask


def parts(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """26-connected components by flooding, without a library."""
    left, found = {tuple(map(int, p)) for p in np.argwhere(mask)}, []
    while left:
        grown, edge = set(), {left.pop()}
        while edge:
            grown |= edge
            edge = {tuple(map(sum, zip(p, s, strict=True))) for p in edge for s in STEPS} & left
            left -= edge
        found.append(grown)
    return found


def test_a_row_by_hand() -> None:
    """Half of the large lesion, nothing of the small one, one false part and a speck that does not count."""
    found = np.zeros((8, 12, 12), bool)
    found[1, 1:5, 1:5] = found[0:2, 9:11, 9:11] = found[7, 0, 0] = True  # 16, 8 and 1 voxels
    row = score_patient(found, Reference.of(two_lesions(), STEP), RULES)
    assert row["dice"] == pytest.approx(2 * 16 / (25 + 50))
    volumes = (row["reference_ml"], row["predicted_ml"], row["false_ml"])
    assert volumes == pytest.approx((0.1, 0.05, 0.018))
    counts = [
        row[f"{name}"] for name in ("lesions", "lesions_found", "components", "false_components")
    ]
    assert counts == [2, 1, 2, 1]
    assert not row["distance_replaced"]
    assert list(row)[:5] == ["dice", "nsd_1mm", "nsd_3mm", "hd95_mm", "distance_replaced"]


def test_nothing_found_and_nothing_there() -> None:
    empty = np.zeros((8, 12, 12), bool)
    missed = score_patient(empty, Reference.of(two_lesions(), STEP), RULES)
    assert (missed["dice"], missed["nsd_1mm"], missed["lesions_found"]) == (0, 0, 0)
    assert missed["distance_replaced"]
    assert missed["hd95_mm"] == pytest.approx((16**2 + 12**2 + 12**2) ** 0.5)
    alarm = score_patient(two_lesions(), Reference.of(empty, STEP), RULES)
    assert (alarm["dice"], alarm["lesions"], alarm["false_components"]) == (0, 0, 2)
    assert alarm["false_ml"] == alarm["predicted_ml"] == pytest.approx(0.1)
    assert np.isnan(alarm["hd95_mm"])
    neither = score_patient(empty, Reference.of(empty, STEP), RULES)
    assert np.isnan([neither["dice"], neither["nsd_1mm"], neither["hd95_mm"]]).all()
    assert not neither["distance_replaced"]


@given(arrays(bool, (3, 4, 4)), arrays(bool, (3, 4, 4)))
def test_lesions_agree_with_flooding(predicted: np.ndarray, reference: np.ndarray) -> None:
    rules = Rules([1.0], minimum_mm3=4.0, minimum_covered=0.5)  # two voxels
    found = Reference.of(reference, STEP).lesions(predicted, rules)
    drawn, true = ({tuple(map(int, p)) for p in np.argwhere(m)} for m in (predicted, reference))
    lesions = [part for part in parts(reference) if len(part) >= 2]
    components = [part for part in parts(predicted) if len(part) >= 2]
    assert found.lesions == len(lesions)
    assert found.lesions_found == sum(2 * len(part & drawn) >= len(part) for part in lesions)
    assert found.components == len(components)
    assert found.false_components == sum(not part & true for part in components)


def test_findings_go_to_a_finer_grid_slice_by_slice() -> None:
    """Two native pixels a square one, of a slice with twice as many rows as columns."""
    facts = {"native_rows": 16, "native_cols": 8, "spacing_slice_mm": 3.0}
    facts |= {"native_spacing_row_mm": 1.0, "native_spacing_col_mm": 1.0}
    square = np.zeros((3, 8, 8), bool)
    square[1, 2:4, 2:6] = True
    square[2, :, :2] = True  # lies beside the slice, whose columns are 2 to 5
    native = to_native(square, facts)
    assert native.shape == (3, 16, 8)
    assert not native[0].any()
    assert native[1].sum() == native[1, 4:8].sum() == 4 * 8
    assert not native[2, :, 1:].any()
