"""Means as a table for people: on the terminal, and for a page of documentation."""

from collections.abc import Sequence

from serpent_cli.evaluation.baselines import GAP_TV, NON_LOCAL_MEANS
from serpent_cli.evaluation.cases import SHARP_PART
from serpent_cli.evaluation.suite import CUT
from serpent_cli.evaluation.summary import Mean

HEAD = [
    "case", "files", "before dB", "after dB", "gain dB", "worst dB", "SSIM before", "SSIM after",
    "ST-LPIPS before", "ST-LPIPS after", "Wiener dB", "Richardson-Lucy dB", "over oracles", "share",
    "worst gain dB", "levels", "low-freq. rms", "angle before", "angle after", "baseline dB",
    "baseline SSIM", "baseline angle", "over baseline", "least over baseline", "seconds", "bar",
    "met", "note",
]  # fmt: skip
BASELINES = {
    NON_LOCAL_MEANS: "non-local means of each band, told the deviation of what harms it",
    GAP_TV: "GAP-TV, 50 turns; before: the snapshot, shifted back",
}
"""What the caption says of the method that stands beside."""

ALWAYS = frozenset(HEAD[:8]) | {"seconds", "bar", "met"}


def rows(means: Sequence[Mean]) -> list[list[str]]:
    """A table of text: head, then one row per case; without columns that nothing fills."""
    table = [HEAD, *(_row(mean) for mean in means)]
    kept = [
        index
        for index, title in enumerate(HEAD)
        if title in ALWAYS or any(row[index] for row in table[1:])
    ]
    return [[row[index] for index in kept] for row in table]


def _row(mean: Mean) -> list[str]:
    met = "" if mean.met is None else "yes" if mean.met else "NO"
    decibels = map(_number, (mean.before, mean.after, mean.gain, mean.least_after))
    wiener = _tuned(mean.wiener, mean.wiener_balance)
    richardson_lucy = _tuned(mean.richardson_lucy, mean.richardson_lucy_iterations)
    over = "" if mean.over_oracles is None else f"{mean.over_oracles:+.2f}"
    alike = (mean.ssim_before, mean.ssim_after, mean.st_lpips_before, mean.st_lpips_after)
    share = "" if mean.share is None else f"{100 * mean.share:.0f} %"
    bars = {"": mean.bar, "worst ": mean.worst_bar, "low-freq. ": mean.low_frequency_bar,
            "least over baseline ": mean.baseline_bar}  # fmt: skip
    bar = ", ".join(f"{what}{value:.2f}" for what, value in bars.items() if value is not None)
    return [
        mean.case, str(mean.files), *decibels, *(_number(value, 4) for value in alike),
        wiener, richardson_lucy, over, share, _number(mean.least_gain), _number(mean.levels, 1),
        _number(mean.low_frequency_rms), *_of_cubes(mean), _number(mean.seconds), bar, met,
        mean.note,
    ]  # fmt: skip


def _of_cubes(mean: Mean) -> list[str]:
    angles = map(_number, (mean.sam_before, mean.sam_after))
    over = mean.over_baseline, mean.least_over_baseline
    return [
        *angles, _number(mean.baseline_after), _number(mean.baseline_ssim, 4),
        _number(mean.baseline_sam), *("" if each is None else f"{each:+.2f}" for each in over),
    ]  # fmt: skip


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _tuned(value: float | None, parameter: float | None) -> str:
    return "" if value is None or parameter is None else f"{value:.2f} ({parameter:.2g})"


def caption(means: Sequence[Mean]) -> str:
    """What a reader must know of the table: one sentence each."""
    baseline = next((mean.baseline for mean in means if mean.baseline), "")
    if baseline:
        return (
            "PSNR and SSIM: means over the bands. Angle: mean between spectra, in degrees."
            f" Baseline: {BASELINES[baseline]}. Least: of the cube that is least above it."
        )
    sentences = ["PSNR and SSIM of RGB, whole frames."]
    if any(mean.case.endswith(CUT) for mean in means):
        sentences = [
            "PSNR and SSIM of Y (BT.601); before: bicubic enlargement.",
            "Rows with the border cut are what publications print.",
        ]
    if any(mean.wiener is not None for mean in means):
        sentences.append(
            "Wiener (best balance) and Richardson-Lucy (best number of iterations) are told the"
            " true kernel and tuned on the truth: an advantage that no user has."
        )
    names = {mean.case for mean in means}
    if any(f", {SHARP_PART}" in name for name in names):
        sentences.append(
            "Half, rim: only the left half, or all but the middle (16 % of the area), is blurred"
            " and measured; share: of the gain in the same part when all is blurred."
        )
    elif any(mean.share is not None for mean in means):
        sentences.append("Share: of the gain where the small picture is clean bicubic.")
    if any(mean.levels is not None for mean in means):
        sentences.append(
            "Levels: largest difference of any sample, in 1/255, where nothing was to be done."
        )
    if any(mean.low_frequency_rms is not None for mean in means):
        sentences.append("Low-freq. rms: of the result, reduced again, less the input, in 1/255.")
    if any(mean.note for mean in means):
        sentences.append("Out of range: the model was not trained for that.")
    return " ".join(sentences)


def markdown(means: Sequence[Mean]) -> str:
    """The same table, with its caption, for a page of documentation."""
    head, *body = rows(means)
    ruler = ["---"] + ["---:"] * (len(head) - 1)
    lines = [f"| {' | '.join(row)} |" for row in (head, ruler, *body)]
    return "\n".join([*lines, "", caption(means), ""])
