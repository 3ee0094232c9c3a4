"""The scores that stand in the tables of uncertainty, as they are gathered run by run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics.ablation_rows import ablation_names
from textbcs.evaluation.statistics.cluster_bootstrap import Draws, draw
from textbcs.evaluation.uncertainty.assessment_samples import Sample
from textbcs.evaluation.uncertainty.resampled_scores import ProbabilitySet, diagram_rows

if TYPE_CHECKING:
    import pandas as pd


class Record:
    """What is said of the sets of probabilities that have limits.

    Attributes:
        methods: whose.
        draws: the samples of the patients.
        samples: by set of probabilities, one a seed.
        diagrams: rows of the first seed's diagrams.
    """

    def __init__(self, params: Mapping[str, Any], patients: int) -> None:
        rows = {*params["tables"]["table1"], *params["tables"]["variants"]}
        named = [RIVAL, BASE, *ablation_names(params).values()]
        self.methods = tuple(name for name in dict.fromkeys(named) if name in rows)
        self.draws: Draws = draw(patients, **params["evaluation"]["bootstrap"])
        self.samples: dict[ProbabilitySet, list[Sample]] = {}
        self.diagrams: list[pd.DataFrame] = []

    def add(
        self, key: ProbabilitySet, seed: int, assessed: Mapping[str, Any], sample: Sample
    ) -> None:
        """Take one seed's scores; `assessed` holds the two scopes' diagrams."""
        if key not in self.samples:
            self.diagrams.append(diagram_rows(key, seed, assessed, sample, self.draws))
        self.samples.setdefault(key, []).append(sample)
