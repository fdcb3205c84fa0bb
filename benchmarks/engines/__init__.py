"""Engines of others for CPUs beside ours: `python -m benchmarks.engines`.

One file for each engine. It runs in an environment of its own, as their requirements contradict
each other, and imports nothing but the standard library before it works there.
"""
