"""Which stages are run again: those that are named, a sample that nobody foresees, or all but trainings."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from textbcs.base.io import InputError
from textbcs.lineage.records.graph import Graph, Receipt
from textbcs.stage.trainings import TRAINS


@dataclass(frozen=True)
class Choice:
    """What is to be run again.

    Attributes:
        names: addresses, or names of stages; where there are some, nothing else is chosen.
        sample: how many of the stages that train nothing; 0: all.
        trainings: how many trainings.
        seed: of the draw; None: a fresh one, which nobody knows before.
    """

    names: Sequence[str] = ()
    sample: int = 0
    trainings: int = 0
    seed: int | None = None


def fresh_seed() -> int:
    """A seed from the system's randomness, short enough to be typed."""
    return secrets.randbelow(10**9)


def chosen(graph: Graph, choice: Choice, seed: int) -> list[Receipt]:
    """The receipts of the stages to run again, makers first.

    Args:
        graph: the stages.
        choice: what is asked for.
        seed: of the draw.

    Raises:
        InputError: no stage with a receipt has one of the names.
    """
    receipts = list(graph.active())
    if choice.names:
        for name in choice.names:
            if not any(name in (one.address, one.stage) for one in receipts):
                raise InputError(f"replay {name}: no stage of that name has a receipt here")
        return [one for one in receipts if {one.address, one.stage} & set(choice.names)]
    generator = random.Random(seed)
    others = [one for one in receipts if not TRAINS.fullmatch(one.stage)]
    trainings = [one for one in receipts if TRAINS.fullmatch(one.stage)]
    taken = generator.sample(others, choice.sample) if 0 < choice.sample < len(others) else others
    taken = [*taken, *generator.sample(trainings, min(choice.trainings, len(trainings)))]
    addresses = {one.address for one in taken}
    return [one for one in receipts if one.address in addresses]
