"""What whole volumes were asked with: the names of the prompts' sources, and the rows' order."""

NONE = "none"  # of a network that reads no text
# Source -> what a reader calls it; the order is that of the tables.
SOURCES = {
    NONE: "none (reads no text)",
    "patient": "the case's own",
    "slice": "each tumour slice's own",
    "automatic": "automatic",
    "report": "from the report",
    "report_slice": "each tumour slice's own, from a report",
    "table": "each tumour slice's own, from a reader",
    "empty": "empty",
    "wrong_side": "the case's, other side",
}
ALL, ANY = "all", "any"  # every word of a prompt at once; one, whichever it is
# What a network is given in use: nothing where it reads no text, else what a first pass finds.
IN_USE = (NONE, "automatic")


def source_label(source: str) -> str:
    """The printed name of a source; its own name where it has no other."""
    return SOURCES.get(source, source)


def attribute_label(attribute: str) -> str:
    """The printed name of a word's place in the prompt, or of all of them."""
    return {ALL: "all words", ANY: "any one word"}.get(attribute, attribute)


def source_place(source: str) -> int:
    """A source's place in the order of the tables; unknown ones come last."""
    names = list(SOURCES)
    return names.index(source) if source in SOURCES else len(names)
