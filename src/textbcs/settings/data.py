"""The sections of `params.yaml` that say which patients, masks, slices and prompts there are."""

from typing import Annotated, Literal, NotRequired, TypedDict

from textbcs.settings.ranges import (
    AtLeast,
    AtMost,
    Count,
    Distinct,
    Items,
    Matching,
    NotNegative,
    Seed,
    Share,
    Text,
)

Phase = Literal["pre", "post1", "post2", "post3", "post4"]
MaskSource = Annotated[
    Literal["expert", "reviewed", "ai", "box"], "what the mask is worth, from a reader's to a box"
]


class Descriptions(TypedDict):
    """Of each phase a regular expression on SeriesDescription, or on a file's name."""

    pre: NotRequired[Text]
    post1: Text
    post2: NotRequired[Text]
    post3: NotRequired[Text]
    post4: NotRequired[Text]


class Cohort(TypedDict):
    """Where the images come from."""

    kind: Annotated[Literal["phantom", "folder", "nifti", "idc", "nbia"], "of the archive"]
    archive: Annotated[Text, "a folder of DICOM or NIfTI files, or presets/none"]
    address: Annotated[str, "of an archive on the network; idc and nbia only"]
    collection: Annotated[str, "its name in the archive; idc and nbia only"]
    index: Annotated[
        str,
        Matching(r"presets/none|.+\.(parquet|tcia)"),
        "a .parquet file, a .tcia manifest, or presets/none",
    ]
    index_version: Annotated[str, Matching("[0-9.]*"), "a version of idc-index-data"]
    clinical: Annotated[Text, "an .xlsx workbook, or presets/none"]
    boxes: Annotated[Text, "an .xlsx or .csv table, or presets/none"]
    box_base: Annotated[Literal[0, 1], "number of the first row, column and slice in that table"]
    source: Annotated[Text, "where the data come from; a column of series.csv"]
    licence: Annotated[Text, "of series whose licence the archive does not say"]
    doi: Annotated[str, "of series whose DOI the archive does not say"]
    patients: Annotated[list[str], Distinct(), "only these patients; none means all"]
    exclude: Annotated[list[str], Distinct(), "patients who are not used"]
    layout: Annotated[
        Literal["auto", "folders", "nnunet", "bids"], "how the files of kind nifti lie"
    ]
    visit: Annotated[
        Literal["first", "last", "error"],
        "which visit, where a patient has several with all phases; error: stop",
    ]
    series: Annotated[
        str,
        Matching(r"presets/none|.+\.(csv|CSV|xlsx|XLSX)"),
        "a .csv or .xlsx table of each phase's series, in place of descriptions, or presets/none",
    ]
    descriptions: NotRequired[
        Annotated[
            Descriptions,
            "of each phase a regular expression on SeriesDescription; absent: Duke's names",
        ]
    ]
    sides: Annotated[
        Literal["patient", "image", "none"],
        "whose left and right prompts name: the patient's, the image's as seen, or nobody's",
    ]
    phases: Annotated[list[Phase], Items(1), Distinct(), "phases that are fetched"]
    spacing_tolerance: Annotated[
        float,
        AtLeast(0),
        AtMost(0.5),
        "share of their median by which slice distances may differ",
    ]


class Phantom(TypedDict):
    """The synthetic patients; docs/explanation/phantom.md gives the sources of the values."""

    patients: Annotated[int, AtLeast(0), AtMost(999), "number of patients"]
    seed: Annotated[int, AtLeast(0), AtMost(4294967295), "of everything in a patient"]
    slices: Annotated[int, AtLeast(8), AtMost(200), "of a volume"]
    matrix: Annotated[int, AtLeast(32), AtMost(512), "rows and columns of a slice"]
    post_phases: Annotated[int, AtLeast(1), AtMost(4), "phases after contrast"]
    tumours: Annotated[list[Share], Items(4, 4), "probabilities of 1, 2, 3, 4 tumours, with sum 1"]
    diameter_mm: Annotated[float, AtLeast(5), AtMost(60), "median diameter of a lesion"]
    diameter_spread: Annotated[
        float, AtLeast(1), AtMost(3), "geometric standard deviation of the diameter"
    ]
    distractors_contralateral: Annotated[float, AtLeast(0), AtMost(5), "mean number per patient"]
    distractors_ipsilateral: Annotated[float, AtLeast(0), AtMost(5), "mean number per patient"]
    enhancement: Annotated[
        float, AtLeast(0.2), AtMost(5), "median relative enhancement of a lesion at its peak"
    ]
    enhancement_spread: Annotated[
        float, AtLeast(1), AtMost(3), "geometric standard deviation of the enhancement"
    ]
    blur_mm: Annotated[
        float, AtLeast(0), AtMost(10), "standard deviation of the blur of a lesion's boundary"
    ]
    noise: Annotated[
        float,
        AtLeast(0),
        AtMost(0.5),
        "standard deviation of the Rician noise, relative to enhanced gland",
    ]


Several = Annotated[
    Literal["error", "unite", "first"],
    "what happens where a patient has several masks of the source; absent: error",
]


