"""Speeds against plain loops, one module a subject: ``python -m benchmarks`` finds them all."""
