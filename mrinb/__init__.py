"""mrinb: the code behind an interactive reproduction of Lin and Heckel (2024).

Importing the package is cheap on purpose: torch and friends load when a module that uses them does.
"""

__version__ = "0.1.0"
