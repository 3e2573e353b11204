"""Arithmetic modulo the prime of secp256k1, on plain ints.

Values between operations are *loose*: congruent, at most a few bits above 256 and perhaps negative. Only
``% P`` makes them canonical, and only where a value leaves or is compared. Constants: SEC 2 v2, section 2.4.1.
"""

P = 2**256 - 2**32 - 977
_LOW = 2**256 - 1
_FOLD = 2**32 + 977  # 2**256 modulo P


def reduce(value):
    """Return a loose value congruent to ``value`` modulo P, for ``abs(value) < 2**530``.

    Two folds at 2**256 cost a third less than ``% P`` on a board, where a division of long ints is slow.
    """
    value = (value & _LOW) + (value >> 256) * _FOLD
    return (value & _LOW) + (value >> 256) * _FOLD


def inverse(value, modulus):
    """Return the inverse of ``value`` modulo the prime ``modulus``; 0 when there is none.

    Extended Euclid, since ``pow(value, -1, modulus)`` silently gives 0 on MicroPython. Its time depends on
    ``value``: a secret is multiplied by a random mask before it comes here.
    """
    high, low = modulus, value % modulus
    before, now = 0, 1
    while low:
        quotient = high // low
        high, low = low, high - quotient * low
        before, now = now, before - quotient * now
    return before % modulus if high == 1 else 0


def _square_times(value, times):
    for _ in range(times):
        value = reduce(value * value)
    return value


def square_root(value):
    """Return the canonical root of ``value``, 0 <= value < P, or None when it is not a square.

    ``value ** ((P + 1) // 4)`` by an addition chain over runs of ones: the exponent is 223 ones, a zero,
    22 ones, four zeros, two ones, two zeros.
    """
    ones2 = reduce(_square_times(value, 1) * value)
    ones3 = reduce(_square_times(ones2, 1) * value)
    ones6 = reduce(_square_times(ones3, 3) * ones3)
    ones9 = reduce(_square_times(ones6, 3) * ones3)
    ones11 = reduce(_square_times(ones9, 2) * ones2)
    ones22 = reduce(_square_times(ones11, 11) * ones11)
    ones44 = reduce(_square_times(ones22, 22) * ones22)
    ones88 = reduce(_square_times(ones44, 44) * ones44)
    ones176 = reduce(_square_times(ones88, 88) * ones88)
    ones220 = reduce(_square_times(ones176, 44) * ones44)
    ones223 = reduce(_square_times(ones220, 3) * ones3)
    root = reduce(_square_times(ones223, 23) * ones22)
    root = reduce(_square_times(root, 6) * ones2)
    root = _square_times(root, 2) % P
    return root if (root * root - value) % P == 0 else None
