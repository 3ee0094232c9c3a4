"""The printed tables and figures: their order, headings, and what a figure shows.

The page and Snakemake's own report (`workflow/reported.py`) take their headings from here.
"""

# File of a table -> its heading on the page, in the order of the page.
TABLES = {
    "table1": "Table 1: all methods",
    "table1_differences": "TextBCS against each other method",
    "table2": "Table 2: ablation",
    "table3": "Table 3: loss weights",
    "table4": "Table 4: tests",
    "table4_metrics": "Table 4 by metric",
    "seeds": "How far does the seed alone move a score?",
    "measures": "Boundaries, lesions and false alarms",
    "subgroups": "Dice by subgroup",
    "subgroup_differences": "TextBCS against each other method, by subgroup",
    "stability": "How firm is the ranking?",
    "trivial": "Does every method learn?",
    "claims": "The paper's claims",
    "text_worth": "What the text is worth",
    "automatic_prompts": "Automatic prompts against the given ones",
    "volumes": "Whole volumes: every slice of a patient",
    "volume_differences": "Whole volumes: what a prompt changes",
    "prompt_agreement": "Prompts without a reader against the case's own",
    "prompt_check": "Is a word of the prompt wrong?",
    "prompt_leak": "What a prompt gives away without the image",
    "calibration": "Calibration: do the probabilities mean what they say?",
    "uncertainty": "Does uncertainty find the errors?",
    "fractions": "Does vacuity fall as data grow?",
    "complexity": "Parameters and operations",
    "flow": "Flow of patients and slices",
}
# Tables of which `textbcs audit pages` explains every cell.
TRACED = ("table1", "table2", "table3", "table4", "volumes")
# The figure that the page opens with.
FIRST = "overview"
# File of a figure -> heading and what it shows. The stage `report` needs every one of them.
FIGURES = {
    "overview": (
        "Three test slices",
        "The test slices with the best, the median and the worst Dice of TextBCS (for an even number, the "
        "lower of the two middle ones; ties are broken by slice name). From left to right: the slice with "
        "its reference mask, UNet and LViT where they were run, TextBCS, and its vacuity on a logarithmic "
        "scale: 1 where nothing is evidence for either class. Solid: reference mask. Dashed: prediction. The "
        "framed part is enlarged. Radiological view: the patient's left is at the right.",
    ),
    "qualitative": (
        "Qualitative comparison over all methods (the paper's Fig. 3)",
        "Rows, by rule: the test slices with the best, the median and the worst Dice of TextBCS, and "
        "one with several lesions. Solid: reference mask. Dashed: prediction. The framed part of the "
        "slice is enlarged; predicted pixels outside it are counted below a panel.",
    ),
    "gradcam_cases": (
        "Where the ablation's UNet looks, with and without SVLI (the paper's Fig. 4)",
        "Seg-Grad-CAM: what raises the foreground's score, bright, over the reference mask's outline. "
        "Stages 1 to 4 are the paper's DownCNN1 to 4, stage 5 lies below them. Both networks are rows of "
        "the ablation with the first seed; Table 1's UNet is another run. Two cases by rule: the median "
        "Dice of that UNet, most lesion parts.",
    ),
    "gradcam_stages": (
        "What makes a heat map evidence",
        "Pointing game, energy inside the mask and its lift over the mask's area (1: heat that lies "
        "anywhere), mean over patients with intervals. A map without any heat counts as a miss with zero "
        "energy. The number of such maps is printed below each stage; hollow markers show the mean without "
        "them. Last panel: the rank correlation of each map, before negative values are set to zero, with "
        "that of the same network with random weights; bars show each set of random weights.",
    ),
    "failures": (
        "Failure cases (the paper's Fig. 5)",
        "By rule: the lowest Dice of a slice on which something is predicted, the slice with most "
        "missed lesions, the greatest false positive area; each rule takes a slice that no earlier one took. "
        "Where a rule finds none, the figure says so. Below each: the prompt that was given.",
    ),
    "prompt_styles": (
        "Styles of prompt (the paper's Fig. 6)",
        "Predictions of TextBCS (dashed) over the reference mask (light area) under the paper's variant "
        "prompts, the worst of all other wordings, no prompt and wrong ones. Cases: the paper's two prompts, "
        "or the slices nearest to them, of median Dice.",
    ),
    "dose_response": (
        "Wrong prompts: dose and response",
        "Dice against the share of slices whose prompt is another case's, or names the other side. Only the "
        "two ends are measured: each slice with its own prompt and with the wrong one. The line between them "
        "is computed, so it is straight by construction. Band: 95 % interval over patients. Vertical bars: "
        "the central 95 % over random choices of the slices that get the wrong prompt. Thin line: the same "
        "method without any prompt.",
    ),
    "free_response": (
        "Whole volumes: free response",
        "Lesions found against false components per patient while the threshold moves, components below the "
        "smallest lesion left out; up and to the left is better. A panel a network, a line a source of its "
        "prompts. Filled: the operating point that the validation volumes chose. It is counted on the native "
        "grid and has a smallest component of its own, so it need not lie on its line. Broad grey: a network "
        "that reads no text, the same in each panel.",
    ),
    "volume_agreement": (
        "Whole volumes: predicted against true volume",
        "Bland-Altman: each patient's predicted minus true tumour volume over the mean of both, a panel a "
        "network, asked with the automatic prompt where it reads text. Solid: the mean error. Dashed: the "
        "limits of agreement, mean plus and minus 1.96 standard deviations. A patient in whom nothing is "
        "marked lies on a line that falls by two.",
    ),
    "reliability": (
        "Reliability",
        "Predicted probability against the share of pixels that are tumour; on the diagonal a "
        "probability means what it says. Above: the region of interest. Below: the whole image, which "
        "background flatters. Bands, and limits of the calibration error: 95 %, BCa over patients.",
    ),
    "uncertainty_maps": (
        "Uncertainty maps",
        "The median case of TextBCS: vacuity (no evidence), entropy, expected entropy (conflict), "
        "mutual information, and where it is wrong. Useful uncertainty is bright where the error is.",
    ),
    "weights": (
        "Loss weights",
        "Dice over each weight of Table 3, the other one held, on both splits the mean over slices: on test "
        "with its interval from resampled patients, on validation of each run's best epoch. Ringed: TextBCS. "
        "An arrow names a value far below the scale. Nothing is selected from it.",
    ),
    "training_curves": (
        "Training curves",
        "Validation Dice over epochs, one panel a method over all others in grey; dot: the epoch that "
        "is kept.",
    ),
    "forest": (
        "Differences to TextBCS",
        "TextBCS minus each other method, mean over patients with its unadjusted 95 % interval, each "
        "training held fixed; filled where the interval excludes 0. Bars: the same difference of each seed's "
        "trainings, for the methods that were trained several times.",
    ),
    "ranks": (
        "Ranks",
        "How often each method takes each place when patients are resampled; framed: the place "
        "observed.",
    ),
}
