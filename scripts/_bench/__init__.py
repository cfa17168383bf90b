"""The benchmarks of scripts/bench, one module each, found by their `BENCHMARK`.

To add one: write a module here whose `BENCHMARK` measures the keeper and a plain baseline side by side, and
asserts that both give the same answer. Import what is heavy within its generator: names and ``--help`` must
come at once. What several share is in modules whose names begin with an underscore, which are not loaded for
that.
"""
