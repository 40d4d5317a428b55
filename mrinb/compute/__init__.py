"""Results by recipe: specs and keys, the store, and whatever computes what is missing.

Nothing here knows of MRI.
"""
