"""The parts of the benchmark, one module each.

A part's docstring says in one line what it measures; its `measure(numbers, options)` does so.
"""
