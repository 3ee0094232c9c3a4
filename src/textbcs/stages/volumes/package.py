"""Stage `package`: a network for use that reads text, as one folder that others can run.

Reads weights, embeddings, operating points, what the detector and the prompts are worth, validation volumes
with the network's maps, and the receipts behind all of them: the only stage that reads receipts, because they
are a part of what it writes. Runs no network. Writes `results/packages/<name>-s<seed>/`; `package/packing.py`
says what is in it. `textbcs package RUN` writes the same bytes.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import write_bytes
from textbcs.package.package_files import FOLDER
from textbcs.package.packing import Run, pack
from textbcs.package.receipt_chain import RECEIPTS

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage", name: str, seed: str) -> None:
    """Pack the network `name` that was trained with `seed`.

    Raises:
        InputError: an input is missing or damaged, or is not what its receipt says.
    """
    one = Run(name, int(seed))
    stage.seed = one.seed
    receipts = [path for path in stage.definition.inputs if path.startswith(f"{RECEIPTS}/")]
    files = pack(one, stage.params, stage.input, receipts)
    for inner, content in files.items():
        write_bytes(stage.output(f"{FOLDER}/{one.name}/{inner}"), content)
    total = sum(map(len, files.values()))
    stage.log(f"{one.name}: {len(files)} files, {total / 1e6:.1f} MB")
