"""A trained run as the files of a package. Runs no network: it copies, fits a temperature and writes a card.

The stage `package` and the command `textbcs package` both end here, so they make the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_csv, read_json, records, sha256_bytes, sha256_file
from textbcs.base.variants import configuration, examined_methods
from textbcs.dataset.prompt_grammar import VOCABULARY
from textbcs.dataset.split_table import VAL
from textbcs.dataset.volume_store import (
    COLUMNS,
    VOLUMES,
    load_volume,
    volume_file,
)
from textbcs.package import package_files as names
from textbcs.package.model_card import Facts, licence_text, model_card
from textbcs.package.package_files import json_bytes, sealed
from textbcs.package.receipt_chain import chain, read_receipt, without_people
from textbcs.package.temperature import UNCHANGED, count, fit
from textbcs.package.training_facts import training_facts
from textbcs.settings.methods import reads_text
from textbcs.volumes.coded_maps import Codes, file_of, read_codes

if TYPE_CHECKING:
    import pandas as pd

POINTS = "results/volume_scores/points.csv"
MEANS = "results/volume_scores/means.csv"
LEAK = "results/prompt_leak/leak.csv"
_SLICES = ("phase", "size", "channels", "clip_percentiles")
_RULES = ("irregular_below_solidity", "ellipse_above_eccentricity")
# Parameters that a run's package depends on, apart from its network.
PARAMS = ("cohort", "slices", "prompts", "volumes", "seeds", "evaluation")
Read = Callable[[str | Path], Path]


@dataclass(frozen=True)
class Run:
    """A trained network."""

    method: str
    seed: int

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{self.method}-s{self.seed}"

    @property
    def weights(self) -> str:
        """Where its weights lie."""
        return f"results/runs/{self.name}/model.safetensors"


class Sources:
    """The pipeline's files, and which of them were read.

    Args:
        read: gives a file by its path, or stops with what to do where it is missing.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._paths: dict[str, Path] = {}

    def __call__(self, path: str | Path) -> Path:
        """A file, which then counts as read."""
        name = Path(path).as_posix()
        self._paths[name] = self._read(name)
        return self._paths[name]

    def bytes(self, path: str) -> bytes:
        """Its content."""
        return self(path).read_bytes()

    def listed(self) -> list[tuple[str, str]]:
        """Path and sha256 of every file that was read, sorted."""
        return [(name, sha256_file(path)) for name, path in sorted(self._paths.items())]


def pack(
    run: Run, params: Mapping[str, Any], read: Read, receipts: Sequence[str]
) -> dict[str, bytes]:
    """All files of a run's package, by their names in it.

    Args:
        run: a network that was trained, and predicted whole volumes.
        params: `PARAMS`, and the network of the run and of the first pass.
        read: gives a file of the pipeline by its path.
        receipts: paths of the receipts among which the chain is looked for.

    Raises:
        InputError: a file is missing, damaged or not what its receipt says, or the run has no operating
            point.
    """
    sources = Sources(read)
    network = configuration(params, run.method)["network"]
    reads = reads_text(network)
    first = Run(params["volumes"]["first_pass"], params["seeds"][0]) if reads else None
    # What a run lacks first is said first.
    weights = sources.bytes(run.weights)
    settings = _run_settings(run, network, weights, sources)
    files = {names.WEIGHTS: weights, **_prompt_files(sources, reads)}
    settings["text_dimension"] = _dimension(files[names.EMBEDDINGS])
    settings["first_pass"] = None
    if first is not None:
        files[names.FIRST_WEIGHTS] = sources.bytes(first.weights)
        own = configuration(params, first.method)["network"]
        settings["first_pass"] = _run_settings(first, own, files[names.FIRST_WEIGHTS], sources)
    settings |= _shared_settings(params, sources)
    settings["temperature"] = _temperature(run, network, sources)
    detector, told = _detector(run, params, sources, reads)
    files[names.DETECTOR] = json_bytes(detector)
    files |= _card(run, params, settings, sources, told)
    kept = {run.name, first.name if first else run.name}
    files |= _receipts(sources, receipts, kept)
    return sealed(settings, files)


def _run_settings(
    run: Run, network: Mapping[str, Any], weights: bytes, sources: Sources
) -> dict[str, Any]:
    return {
        "run": run.name,
        "method": run.method,
        "seed": run.seed,
        "network": dict(network),
        "weights": _trained_numbers(weights),
        "point": _point(run, sources),
    }


def _point(run: Run, sources: Sources) -> dict[str, float]:
    """The run's operating point."""
    columns = ["method", "seed", "threshold", "smallest_mm3", "dice_val"]
    table = read_csv(sources(POINTS), columns)
    for row in records(table):
        if (row["method"], int(row["seed"])) == (run.method, run.seed):
            values = {"threshold": row["threshold"], "smallest_mm3": row["smallest_mm3"]}
            return {key: float(value) for key, value in {**values, "dice": row["dice_val"]}.items()}
    raise InputError(
        f"{POINTS}: no operating point of {run.name}; the stage volume_score "
        "chooses one for each of volumes.methods and volumes.variants in params.yaml"
    )


def _tensors(content: bytes, what: str) -> "dict[str, NDArray[Any]]":
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(content))
    except SafetensorError as error:
        raise InputError(f"{what}: damaged tensor file ({error}); run its stage again") from error