class DicomSegmentation(TypedDict):
    """Masks from the archive's own DICOM SEG objects."""

    source: MaskSource
    kind: Literal["dicom_seg"]
    description: Annotated[Text, "a regular expression on SeriesDescription"]
    segment: Annotated[
        Text | Annotated[list[Text], Items(1), Distinct()],
        "SegmentLabel, or a list of those that are united",
    ]
    several: NotRequired[Several]


class NiftiMasks(TypedDict):
    """Masks from a folder of NIfTI or NRRD files."""

    source: MaskSource
    kind: Literal["nifti"]
    folder: Annotated[Text, "a folder below masks.nifti_directory; . is that itself"]
    join: Annotated[
        Literal["tcia_series_uid", "patient"],
        "by masks.nifti_table, or a file for each patient's name",
    ]
    names: NotRequired[
        Annotated[
            str,
            Matching(r".*\{(patient|series)\}.*"),
            "the file's path below folder, without suffix, from {patient}, {series} and * (any text); "
            "absent: {patient}",
        ]
    ]
    labels: NotRequired[
        Annotated[
            Literal["all"] | Annotated[list[Count], Items(1), Distinct()],
            "the labels that are tumour; absent: the only one",
        ]
    ]
    segment: NotRequired[
        Annotated[
            Text | Annotated[list[Text], Items(1), Distinct()],
            "of a .seg.nrrd: the names of its segments that are tumour; absent: its one",
        ]
    ]
    several: NotRequired[Several]


class BoxMasks(TypedDict):
    """Masks grown from enhancement within the tables' boxes."""

    source: MaskSource
    kind: Literal["box"]
    level: Annotated[
        float,
        AtLeast(0.05),
        AtMost(0.95),
        "how far up from what surrounds the box to its peak an edge is cut",
    ]
    peak_percentile: Annotated[
        float, AtLeast(50), AtMost(100), "of the enhancement in the box: its peak"
    ]
    margin_mm: Annotated[float, AtLeast(0), AtMost(50), "of the shell that surrounds the box"]
    smallest_mm3: Annotated[float, AtLeast(0), AtMost(10000), "smaller pieces are dropped"]


class Masks(TypedDict):
    """Which mask a patient gets."""

    sources: Annotated[
        list[DicomSegmentation | NiftiMasks | BoxMasks],
        Items(1),
        "the first that a patient has wins",
    ]
    max_outside: Annotated[Share, "share of mask voxels that may lie outside the image grid"]
    misfit: Annotated[Literal["stop", "exclude"], "what a mask that does not fit its series does"]
    nifti_directory: Annotated[Text, "a folder of NIfTI or NRRD files, or presets/none"]
    nifti_table: Annotated[Text, "an .xlsx workbook, or presets/none"]
    train_only: Annotated[
        list[MaskSource], Distinct(), "patients with masks of these sources are in train"
    ]


class Split(TypedDict):
    """How patients are divided."""

    seed: Annotated[Seed, "draws the order of patients and strata"]
    ratio: Annotated[list[Count], Items(3, 3), "weights of train, val, test"]
    stratify: Annotated[
        list[
            Literal["manufacturer", "multifocal", "field_strength_t", "position", "tumour_location"]
        ],
        Distinct(),
        "what is alike in train, val and test",
    ]


class Slices(TypedDict):
    """What is cut from the volumes."""

    phase: Annotated[Literal["pre", "post1", "post2", "post3", "post4", "sub"], "sub: post1 - pre"]
    size: Annotated[int, AtLeast(32), AtMost(1024), "pixels a side"]
    channels: Annotated[int, AtLeast(1), AtMost(3), "the one phase is repeated"]
    clip_percentiles: Annotated[
        list[Annotated[float, AtLeast(0), AtMost(100)]], Items(2, 2), "of each volume"
    ]
    minimum_lesion_mm2: Annotated[NotNegative, "with less lesion it is no tumour slice"]
    minimum_component_mm2: Annotated[NotNegative, "smaller components do not count"]
    selection: Annotated[Literal["all", "stride", "max"], "of a patient's tumour slices"]
    stride: Annotated[Count, "with `stride`: every n-th tumour slice"]
    max_per_patient: Annotated[Count, "with `max`: so many, evenly spread"]
    negatives_per_patient: Annotated[int, AtLeast(0), "tumour-free slices, test patients only"]
    training_negatives_per_patient: Annotated[
        int, AtLeast(0), "tumour-free slices of training patients, for tables.for_use"
    ]
    seed: Annotated[Seed, "draws the tumour-free slices"]


class Prompts(TypedDict):
    """Where the sentences come from."""

    source: Annotated[
        Literal["derive", "table", "report"], "the mask, people's words, or rules on free text"
    ]
    table: Annotated[Text, "a .csv or .xlsx table, or presets/none"]
    allow_inconsistent: Annotated[
        bool, "whether a prompt may name another side than the mask lies on"
    ]
    irregular_below_solidity: Annotated[Share, "a mask less solid is called irregular"]
    ellipse_above_eccentricity: Annotated[Share, "a mask more eccentric is called an ellipse"]


class TextEncoding(TypedDict):
    """What turns prompts into numbers."""

    encoder: Literal["minilm", "bioclinicalbert"]
    directory: Annotated[str, "local directory of its files; empty: the pinned source"]
    max_tokens: Annotated[int, AtLeast(4), AtMost(512), "of a prompt"]
    paraphrases: Annotated[bool, "whether training draws among wordings of a prompt"]
