"""Stage `robustness`: a trained network that reads text, asked with other prompts than a slice's own.

Reads the weights, the test slices, their prompts, the probes' embeddings (`data/text/styles/`) and the
maps of the first pass, a network without text, off which automatic prompts are read. Writes to
`results/robustness/<name>-s<seed>/` the masks that it answered, a bit a pixel (`answers.safetensors`), which
slice and probe each belongs to (`answers.csv`), and `cases.safetensors`, the probabilities of the few slices
that a figure shows. The stage `score` says what the masks are worth, so a new metric asks nothing again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_json, records, write_tensors
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import Shard, read_slices
from textbcs.prediction.answers import ROBUSTNESS, Answers, pack, write_answers
from textbcs.prediction.cases import mask_dice
from textbcs.prediction.files import PREDICTIONS, read_maps
from textbcs.prediction.network import load
from textbcs.prediction.prompt_cases import choose_cases
from textbcs.prompts.automatic import automatic_prompt
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import NOTHING, TRUE, probe_texts

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.models.common.contract import Output, Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.stage.receipt import Stage

_BATCH = 32
# Predicts the given slices under the given texts, a batch at a time.
Predict = Callable[[Sequence[int], Sequence[str]], "Iterable[Output]"]


def run(stage: "Stage", name: str, seed: str) -> None:
    """Ask the network `name` that was trained with `seed` about every test slice under every probe.

    Params read: `cohort.sides`, `robustness`, `prompts`, `slices`, `evaluation.threshold`,
    `training.device`, the method's `network`.

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
    answers = answer(
        stage.progress(probes.items()), shard, ask, stage.params["evaluation"]["threshold"]
    )
    run = f"{name}-s{seed}"
    write_answers(stage, run, answers)
    cases = {
        index: {probe: of[index] for probe, of in probes.items()}
        for index in choose_cases(_with_dice(answers, shard))
    }
    maps = case_maps(cases, shard, ask)
    write_tensors(stage.output(ROBUSTNESS / run / "cases.safetensors"), maps)


def _with_dice(answers: Answers, shard: Shard) -> "pd.DataFrame":
    """The rows with the slice's own prompt, and the Dice by which the shown cases are chosen."""
    own = answers.rows[answers.rows["probe"] == TRUE]
    dice = [
        mask_dice(answers.mask(number), shard.masks[answers.places[number]])
        for number in own["answer"]
    ]
    return own.assign(dice=dice)


def _first_pass(stage: "Stage", shard: Shard, seed: str) -> list[str]:
    """The automatic prompt of each slice, read off the masks that the first pass found."""
    rules, run = stage.params["prompts"], f"{stage.params['robustness']['first_pass']}-s{seed}"
    path = PREDICTIONS / run / "maps.safetensors"
    probability = read_maps(stage, run)["probability"]
    if len(probability) != len(shard.table):
        raise InputError(
            f"{path}: {len(probability)} maps for {len(shard.table)} test slices; run predict again"
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
            stage.params["cohort"]["sides"],
        )
        for row, found in zip(records(shard.table), probability, strict=True)
    ]
    stage.log(f"first pass {run}: nothing found on {texts.count(NOTHING)} of {len(texts)} slices")
    return texts


def _asker(model: "Segmenter", table: "PromptTable", shard: Shard, channels: int) -> Predict:
    """What predicts slices of the shard under any texts of the table."""
    import torch

    from textbcs.models.common.inference import infer

    def ask(places: Sequence[int], texts: Sequence[str]) -> "Iterable[Output]":
        image = torch.from_numpy(shard.images[list(places)]).to(table.tokens.device)
        rows = table.rows(texts)
        return infer(model, image, table, rows, channels=channels, batch_size=_BATCH)

    return ask


def answer(
    probes: Iterable[tuple[str, Sequence[str]]], shard: Shard, ask: Predict, threshold: float
) -> Answers:
    """What a method answers to every probe of every slice; a slice is asked once for each distinct text.

    Args:
        probes: names with their n texts; the first is `true`.
        shard: n slices.
        ask: predicts slices under texts.
        threshold: foreground where the probability exceeds this.
    """
    import pandas as pd

    known: dict[tuple[int, str], int] = {}
    packed: list[NDArray[np.uint8]] = []
    vacuity: list[float] = []
    rows = []
    facts = records(shard.table)
    for probe, texts in probes:
        fresh = [place for place, text in enumerate(texts) if (place, text) not in known]
        found = _masks(fresh, [texts[place] for place in fresh], ask, threshold)
        for place, (mask, unsure) in zip(fresh, found, strict=True):
            known[place, texts[place]] = len(packed)
            packed.append(mask)
            vacuity.append(unsure)
        for place, text in enumerate(texts):
            own = {key: facts[place][key] for key in ("slice_id", "patient", "kind")}
            rows.append({**own, "probe": probe, "prompt": text, "answer": known[place, text]})
    height, width = shard.masks.shape[1:]
    return Answers(
        pd.DataFrame(rows),
        np.stack(packed),
        np.array([place for place, _ in known], dtype=np.int64),
        np.array(vacuity, dtype=np.float64),
        (int(height), int(width)),
    )


def _masks(
    places: Sequence[int], texts: Sequence[str], ask: Predict, threshold: float
) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """The packed mask and the mean vacuity of some slices under one text each."""
    for output in ask(places, texts) if places else ():
        vacuity: NDArray[np.float64] | None = None
        if output.evidence is not None:
            # Subjective logic: u = K / S with K classes and S = sum of evidence + K (TextBCS 3.2).
            classes = output.evidence.shape[1]
            strength = output.evidence.double().sum(1) + classes
            vacuity = (classes / strength).mean((1, 2)).cpu().numpy()
        for row, probability in enumerate(output.probability.cpu().numpy()):
            mask = pack(probability > threshold)
            yield mask, float("nan") if vacuity is None else float(vacuity[row])


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