def _trained_numbers(weights: bytes) -> int:
    """How many numbers were trained: running statistics are none."""
    running = ("running_mean", "running_var", "num_batches_tracked")
    tensors = _tensors(weights, "model.safetensors")
    return sum(one.size for name, one in tensors.items() if not name.endswith(running))


def _dimension(embeddings: bytes) -> int:
    return int(_tensors(embeddings, names.EMBEDDINGS)["tokens"].shape[2])


def _prompt_files(sources: Sources, reads: bool) -> dict[str, bytes]:
    """Every prompt that can be written, embedded; of a network that reads none the empty one alone."""
    from safetensors.numpy import save

    table = sources.bytes("data/text/grammar/prompts.csv")
    tensors = sources.bytes("data/text/grammar/embeddings.safetensors")
    if reads:
        return {names.PROMPTS: table, names.EMBEDDINGS: tensors}
    texts = read_csv(sources("data/text/grammar/prompts.csv"), ["row", "text"], {"text": str})
    empty = texts.index[texts["text"].fillna("") == ""]
    if len(empty) != 1:
        raise InputError("data/text/grammar/prompts.csv: no empty prompt; run the stage text again")
    row = int(texts["row"][empty[0]])
    own = {
        name: np.ascontiguousarray(one[row : row + 1])
        for name, one in sorted(_tensors(tensors, "embeddings.safetensors").items())
    }
    return {names.PROMPTS: b"row,text,prompt\n0,,\n", names.EMBEDDINGS: save(own)}


def _shared_settings(params: Mapping[str, Any], sources: Sources) -> dict[str, Any]:
    """What both networks have in common."""
    fitted = read_json(sources("data/prompts/thresholds.json"))
    cohort, prompts = params["cohort"], params["prompts"]
    return {
        "slices": {key: params["slices"][key] for key in _SLICES},
        "series": {
            "spacing_tolerance": cohort["spacing_tolerance"],
            "descriptions": cohort.get("descriptions"),
        },
        "sides": cohort["sides"],
        "prompts": {
            "rules": {key: prompts[key] for key in _RULES},
            "thresholds_mm3": [fitted["case_small_up_to_mm3"], fitted["case_medium_up_to_mm3"]],
            "minimum_lesion_mm3": params["volumes"]["minimum_lesion_mm3"],
            "vocabulary": {slot: list(words) for slot, words in VOCABULARY.items()},
            "source": prompts["source"],
        },
        "encoder": read_json(sources("data/text/learn/encoder.json")),
        "training": training_facts(cohort, sources),
    }


def _temperature(run: Run, network: Mapping[str, Any], sources: Sources) -> float:
    if network.get("evidential", False):
        return UNCHANGED
    return fit(count(_validation(run, sources)))


def _validation(run: Run, sources: Sources) -> "Iterator[tuple[Codes, NDArray[np.bool_]]]":
    """What the run says of validation volumes under each source of prompts, with their reference masks."""
    for facts in records(read_csv(sources(VOLUMES / VAL / "patients.csv"), COLUMNS)):
        mask = load_volume(sources(volume_file(VAL, facts["patient"])), facts).mask
        path = file_of(run.name, VAL, facts["patient"])
        for codes in read_codes(sources(path)).values():
            if codes.shape != mask.shape:
                raise InputError(f"{path}: is of another volume; run the stage that predicts again")
            yield codes, mask


def _detector(
    run: Run, params: Mapping[str, Any], sources: Sources, reads: bool
) -> "tuple[Any, pd.DataFrame | None]":
    """The detector of wrong prompts with what it is worth; None where the run has none."""
    if not reads or run.method not in examined_methods(params):
        return None, None
    folder = f"results/prompt_check/{run.name}"
    table = read_csv(
        sources(f"{folder}/detection.csv"), ["slot", "auroc", "low", "high", "patients"]
    )
    return read_json(sources(f"{folder}/detector.json")), table


def _card(
    run: Run,
    params: Mapping[str, Any],
    settings: Mapping[str, Any],
    sources: Sources,
    detection: "pd.DataFrame | None",
) -> dict[str, bytes]:
    """The model card and the licence."""
    means = read_csv(
        sources(MEANS), ["method", "seed", "source", "metric", "mean", "low", "high", "patients"]
    )
    own = means[(means["method"] == run.method) & (means["seed"] == run.seed)]
    leak = read_csv(sources(LEAK), ["source", "attribute", "prior_dice", "low", "high", "patients"])
    columns = ["patient", "kind", "dice"]
    slices = read_csv(sources(f"results/evaluation/{run.name}/slices.csv"), columns)
    facts = Facts(settings, params["evaluation"], own, leak, slices, detection)
    licence = licence_text(settings)
    return {names.CARD: model_card(facts).encode(), names.LICENCE: licence.encode()}


def _receipts(sources: Sources, paths: Sequence[str], runs: set[str]) -> dict[str, bytes]:
    """The chain of receipts behind everything that was read."""
    files = sources.listed()
    found, digests = {}, {}
    for path in paths:
        content = sources.bytes(path)
        receipt = read_receipt(content, path)
        found[path], digests[receipt["stage"]] = receipt, sha256_bytes(content)
    people = read_csv(sources("data/cohort/patients.csv"), ["patient"])
    patients = frozenset(people["patient"])
    return {
        f"{names.RECEIPTS}{address}.json": json_bytes(
            without_people(receipt, patients, digests[address])
        )
        for address, receipt in chain(files, found, runs).items()
    }
