"""From notebooks to the published book."""
