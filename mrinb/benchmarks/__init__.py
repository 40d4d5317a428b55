"""Benchmarks, one module a subject; ``python -m mrinb.bench`` finds them all."""
