"""What `tests/benchmark` is made of. A part of it is a module in `parts`, found by its being there."""
