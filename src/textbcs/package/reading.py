"""A package as it is read: checked first, then used; nothing in it is executed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from textbcs.base.io import InputError, sha256_bytes
from textbcs.package.package_files import (
    DETECTOR,
    EMBEDDINGS,
    FIRST_WEIGHTS,
    FORMAT,
    PROMPTS,
    SETTINGS,
    VERSION,
    WEIGHTS,
)
from textbcs.package.package_schema import detector_fault, settings_fault
from textbcs.package.package_source import AGAIN, LARGEST_SETTINGS, PackageSource
from textbcs.prompt_check.detector import Detector
from textbcs.settings.methods import reads_text
from textbcs.volumes.operating_point import OperatingPoint

if TYPE_CHECKING:
    import numpy as np

    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable


@dataclass(frozen=True)
class Package:
    """A trained model with all that it takes to ask it about a new volume.

    Attributes:
        source: its folder or zip.
        settings: all of `package.json`, checked.
        sha256: of `package.json`, which names the sha256 of every other file.
        detector: of wrong prompts; None where the network has none.
    """

    source: PackageSource = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    sha256: str
    detector: Detector | None = field(repr=False)

    @property
    def name(self) -> str:
        """The run's, such as `textbcs_plus-s1`."""
        return str(self.settings["run"])

    @property
    def point(self) -> OperatingPoint:
        """Where the network's map is a finding."""
        return OperatingPoint(**self.settings["point"])

    @property
    def first_point(self) -> OperatingPoint:
        """Where the first pass's is."""
        return OperatingPoint(**self._first["point"])

    @property
    def thresholds_mm3(self) -> tuple[float, float]:
        """Up to which volumes of the largest lesion a case is small and medium."""
        small, medium = self.settings["prompts"]["thresholds_mm3"]
        return float(small), float(medium)

    @property
    def sides(self) -> str:
        """Whose left and right prompts name: `patient`, `image`, or `none` (`cohort.sides`)."""
        return str(self.settings["sides"])

    @property
    def rules(self) -> Mapping[str, Any]:
        """How an automatic prompt is worded (parameters of `prompts`)."""
        return cast(Mapping[str, Any], self.settings["prompts"]["rules"])

    @property
    def minimum_lesion_mm3(self) -> float:
        """Smaller components are neither lesions nor findings."""
        return float(self.settings["prompts"]["minimum_lesion_mm3"])

    @property
    def slices(self) -> Mapping[str, Any]:
        """`phase`, `size`, `channels` and `clip_percentiles`, as the parameters of `slices`."""
        return cast(Mapping[str, Any], self.settings["slices"])

    @property
    def series(self) -> Mapping[str, Any]:
        """`spacing_tolerance` and `descriptions` of phases (None: Duke's), as those of `cohort`."""
        return cast(Mapping[str, Any], self.settings["series"])

    @property
    def channels(self) -> int:
        """Of the image that the networks take."""
        return int(self.settings["slices"]["channels"])

    @property
    def temperature(self) -> float:
        """By which log-odds are divided to be calibrated; 1 for a head with evidence."""
        return float(self.settings["temperature"])

    @property
    def reads_text(self) -> bool:
        """Whether the prompt changes the mask."""
        return reads_text(self.settings["network"])

    @property
    def has_evidence(self) -> bool:
        """Whether the network tells evidence, and so vacuity."""
        return bool(self.settings["network"].get("evidential", False))

    @property
    def training(self) -> Mapping[str, Any]:
        """What the training data were: cohort, patients, ranges of spacing, field strengths, vendors."""
        return cast(Mapping[str, Any], self.settings["training"])

    def network(self, device: str = "cpu") -> "tuple[Segmenter, PromptTable]":
        """The trained network and the embedded prompts, on a device whose arithmetic is deterministic.

        A network that reads no text has the empty prompt alone.

        Args:
            device: `cpu` or `cuda`.

        Raises:
            InputError: no such device here, or a file that is damaged or of another network.
        """
        return self._loaded(self.settings, WEIGHTS, device)

    def first_network(self, device: str = "cpu") -> "tuple[Segmenter, PromptTable]":
        """The first pass likewise, which reads no text: the network itself where that reads none."""
        name = FIRST_WEIGHTS if self.settings["first_pass"] else WEIGHTS
        return self._loaded(self._first, name, device)

    @property
    def _first(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.settings["first_pass"] or self.settings)

    def file(self, name: str) -> bytes:
        """The bytes of a file of the package, whose sha256 is checked again.

        Raises:
            InputError: there is no such file, or it is not what `package.json` says.
        """
        return _checked(self.source, self.settings["files"], name)

    def _tensors(self, name: str) -> "dict[str, np.ndarray]":
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return dict(load(self.file(name)))
        except SafetensorError as error:
            raise InputError(f"{self.source.path}: {name}: {error}; {AGAIN}") from error

    def _loaded(
        self, own: Mapping[str, Any], name: str, device: str
    ) -> "tuple[Segmenter, PromptTable]":
        from textbcs.models.common.device import open_device
        from textbcs.package.networks import built, prompt_table

        _check_device(device)
        opened = open_device(cast(Any, SimpleNamespace()), device)
        try:
            tokens = self._tensors(EMBEDDINGS)
            table = prompt_table(
                self.file(PROMPTS), tokens, self.settings["text_dimension"], opened
            )
            shape = (self.channels, int(self.slices["size"]), table.dimension)
            model = built(own["network"], self._tensors(name), *shape)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.source.path}: {reason}; {AGAIN}") from error
        return model.to(opened), table


