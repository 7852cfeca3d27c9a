"""Benchmarks: what the README and the release notes claim, measured by commands that anyone can rerun."""
