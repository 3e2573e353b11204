"""Perunika's protocol core: pure, no input or output; runs unchanged on MicroPython and CPython."""
