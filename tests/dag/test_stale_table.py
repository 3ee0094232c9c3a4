"""What an edit makes stale: every file of the table is edited in a finished tree, and DVC is asked."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from checkout import Checkout, copy

pytestmark = pytest.mark.dag

SOURCE = "src/textbcs/"
TRAIN = {"train", "train_variant", "train_replicate", "train_use"}
PREDICT = {"predict", "predict_variant", "predict_replicate", "predict_use"}
VOLUMES = {"volumes_image", "volumes_first", "volumes_text", "volumes_use"}
EXAMINE = {"prompt_features", "prompt_features_use"}
LEARN = {"pretrain", "search"} | TRAIN
RUN_NETWORKS = LEARN | PREDICT | VOLUMES | EXAMINE | {"robustness", "gradcam"}
NOTHING: set[str] = set()
# The file that is edited -> the stages that DVC calls stale for it. What they make, if it changes, makes
# others stale in their turn.
TABLE = {
    "phantom/lesions.py": {"phantom", "cohort", "download", "masks", "slices", "volumes"},
    "imaging/geometry.py": {
        "cohort", "download", "masks", "slices", "prompts", "robustness", "score",
        "volumes", "volume_prompts", "volume_score", "volume_figures", "prompt_check", "prompt_leak",
    },
    "masks/boxes.py": {"masks"},
    "models/common/losses.py": RUN_NETWORKS | {"complexity"},
    "models/unet/network.py": (RUN_NETWORKS | {"complexity"})
    - {"train_variant", "predict_variant", "train_use", "predict_use", "robustness", "gradcam"}
    - {"volumes_first", "volumes_text", "volumes_use", *EXAMINE},
    "training/loop.py": LEARN,
    "prediction/network.py": PREDICT | VOLUMES | EXAMINE
    | {"robustness", "trivial", "score", "calibrate", "uncertainty", "statistics", "gradcam"}
    | {"figures", "report"},
    "evaluation/metrics/overlap.py": {
        "score", "calibrate", "uncertainty", "statistics", "table1", "tables",
        "volume_score", "prompt_leak",
    },
    "evaluation/statistics/paired_tests.py": {
        "score", "calibrate", "uncertainty", "statistics", "replicates",
        "table1", "tables", "text_worth", "figures", "report",
        "volume_score", "volume_tables", "prompt_check", "prompt_leak", "package",
    },
    "evaluation/uncertainty/calibration.py": {"calibrate", "uncertainty"},
    "explain/heat_maps.py": {"gradcam", "statistics"},
    "reporting/tables/overlap.py": {"flow", "table1", "tables", "text_worth"},
    "reporting/figures/forest.py": {"figures", "volume_figures"},
    "reporting/page/page.css": {"report"},
    "package/packing.py": {"package"},
    "stages/train/train.py": TRAIN,
    "stages/evaluation/score.py": {"score"},
    "settings/params.py": NOTHING,
    "stage/receipt.py": NOTHING,
    "lineage/audit/verify.py": NOTHING,
    "commands/clean.py": NOTHING,
}  # fmt: skip


@dataclass(frozen=True)
class Edited:
    """What DVC says after every file of the table was edited.

    Attributes:
        deps: changed files and folders of each stale stage, by address (such as `train@unet-1`).
        readers: addresses of the stages that read what a stage makes.
    """

    deps: Mapping[str, frozenset[str]]
    readers: Mapping[str, frozenset[str]]

    def stale(self, file: str) -> set[str]:
        """Addresses of the stages for which this file, or the folder that holds it, has changed."""
        return {
            address
            for address, deps in self.deps.items()
            if any(file == dep or file.startswith(f"{dep}/") for dep in deps)
        }

    def affected(self, file: str) -> set[str]:
        """Addresses of those stages and of all that may become stale by what they make."""
        found: set[str] = set()
        waiting = self.stale(file)
        while waiting:
            found |= waiting
            waiting = set().union(*(self.readers.get(one, set()) for one in waiting)) - found
        return found


def names(addresses: set[str]) -> set[str]:
    """Stages without the values of their matrix."""
    return {address.partition("@")[0] for address in addresses}


@pytest.fixture(scope="module")
def edited(tiny_origin: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Edited:
    """One look at all edits: no two of them lie in one dependency, but for `models/`, the folder of all."""
    checkout = copy(tiny_origin, tmp_path_factory.mktemp("edited") / "copy")
    assert json.loads(checkout.dvc("status", "--json")) == {}
    for name in TABLE:
        with (checkout.root / SOURCE / name).open("a") as file:
            file.write("\n/* edited */\n" if name.endswith(".css") else "\n# edited\n")
    deps: dict[str, frozenset[str]] = {}
    for address, reasons in json.loads(checkout.dvc("status", "--json")).items():
        assert all(set(reason) == {"changed deps"} for reason in reasons), address
        deps[address] = frozenset().union(*(reason["changed deps"] for reason in reasons))
    readers: dict[str, set[str]] = {}
    for above, below in re.findall(r'"(\S+)" -> "(\S+)"', checkout.dvc("dag", "--dot")):
        readers.setdefault(above, set()).add(below)
    return Edited(deps, {above: frozenset(below) for above, below in readers.items()})


@pytest.mark.parametrize("name", TABLE)
def test_an_edit_makes_these_stages_stale(edited: Edited, name: str) -> None:
    assert names(edited.stale(SOURCE + name)) == TABLE[name]


def test_no_other_file_of_the_tree_was_blamed(edited: Edited) -> None:
    files = [SOURCE + name for name in TABLE]
    assert set().union(*(edited.stale(file) for file in files)) == set(edited.deps)


@pytest.mark.parametrize(
    "name", [name for name in TABLE if name.startswith(("evaluation/", "reporting/"))]
)
def test_no_network_runs_for_a_metric_a_table_or_a_figure(edited: Edited, name: str) -> None:
    """Nor for what follows from the edit."""
    assert names(edited.affected(SOURCE + name)) & RUN_NETWORKS == set()


def test_a_method_trains_itself_alone(edited: Edited) -> None:
    file = f"{SOURCE}models/unet/network.py"
    assert {a for a in edited.stale(file) if not re.search(r"@unet(-\d+)?$", a)} == {"complexity"}
    learning = {address for address in edited.affected(file) if names({address}) & LEARN}
    assert all("@unet" in address for address in learning)
