"""Stages that have finished, left behind by the real `Stage` in the working folder."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import write_bytes
from textbcs.lineage import tracking
from textbcs.stage.definition import Definition, Makers
from textbcs.stage.receipt import Stage

HISTORY = "epoch,learning_rate,loss,validation_dice\n1,0.5,2.25,\n2,0.25,1.5,0.75\n"
SLICES = (
    "slice_id,patient,series_uid,kind,true_positive,false_positive,false_negative,true_negative,dice,iou,"
    "hd95_mm,assd_mm,distance_replaced,lesions,lesions_found,false_components,false_positive_mm2\n"
    "a,P1,1,tumour,4,0,4,8,0.5,0.4,2,1,False,1,1,0,0\n"
    "b,P1,1,tumour,8,0,0,8,1.0,1.0,0,0,False,1,1,0,0\n"
    "c,P2,2,tumour,0,0,8,8,0.0,0.0,9,9,True,1,0,0,0\n"
    "d,P2,2,negative,0,0,0,16,,,,,False,0,0,0,0\n"
)


class Made(Makers):
    """The makers of a tree that no dvc.yaml describes."""

    def __init__(self, makers: Mapping[str, str]) -> None:
        self._outputs = dict(makers)


class Tree:
    """Leaves stages in the working folder."""

    def __init__(self) -> None:
        self.makers: dict[str, str] = {}
        write_bytes("workflow/stage", b"", durable=False)  # by which a working copy is known

    def leave(
        self,
        address: str,
        outputs: Mapping[str, str | bytes],
        inputs: tuple[str, ...] = (),
        params: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        """Run a stage that reads `inputs` and writes `outputs`."""
        name, _, items = address.partition("@")
        self.makers |= dict.fromkeys(outputs, address)
        definition = Definition(address, (), inputs, tuple(outputs))
        argv = [name, *(items.rsplit("-", 1) if items else [])]
        with Stage(definition, params or {}, argv, lambda: Made(self.makers)) as stage:
            stage.seed = seed
            for path in inputs:
                stage.input(path)
            for path, content in outputs.items():
                data = content.encode() if isinstance(content, str) else content
                write_bytes(stage.output(path), data, durable=False)

    def cohort(self, kind: str = "phantom") -> None:
        """A cohort and the slices cut from it."""
        self.leave(
            "cohort", {"data/cohort/series.csv": f"{kind}\n"}, params={"cohort": {"kind": kind}}
        )
        self.leave("slices", {"data/slices.csv": f"{kind} slices\n"}, ("data/cohort/series.csv",))

    def train(self, method: str = "unet", history: str = HISTORY) -> None:
        """A training with one seed, on the slices."""
        folder = f"results/runs/{method}-s1"
        self.leave(
            f"train@{method}-1",
            {f"{folder}/history.csv": history, f"{folder}/model.safetensors": method},
            ("data/slices.csv",),
            {"training": {"epochs": 2, "optimizer": "adamw", "gates": [1, None]}},
            seed=1,
        )

    def finish(self) -> None:
        """A small pipeline of every phase."""
        self.cohort()
        for method in ("unet", "textbcs"):
            self.train(method)
        self.leave(
            "search@unet",
            {
                "results/search/unet/grid.csv": "learning_rate,batch_size,validation_dice\n"
                "0.1,8,0.5\n0.2,8,0.25\n",
                "results/search/unet/choice.json": '{"learning_rate": 0.1, "method": "unet"}',
            },
        )
        self.leave(
            "predict@unet-1",
            {"results/predictions/unet-s1/probability.safetensors": "maps"},
            ("results/runs/unet-s1/model.safetensors",),
            seed=1,
        )
        self.leave(
            "score",
            {"results/evaluation/unet-s1/slices.csv": SLICES},
            ("results/predictions/unet-s1/probability.safetensors",),
        )
        self.leave(
            "report",
            {"reports/figures/overview.png": b"a picture", "reports/index.html": "a page"},
            ("results/evaluation/unet-s1/slices.csv",),
        )


def runinfo(address: str) -> tuple[Path, dict[str, Any]]:
    """Where a stage's run information lies, and what it says."""
    path = Path(f"results/runinfo/{address}.json")
    return path, json.loads(path.read_text())


def guarded(folder: Path) -> dict[str, str]:
    """An environment in which every Python refuses to ask another machine, and notes it in `asked`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import socket\n"
        "connect, look_up = socket.socket.connect, socket.getaddrinfo\n"
        "def check(host):\n"
        "    if host not in ('127.0.0.1', '::1', 'localhost', None):\n"
        f"        open({str(folder / 'asked')!r}, 'a').write(repr(host) + chr(10))\n"
        "        raise OSError('no network here')\n"
        "def connected(self, address):\n"
        "    check(address[0] if isinstance(address, tuple) else None)\n"
        "    return connect(self, address)\n"
        "def looked_up(host, *arguments, **options):\n"
        "    check(host)\n"
        "    return look_up(host, *arguments, **options)\n"
        "socket.socket.connect = socket.socket.connect_ex = connected\n"
        "socket.getaddrinfo = looked_up\n"
    )
    (folder / "asked").touch()
    source = Path(tracking.__file__).parents[3]
    path = os.pathsep.join([str(folder), str(source)])
    # Nothing else: MLflow is silent by itself where it takes the environment for a test's.
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return kept | {"PYTHONPATH": path}
