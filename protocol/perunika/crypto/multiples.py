"""Sums of multiples of points: tables, regular recoding and the one loop that walks them.

A *stream* is ``(table, digits, spacing)``: the table holds 2**(w-1) affine points of 64 bytes (x, y
big-endian), digit ``i`` weighs ``2**(i * spacing)`` and is w bits wide. Every digit names a table point with a
sign, none means zero, so the sequence of doublings and additions is the same for every scalar. That rests on
writing an odd number as a sum of +1 and -1 times powers of two, and an even one as itself plus the odd order.

Two kinds of table: a Lim-Lee comb of six teeth (2 KB; 22 or 44 additions, no doublings of its own) for points
used often, and the odd multiples 1..15 (512 bytes) for a point used once.
"""

from perunika.crypto.field import P, inverse, reduce
from perunika.crypto.points import add, add_any, double, double_affine, to_affine
from perunika.crypto.signature import N

TEETH = 6
HALF_COLUMNS = 22  # 6 teeth x 44 columns = 264 bits, enough for scalar + order
WINDOW_BITS = 4
WINDOWS = 33  # 132 bits, enough for the halves that split() returns

# x -> BETA * x maps a point to LAMBDA times it (Gallant, Lambert, Vanstone, CRYPTO 2001).
BETA = 0x7AE96A2B657C07106E64479EAC3434E99CF0497512F58995C1396C28719501EE
LAMBDA = 0x5363AD4CC05C30E0A5261C028812645A122E22EA20816678DF02967C1B23BD72
# Two short vectors (a, b) with a + b * LAMBDA = 0 modulo N; (_A1, _B1) is (odd, odd), (_A2, _A1) is (even, odd).
_A1 = 0x3086D221A7D46BCDE86C90E49284EB15
_B1 = -0xE4437ED6010E88286F547FA90ABFE4C3
_A2 = 0x114CA50F7A8E2F3F657C1108D9D44CFD8


def _read(table, at):
    return int.from_bytes(table[at : at + 32], "big"), int.from_bytes(table[at + 32 : at + 64], "big")


def _write(table, at, x, y):
    table[at : at + 32] = x.to_bytes(32, "big")
    table[at + 32 : at + 64] = y.to_bytes(32, "big")


def _grow(table, count, step):
    # Behind the first ``count`` points of the table, write each of them plus the affine point ``step``, for
    # the price of one inversion. No pair is equal or opposite: tables only add distinct small multiples of a
    # point of prime order. Points stay packed; as ints they would need four times the heap.
    products, running = [], 1
    for i in range(count):
        products.append(running)
        running = reduce(running * (_read(table, i << 6)[0] - step[0]))
    recip = inverse(running, P)
    for i in range(count - 1, -1, -1):
        x, y = _read(table, i << 6)
        slope = reduce((y - step[1]) * reduce(recip * products[i]))
        recip = reduce(recip * (x - step[0]))
        x3 = (slope * slope - x - step[0]) % P
        _write(table, (count + i) << 6, x3, (slope * (x - x3) - y) % P)


def comb_tables(point, halves=1):
    """Return ``halves`` (1 or 2) comb tables of 2 KB each for an affine point; 215 doublings of work."""
    spacing = 2 * HALF_COLUMNS // halves
    powers = [point]
    for _ in range(TEETH * halves - 1):
        x, y, z = powers[-1][0], powers[-1][1], 1
        for _ in range(spacing):
            x, y, z = double(x, y, z)
        powers.append(to_affine(x, y, z))
    return [_comb_table(powers[half::halves]) for half in range(halves)]


def _comb_table(teeth):
    # Entry i is the last tooth plus each other tooth k with the sign that bit k of i says.
    table = bytearray(64 << (TEETH - 1))
    x, y, z = teeth[-1][0], teeth[-1][1], 1
    for px, py in teeth[:-1]:
        x, y, z = add(x, y, z, px, P - py)
    _write(table, 0, *to_affine(x, y, z))
    for k in range(TEETH - 1):
        _grow(table, 1 << k, double_affine(teeth[k]))
    return table


