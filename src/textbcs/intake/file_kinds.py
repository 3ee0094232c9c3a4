"""What kind of file a stranger's file is, by its first bytes, and by its name where those do not tell."""

from pathlib import Path

from textbcs.intake import folder_walk

EMPTY, DICOM, NIFTI, NRRD = "empty file", "DICOM file", "NIfTI", "NRRD"
TABLE, TEXT, PICTURE, PACKED = "table", "text", "picture", "packed files"
DOCUMENT, PROGRAM, UNKNOWN = "document", "program", "unknown"
HIDDEN, LINK, SPECIAL = "hidden or system file", "link", "special file"

_HEAD = 512
_STARTS = {
    b"NRRD": NRRD,
    b"\x89PNG": PICTURE,
    b"\xff\xd8\xff": PICTURE,
    b"II*\x00": PICTURE,
    b"MM\x00*": PICTURE,
    b"BM": PICTURE,
    b"GIF8": PICTURE,
    b"%PDF": DOCUMENT,
    b"PK\x03\x04": PACKED,
    b"\x1f\x8b": PACKED,
    b"BZh": PACKED,
    b"Rar!": PACKED,
    b"7z\xbc\xaf": PACKED,
    b"\xd0\xcf\x11\xe0": DOCUMENT,  # Word and Excel before 2007
    b"\x7fELF": PROGRAM,
    b"MZ": PROGRAM,
}
# Names that say more than the bytes: what is packed, and what a text holds.
_ENDS = {
    (PACKED, ".nii.gz"): NIFTI,
    (PACKED, ".xlsx"): TABLE,
    (PACKED, ".xlsm"): TABLE,
    (PACKED, ".ods"): TABLE,
    (PACKED, ".docx"): DOCUMENT,
    (PACKED, ".pptx"): DOCUMENT,
    (DOCUMENT, ".xls"): TABLE,
    (TEXT, ".csv"): TABLE,
    (TEXT, ".tsv"): TABLE,
    (UNKNOWN, ".nii"): NIFTI,
    (UNKNOWN, ".nii.gz"): NIFTI,
    (UNKNOWN, ".csv"): TABLE,
    (UNKNOWN, ".xlsx"): TABLE,
}
_LINKS = (folder_walk.NOWHERE, folder_walk.LISTED, folder_walk.DEEPER, folder_walk.ABOVE)


def kind_of(found: folder_walk.FoundFile, folder: Path) -> str:
    """The kind of a file in a user's folder. Raises nothing; never opens what is no regular file."""
    if found.fault in _LINKS:
        return LINK
    if found.fault.startswith((folder_walk.SPECIAL, folder_walk.CLOSED)):
        return SPECIAL
    if folder_walk.is_hidden(found.path, folder):
        return HIDDEN
    try:
        if not found.path.stat().st_size:
            return EMPTY
        with found.path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return UNKNOWN
    return by_content(head, found.path.name)


def by_content(head: bytes, name: str) -> str:
    """The kind of a file that begins with `head`, at least 512 bytes where it has them."""
    if head[128:132] == b"DICM":
        return DICOM
    kind = next((kind for start, kind in _STARTS.items() if head.startswith(start)), "")
    if not kind:
        is_nifti = head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")
        kind = NIFTI if is_nifti else TEXT if _is_text(head) else UNKNOWN
    lower = name.lower()
    return next((to for (of, end), to in _ENDS.items() if of == kind and lower.endswith(end)), kind)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character that the end of the piece cuts
    return True
