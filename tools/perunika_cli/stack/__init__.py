"""The services that a demo or a system test runs beside our own programs: a chain, a broker, boards.

Everything here starts real programs and stops them again, whatever happens to us.
"""
