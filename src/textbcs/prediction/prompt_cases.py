"""Which slices show how a method answers to other prompts."""

from typing import TYPE_CHECKING

from textbcs.dataset.prompt_grammar import parse
from textbcs.prediction.cases import by_dice, middle
from textbcs.prompts.perturbations import TRUE

if TYPE_CHECKING:
    import pandas as pd

# The two prompts of TextBCS 4.9, Fig. 6, whose variants the paper shows.
PAPER_CASES = (
    "location left; shape irregular; size medium; number one",
    "location right; shape irregular; size large; number two",
)


def choose_cases(rows: "pd.DataFrame") -> list[int]:
    """Places of the slices for the figure of prompt styles, one for each case of the paper.

    The slice with the median Dice among the tumour slices with the paper's very prompt, where there
    is none among those with its number, where there is none no slice. Ties go by slice name.
    """
    own = rows[rows["probe"] == TRUE].reset_index(drop=True)
    tumour = own[own["kind"] == "tumour"]
    number = tumour["prompt"].map(lambda text: parse(str(text)).number)
    chosen = []
    for text in PAPER_CASES:
        same = tumour[tumour["prompt"] == text]
        same = same if len(same) else tumour[number == parse(text).number]
        if len(same):
            chosen.append(middle(by_dice(same)))
    return chosen
