"""Stage `robustness`: a trained method that reads text, asked with other prompts than a slice's own.

Reads the weights, the test slices, their prompts, the probes' embeddings (`data/text/styles.*`) and
the maps of the first pass, a network without text, off which automatic prompts are read. Writes to
`results/robustness/<name>-s<seed>/`: `slices.csv`, a row per slice and probe, and `cases.safetensors`,
the maps of the few slices that a figure shows. `evaluation/textworth.py` makes the statistics of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation import metrics
from textbcs.evaluation.predict import load
from textbcs.evaluation.textworth import choose_cases
from textbcs.io import InputError, read_json, read_tensors, records, write_csv, write_tensors
from textbcs.prompts.paraphrase import read_paraphrases
from textbcs.prompts.perturb import NOTHING, automatic_prompt, probe_texts
from textbcs.prompts.table import texts_of
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.models.contract import Output, Segmenter
    from textbcs.models.prompttable import PromptTable
    from textbcs.receipt import Stage

_BATCH = 32
Row = dict[str, Any]
# Predicts the given slices under the given texts, a batch at a time.
Predict = Callable[[Sequence[int], Sequence[str]], "Iterable[Output]"]


def robustness(stage: "Stage", name: str, seed: str) -> None:
    """Score the run `name` with `seed` on every test slice under every probe.

    Params read: `robustness`, `prompts`, `slices`, `evaluation.threshold`, `training.device`, the
    method's `network`.

    Raises:
        InputError: an input is missing or damaged, or the network reads no text.
    """
    stage.seed = int(seed)
    shard = read_slices(stage, "test")
    probes = probe_texts(
        texts_of(stage.input("data/prompts/test.csv"), shard.table["slice_id"]),
        shard.table["patient"].tolist(),
        _first_pass(stage, shard, seed),
        read_paraphrases(),
        stage.params["robustness"]["seed"],
    )
    model, table = load(stage, name, seed, "styles")
    if not model.reads_text:
        raise InputError(f"robustness.methods: {name} reads no text; take it out of the list")
    ask = _asker(model, table, shard, stage.params["slices"]["channels"])
    rows = score(
        stage.progress(probes.items()), shard, ask, stage.params["evaluation"]["threshold"]
    )
    folder = f"results/robustness/{name}-s{seed}"
    write_csv(stage.output(f"{folder}/slices.csv"), rows)
    cases = {
        index: {probe: of[index] for probe, of in probes.items()} for index in choose_cases(rows)
    }
    write_tensors(stage.output(f"{folder}/cases.safetensors"), case_maps(cases, shard, ask))


def _first_pass(stage: "Stage", shard: Shard, seed: str) -> list[str]:
    """The automatic prompt of each slice, read off the masks that the first pass found."""
    rules, run = stage.params["prompts"], f"{stage.params['robustness']['first_pass']}-s{seed}"
    path = stage.input(f"results/evaluation/{run}/predictions.safetensors")
    probability = read_tensors(path)["probability"]
    if len(probability) != len(shard.table):
        raise InputError(
            f"{path}: {len(probability)} maps for {len(shard.table)} test slices; run evaluate again"
        )
    fitted = read_json(stage.input("data/prompts/thresholds.json"))
    texts = [
        automatic_prompt(
            found > stage.params["evaluation"]["threshold"],
            (row["spacing_row_mm"], row["spacing_col_mm"]),
            row["midline_col"],
            stage.params["slices"]["minimum_component_mm2"],
            (fitted["small_up_to_mm2"], fitted["medium_up_to_mm2"]),
            rules,
        )
        for row, found in zip(records(shard.table), probability, strict=True)
    ]
    stage.log(f"first pass {run}: nothing found on {texts.count(NOTHING)} of {len(texts)} slices")
    return texts


def _asker(model: "Segmenter", table: "PromptTable", shard: Shard, channels: int) -> Predict:
    """What predicts slices of the shard under any texts of the table."""
    import torch

    from textbcs.models.inference import infer

    def ask(places: Sequence[int], texts: Sequence[str]) -> "Iterable[Output]":
        image = torch.from_numpy(shard.images[list(places)]).to(table.tokens.device)
        rows = table.rows(texts)
        return infer(model, image, table, rows, channels=channels, batch_size=_BATCH)

    return ask


def score(
    probes: Iterable[tuple[str, Sequence[str]]], shard: Shard, ask: Predict, threshold: float
) -> "pd.DataFrame":
    """A row per probe and slice; a slice is asked once for each distinct text.

    Args:
        probes: names with their n texts; the first is `true`.
        shard: n slices.
        ask: predicts slices under texts.
        threshold: foreground where the probability exceeds this.

    Returns:
        `slice_id`, `patient`, `kind`, `probe`, `prompt` (the text), `dice` and `iou` of the
        foreground, `predicted_pixels`, and `vacuity`, its mean over the slice (empty without evidence).
    """
    import pandas as pd

    known: dict[tuple[int, str], Row] = {}
    rows = []
    facts = records(shard.table)
    for probe, texts in probes:
        fresh = [index for index, text in enumerate(texts) if (index, text) not in known]
        found = _measure(fresh, [texts[index] for index in fresh], shard, ask, threshold)
        known.update({(index, texts[index]): row for index, row in found.items()})
        for index, text in enumerate(texts):
            own = {key: facts[index][key] for key in ("slice_id", "patient", "kind")}
            rows.append({**own, "probe": probe, "prompt": text, **known[index, text]})
    return pd.DataFrame(rows)


def _measure(
    places: Sequence[int], texts: Sequence[str], shard: Shard, ask: Predict, threshold: float
) -> dict[int, Row]:
    """The metrics of some slices under one text each, by place in the shard."""
    rows: dict[int, Row] = {}
    waiting = iter(places)
    for output in ask(places, texts) if places else ():
        vacuity: NDArray[np.float64] | None = None
        if output.evidence is not None:
            # Subjective logic: u = K / S with K classes and S = sum of evidence + K (TextBCS 3.2).
            classes = output.evidence.shape[1]
            strength = output.evidence.double().sum(1) + classes
            vacuity = (classes / strength).mean((1, 2)).cpu().numpy()
        for row, probability in enumerate(output.probability.cpu().numpy()):
            index = next(waiting)
            counts = metrics.count(probability > threshold, shard.masks[index])
            rows[index] = {
                "dice": metrics.dice(counts),
                "iou": metrics.iou(counts),
                "predicted_pixels": counts.true_positive + counts.false_positive,
                "vacuity": float("nan") if vacuity is None else float(vacuity[row]),
            }
    return rows


def case_maps(
    cases: Mapping[int, Mapping[str, str]], shard: Shard, ask: Predict
) -> dict[str, NDArray[np.float16]]:
    """Foreground probability (H, W) of each case under each probe, named `<slice_id>/<probe>`."""
    maps = {}
    for index, texts in cases.items():
        slice_id = shard.table["slice_id"].iloc[index]
        found = [
            probability.cpu().numpy().astype(np.float16)
            for output in ask([index] * len(texts), list(texts.values()))
            for probability in output.probability
        ]
        maps.update({f"{slice_id}/{probe}": one for probe, one in zip(texts, found, strict=True)})
    return maps
