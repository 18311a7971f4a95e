"""Benchmarks: Bienvenue beside code that people write without it (`make bench`)."""
