"""Speed and memory against named peers; see docs/benchmarks.md."""
