"""Other wordings: the paper's word for word, and none that loses or shares a meaning."""

import itertools
import re
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, PromptError, parse
from textbcs.prompts.paraphrases import PARAPHRASES, Paraphrases, mistyped, read_paraphrases

GRAMMAR = [Prompt(*words) for words in itertools.product(*VOCABULARY.values())]


@pytest.fixture(scope="module")
def paraphrases() -> Paraphrases:
    return read_paraphrases()


def test_the_papers_variants_stand_word_for_word(paraphrases) -> None:
    """TextBCS 4.9, both cases."""
    first = paraphrases.asked(parse("location left; shape irregular; size medium; number one"))
    second = paraphrases.asked(parse("location right; shape irregular; size large; number two"))
    assert first["paper_1a"] == "a single medium-sized irregular mass in the left breast"
    assert first["paper_1b"] == (
        "one medium irregular enhancing lesion in the left breast with heterogeneous signal intensity "
        "and irregular contour"
    )
    assert second["paper_2a"] == (
        "two irregularly shaped large lesions located on the right side of the breast"
    )
    assert second["paper_2b"] == (
        "a pair of large irregularly shaped lesions in the right breast with ill-defined borders, "
        "showing heterogeneous internal signal intensity"
    )
    marked = {one.name for one in paraphrases.probe if one.paper}
    assert marked == {"paper_1a", "paper_1b", "paper_2a", "paper_2b"}
    assert len(paraphrases.probe) - len(marked) == 10


def test_every_sentence_tells_all_prompts_apart(paraphrases) -> None:
    texts = [
        text
        for prompt in GRAMMAR
        for text in (paraphrases.asked(prompt) | paraphrases.learnt(prompt)).values()
    ]
    per_prompt = len(paraphrases.probe) + len(paraphrases.learn)
    assert len(texts) == len(set(texts)) == per_prompt * 2 * 3 * 3 * 11
    assert not any("{" in text for text in texts)
    # A wording of the grammar itself would be no paraphrase.
    assert set(texts).isdisjoint(prompt.text for prompt in GRAMMAR)


def test_training_sees_no_sentence_that_is_asked(paraphrases) -> None:
    asked = {one.text for one in paraphrases.probe}
    assert asked.isdisjoint(one.text for one in paraphrases.learn)


def test_nouns_follow_the_number(paraphrases) -> None:
    one, many = (
        paraphrases.asked(Prompt("left", "round", "small", number)) for number in ("one", "many")
    )
    assert one["sentence"] == "There is one small round lesion in the left breast."
    assert many["sentence"] == "There are many small round lesions in the left breast."
    assert many["abbreviated"] == "lt br: over 10x rd les, sm"


def changed(text: str, old: str, new: str, folder: Path) -> Path:
    assert old in text
    path = folder / "paraphrases.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{counted} {size}-sized", "{couted} {size}-sized", "couted"),
        ("name: paper_1b", "name: paper_1a", "occurs twice"),
        ("name: of_size", "name: reversed", "occurs twice"),
        ("name: paper_1a", "nam: paper_1a", "needs a name and a text"),
        ("probe:", "probes:", "needs a name and a text"),
    ],
)
def test_a_faulty_file_is_one_line(old, new, message, tmp_path) -> None:
    path = changed(PARAPHRASES.read_text(), old, new, tmp_path)
    with pytest.raises(InputError, match=re.escape(str(path))) as caught:
        read_paraphrases(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def edits(a: str, b: str) -> int:
    """Damerau-Levenshtein distance (adjacent exchange counts one), by its recursion."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@pytest.mark.parametrize("seed", range(5))
def test_a_typing_error_in_each_word_and_nowhere_else(seed: int) -> None:
    for prompt in GRAMMAR:
        said = mistyped(prompt, seed)
        with pytest.raises(PromptError):
            parse(said)
        for own, wrong in zip(prompt.text.split("; "), said.split("; "), strict=True):
            slot, word = own.split()
            name, mistake = wrong.split()
            assert name == slot
            assert edits(word, mistake) == 1


def test_typing_errors_depend_on_prompt_and_seed_alone() -> None:
    prompt = GRAMMAR[7]
    assert mistyped(prompt, 3) == mistyped(prompt, 3)
    assert len({mistyped(prompt, seed) for seed in range(20)}) > 15
