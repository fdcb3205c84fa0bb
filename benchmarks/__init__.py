"""Measurements, each one command; none of them runs in CI."""
