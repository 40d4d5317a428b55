"""Reconstruction: masks, models, training, evaluation, metrics."""
