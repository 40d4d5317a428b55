"""The words that modules share: labels of training pools, their roles and colours, scores."""

ZERO_FILLED = "zero-filled"
"""Label of images that no method was trained for: zeros where nothing was measured."""
L1_WAVELET = "l1-wavelet"
"""Label of parallel imaging with a sparse penalty, which is not trained either."""
BASELINE = "P_best"
"""Label of the best single distribution, as a training set and as a test set."""
DIVERSE, SAME_SIZE, BOTH = "P", "P, size of P_best", "P+Q"
TRAININGS = (BASELINE, SAME_SIZE, DIVERSE, BOTH)
"""Training sets of Figure 5, and P cut to the size of P_best."""

ROLES = {
    DIVERSE: "#e07b1a",
    "Q": "#1f5fa8",
    BOTH: "#35b3a2",
    "half of P+Q": "#26292d",
    "narrow": "#7a3e9d",
    "diverse": "#e07b1a",
    "diverse, same size": "#f5bf85",
    BASELINE: "#7a3e9d",
    SAME_SIZE: "#f5bf85",
    ZERO_FILLED: "#8a929c",
    L1_WAVELET: "#4c535c",
}
"""Colour by role, as in the paper: orange P, blue Q, teal both, black the half of both (Figure 3);
violet the narrow pool and orange the diverse one (Figure 5)."""


OTHERS = ("#b8366f", "#5f7f1e", "#0091c8", "#8c5a2b", "#6f6f9e")
"""Colours of pools without a role, in turn."""


SCORES = {
    "ssim": "SSIM",
    "ssim_foreground": "foreground SSIM",
    "psnr": "PSNR in dB",
    "nmse": "NMSE",
    "ssim_matched": "matched SSIM",
    "ssim_foreground_matched": "matched foreground SSIM",
    "psnr_matched": "matched PSNR in dB",
}
"""Scores and their names; *matched* is after the target's mean and variance."""