def comb_digits(scalar):
    """Return the digits of 0 <= scalar < N: those of columns 0..21 and those of 22..43, 6 bits each."""
    odd = scalar + N * (1 - (scalar & 1))
    bits = (odd + 2 ** (2 * TEETH * HALF_COLUMNS) - 1) >> 1
    low, high = bytearray(HALF_COLUMNS), bytearray(HALF_COLUMNS)
    for tooth in range(TEETH):
        for digits in (low, high):
            row = bits & (2**HALF_COLUMNS - 1)
            bits >>= HALF_COLUMNS
            for column in range(HALF_COLUMNS):
                digits[column] |= (row >> column & 1) << tooth
    return low, high


def split(scalar):
    """Return odd ``k1, k2`` with ``k1 + k2 * LAMBDA = scalar`` modulo N, both below 2**131 in size."""
    c1 = (_A1 * scalar + N // 2) // N
    c2 = (-_B1 * scalar + N // 2) // N
    k1 = scalar - c1 * _A1 - c2 * _A2
    k2 = -c1 * _B1 - c2 * _A1
    if not k1 & 1:
        k1, k2 = k1 + _A1, k2 + _B1
    if not k2 & 1:
        k1, k2 = k1 + _A2, k2 + _A1
    return k1, k2


def _window_digits(odd):
    # Also right for negative numbers: the digits stand for odd values from -15 to 15.
    packed = ((odd + 2 ** (WINDOW_BITS * WINDOWS) - 1) >> 1).to_bytes(WINDOWS // 2 + 1, "little")
    return bytes([packed[i >> 1] >> ((i & 1) << 2) & 15 for i in range(WINDOWS)])


def once_streams(point, scalar):
    """Return the streams of scalar * point for a point seen once; 0 <= scalar < N, public."""
    table = bytearray(64 << (WINDOW_BITS - 1))
    _write(table, 0, *point)
    step = double_affine(point)
    for k in range(WINDOW_BITS - 1):
        _grow(table, 1 << k, step)
        step = double_affine(step)
    turned = bytearray(table)
    for at in range(0, len(table), 64):
        turned[at : at + 32] = (_read(table, at)[0] * BETA % P).to_bytes(32, "big")
    k1, k2 = split(scalar)
    return [(table, _window_digits(k1), WINDOW_BITS), (turned, _window_digits(k2), WINDOW_BITS)]


def _entry(table, digit):
    # Digits of the upper half are positive; the lower half mirrors them. No branch: the digit may be secret.
    half = len(table) >> 6
    positive = digit // half
    x, y = _read(table, ((digit ^ (positive - 1)) & (half - 1)) << 6)
    return x, (2 * positive - 1) * y


def _walk(streams, mask, plus):
    x = y = z = 0
    started = False
    for step in range(max([len(digits) * spacing for _, digits, spacing in streams]) - 1, -1, -1):
        if started:
            x, y, z = double(x, y, z)
        for table, digits, spacing in streams:
            if step % spacing or step >= len(digits) * spacing:
                continue
            px, py = _entry(table, digits[step // spacing])
            if started:
                x, y, z = plus(x, y, z, px, py)
            else:
                square = reduce(mask * mask)
                x, y, z = reduce(px * square), reduce(py * reduce(square * mask)), mask
                started = True
    return x, y, z


def total(streams, mask=1):
    """Return the affine sum of the streams, or None at infinity.

    ``mask``, not 0 modulo P, randomises every coordinate on the way; it does not change the sum.
    """
    x, y, z = _walk(streams, mask, add)
    if z % P == 0:
        # An exceptional addition, or infinity: once in 2**120 unless a peer made the scalars to measure.
        x, y, z = _walk(streams, mask, add_any)
    return to_affine(x, y, z)
