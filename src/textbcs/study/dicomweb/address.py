"""The address of a study on a DICOMweb server, as a user types it."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from textbcs.base.io import InputError

_UID = r"[0-9]+(?:\.[0-9]+)*"
_PATH = re.compile(rf"(?P<base>.*)/studies/(?P<study>{_UID})(?:/series/(?P<series>{_UID}))?/?")
_LONGEST_UID = 64
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FORM = "the form is https://host/dicom-web/studies/UID, or with /series/UID behind it"


@dataclass(frozen=True)
class Address:
    """Where a study is.

    Attributes:
        base: of the service, without a slash at its end.
        study: its StudyInstanceUID.
        series: the SeriesInstanceUID of the one series that is meant, "" for all.
    """

    base: str
    study: str
    series: str = ""

    @property
    def url(self) -> str:
        """As it is said in messages: it holds no name and no password."""
        return f"{self.base}/studies/{self.study}" + (
            f"/series/{self.series}" if self.series else ""
        )

    @property
    def host(self) -> str:
        """Name or number of the server, without its port."""
        return urlsplit(self.base).hostname or ""

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent: it is encrypted, or stays on this machine."""
        return self.base.startswith("https://") or self.host in _LOOPBACK


def is_address(text: str) -> bool:
    """Whether a user means a server, and no file."""
    return text.lower().startswith(("http://", "https://"))


def read_address(text: str) -> Address:
    """Read an address.

    Raises:
        InputError: it has another form, or holds a name or password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(f"STUDY: {error}; {_FORM}") from error
    if parts.username is not None or parts.password is not None:
        raise InputError(
            f"{parts.scheme}://{parts.hostname}: leave name and password out of the address, where others "
            "can read them; set TEXTBCS_DICOMWEB_USER and TEXTBCS_DICOMWEB_PASSWORD, or use ~/.netrc"
        )
    found = _PATH.fullmatch(parts.path)
    uids = [found["study"], found["series"] or "0"] if found else []
    bad = not parts.hostname or bool(parts.query or parts.fragment) or port == 0
    if found is None or bad or max(map(len, uids)) > _LONGEST_UID:
        raise InputError(f"{text[:200]}: is no address of a study; {_FORM}")
    base = f"{parts.scheme.lower()}://{parts.netloc}{found['base']}"
    return Address(base.rstrip("/"), found["study"], found["series"] or "")
