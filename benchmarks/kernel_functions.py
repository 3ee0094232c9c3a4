"""Lines of `kernels.py`: the project's own functions."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kernel_inputs import Line, Parts, whole

from textbcs.settings.presets import read_preset


def functions() -> Iterator[Line]:
    """The project's own functions, from the phantom to the tests of significance."""
    from textbcs.phantom.patient import make_patient
    from textbcs.phantom.settings import Settings

    settings = Settings.of(
        read_preset("phantom", Path(__file__).parent.parent / "presets")["phantom"]
    )
    for index in (1, 2):
        yield f"phantom's patient {index}", partial(_patient, settings, index)
    patient = make_patient(settings, 2)
    middle = int(patient.mask.sum((1, 2)).argmax())
    yield "a slice", partial(_slice, patient.phases[1], patient.mask, middle)
    yield "metrics of a slice", partial(_metrics, patient.mask[middle])
    yield "tests of significance", _significance
    yield "calibration", _calibration
    yield "uncertainty", _uncertainty
    yield "text encoder", _text_embedding


def _patient(settings: Any, index: int) -> Parts:
    from textbcs.phantom.patient import make_patient

    made = make_patient(settings, index)
    return {
        "phases": made.phases,
        "mask": made.mask,
        "anatomy": made.anatomy.base,
        "gain": made.anatomy.gain,
    }


def _slice(volume: Any, there: Any, middle: int) -> Parts:
    from textbcs.prompts.derive import measure_lesions
    from textbcs.slices.laterality import midline
    from textbcs.slices.resize import SquareGrid, clip_to_unit

    grid = SquareGrid((128, 128), (2.8, 2.7), 96)
    unit = clip_to_unit(volume, [0.1, 99.9])
    small, mask = grid.image(unit[middle]), grid.mask(there[middle])
    lesions = measure_lesions(mask, (grid.spacing, grid.spacing), 20.0)
    assert lesions is not None
    return {
        "unit": unit,
        "image": small,
        "mask": mask,
        "native": grid.to_native(small),
        "midline": midline(unit),
        "lesions": [lesions.area_mm2, lesions.solidity, lesions.eccentricity],
    }


def _metrics(there: Any) -> Parts:
    import numpy as np

    from textbcs.evaluation.metrics.lesions import count_lesions
    from textbcs.evaluation.metrics.surfaces import surfaces

    found = np.roll(there, 2, axis=1)
    distances = surfaces(found, there, (2.8, 2.7), (3.0, 6.0))
    return {
        "surfaces": [*distances.nsd, distances.hd95_mm, distances.assd_mm],
        "lesions": list(vars(count_lesions(found, there, 4, 0.1)).values()),
    }


def _significance() -> Parts:
    import numpy as np

    from textbcs.evaluation.statistics import intervals, paired_tests

    first, second = np.abs(whole(60)), np.abs(whole(60, seed=1))
    away = first - second
    return {
        "interval": list(vars(intervals.mean_interval(first, 1999, 3, 0.95)).values()),
        "t": paired_tests.paired_t(away),
        "wilcoxon": paired_tests.wilcoxon(away),
        "sign flip": paired_tests.sign_flip(away, 1999, 3),
        "all sign flips": paired_tests.sign_flip(away[:9], 1999, 3),
        "dz": list(vars(paired_tests.cohen_dz(away, 1999, 3, 0.95)).values()),
        "delta": list(vars(paired_tests.cliffs_delta(first, second, 1999, 3, 0.95)).values()),
    }


def _calibration() -> Parts:
    import numpy as np

    from textbcs.evaluation.metrics import probability as probability_scores
    from textbcs.evaluation.uncertainty import calibration

    odds, truth = whole(4, 900) * 3, whole(4, 900, seed=1) > 0.4
    temperature = calibration.fit_temperature(odds, truth)
    p = calibration.scaled(odds, temperature)
    bins = calibration.reliability(p, truth, 15)
    return {
        "temperature": temperature,
        "probability": p,
        "reliability": bins.probability,
        "nll": probability_scores.negative_log_likelihood(p, truth),
        "brier": probability_scores.brier(p, truth),
        "auroc": calibration.auroc(p, truth),
        "precision": calibration.average_precision(p, truth),
        "aurc": calibration.aurc(np.abs(whole(60)), np.abs(whole(60, seed=1))),
    }


def _uncertainty() -> Parts:
    import numpy as np

    from textbcs.prediction import dirichlet

    evidence = np.abs(whole(2, 2, 20, 20)).astype(np.float32)
    several = np.abs(whole(60)).reshape(4, 15) / 2
    return {
        **vars(dirichlet.uncertainty(evidence)),
        **{f"{name} of several": value for name, value in dirichlet.ensemble(several).items()},
    }


def _text_embedding() -> Parts:
    from textbcs.text.encoders import embed

    options = {"encoder": "minilm", "directory": "", "max_tokens": 16}
    return {"tokens": embed(["left breast, one round tumour", "both"], options).tokens}
