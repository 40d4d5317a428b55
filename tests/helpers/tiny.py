"""The smallest profile that everything runs on: 48 pixels, two epochs."""

from mrinb.profiles import PROFILES, Network

TINY = PROFILES["quick"]._replace(
    name="tiny", size=48, coils=2, subjects=(2, 1, 1), slices=2,
    networks={"unet": Network((("channels", 2), ("pools", 2)), 2, 2)}, exhibit_slices=2,
)  # fmt: skip
