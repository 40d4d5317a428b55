"""What tests ask of the tissue maps of heads, whatever they are made from."""

from scipy import ndimage

from mrinb.simulate.tissues import BRAIN_TISSUES


def share(maps, *names):
    """Summed fraction map of the tissues."""
    return sum(maps.fractions[BRAIN_TISSUES.index(name)] for name in names)


def depths(maps, *names):
    """Mean distance in pixels of each tissue from the air around the head."""
    inside = ndimage.binary_fill_holes(maps.fractions.sum(0) > 0.5)
    depth = ndimage.distance_transform_edt(inside)
    weights = [share(maps, name) for name in names]
    return [float((weight * depth).sum() / weight.sum()) for weight in weights]
