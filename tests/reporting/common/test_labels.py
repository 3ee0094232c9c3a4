"""What a cohort is called in titles."""

from typing import Any

import pandas as pd
import pytest

from textbcs.reporting.common.labels import cohort_words, subject


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({"kind": "phantom", "collection": "", "source": "phantom"}, "phantom cohort"),
        ({"kind": "idc", "collection": "duke", "source": "TCIA Duke"}, "idc cohort"),
        ({"kind": "nifti", "collection": "", "source": "Ward 7"}, "Ward 7 cohort"),
        ({"kind": "folder", "collection": "Breast A", "source": "own"}, "Breast A cohort"),
        ({"kind": "folder", "collection": "", "source": "own"}, "own cohort"),
        ({"kind": "nifti"}, "own cohort"),
        ({"kind": "nifti", "source": "two\nlines"}, "two lines cohort"),
    ],
)
def test_a_cohort_has_its_owners_name(cohort: dict[str, Any], words: str) -> None:
    assert cohort_words(cohort) == words


def test_a_title_names_the_cohort_and_no_format() -> None:
    slices = pd.DataFrame({"kind": ["tumour"], "patient": ["P1"], "mask_source": ["expert"]})
    assert subject({"cohort": {"kind": "nifti", "collection": ""}, "seeds": [1]}, slices) == (
        "Test split of the own cohort: 1 tumour slices of 1 patients; masks: expert; 1 seed"
    )