def read_package(path: Path) -> Package:
    """Read a package's folder or zip: its form, every sha256 and every setting, and build nothing.

    Args:
        path: of the folder or the zip.

    Raises:
        InputError: there is none, it is no package or one of a newer format, or a file is missing,
            damaged or not what `package.json` says.
    """
    source = PackageSource(path)
    content = source.read(SETTINGS, LARGEST_SETTINGS)
    settings = _json(content, path, SETTINGS)
    _check_format(settings, path)
    if fault := settings_fault(settings):
        raise InputError(f"{path}: {SETTINGS}: {fault}; {AGAIN}")
    listed = settings["files"]
    for name in listed:
        if name != DETECTOR:
            _checked(source, listed, name)
    values = _json(_checked(source, listed, DETECTOR), path, DETECTOR)
    if fault := detector_fault(values):
        raise InputError(f"{path}: {DETECTOR}: {fault}; {AGAIN}")
    detector = None if values is None else Detector.of_json(values)
    return Package(source, settings, sha256_bytes(content), detector)


def _check_format(settings: Any, path: Path) -> None:
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise InputError(
            f"{path}: {SETTINGS} is of something else; textbcs package makes a package"
        )
    version = settings.get("version")
    if type(version) is int and version > VERSION:
        raise InputError(
            f"{path}: a package of format {version}, and this textbcs reads up to {VERSION}; "
            "install a newer textbcs"
        )


def _check_device(device: str) -> None:
    import torch

    if device not in ("cpu", "cuda"):
        raise InputError(f"device {device!r}: allowed: cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device 'cuda': no CUDA device here; use cpu")


def _checked(source: PackageSource, listed: Mapping[str, Any], name: str) -> bytes:
    """A file's bytes, if they are those that `package.json` names."""
    if name not in listed:
        raise InputError(f"{source.path}: {SETTINGS} lists no {name}; {AGAIN}")
    content = source.read(name, listed[name]["bytes"])
    if sha256_bytes(content) != listed[name]["sha256"]:
        raise InputError(f"{source.path}: {name} is not the file that was packed; {AGAIN}")
    return content


def _json(content: bytes, path: Path, name: str) -> Any:
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {name} is no JSON ({error}); {AGAIN}") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
