"""Finds what chapters register: a new chapter is a package, and nothing else has to name it."""

import functools
import importlib
import pkgutil

CHAPTERS = "mrinb.chapters"


@functools.cache
def load(part: str) -> None:
    """Import one module of every chapter that has it, such as ``claims``; it registers itself.

    Args:
        part: name of the module within a chapter's package.
    """
    for chapter in pkgutil.iter_modules(importlib.import_module(CHAPTERS).__path__):
        name = f"{CHAPTERS}.{chapter.name}"
        modules = pkgutil.iter_modules(importlib.import_module(name).__path__)
        if any(module.name == part for module in modules):
            importlib.import_module(f"{name}.{part}")
