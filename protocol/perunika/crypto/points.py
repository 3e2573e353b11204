"""Points of secp256k1: Jacobian ``x, y, z`` (loose values, infinity is z = 0) and affine ``x, y`` pairs.

``add`` leaves out the two exceptional cases, equal and opposite points, because both make z = 0 and z = 0
stays: whoever uses it looks at the final z once and repeats with ``add_any`` if it is 0. So a wrong point
never leaves, and the usual path has no comparison. Formulas: Hisil et al. / explicit-formulas database for
y**2 = x**3 + b (curve constant a = 0).
"""

from perunika.crypto.field import P, inverse, reduce

GENERATOR = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def double(x, y, z):
    """Return twice a Jacobian point; twice infinity is infinity, no other point is exceptional."""
    yy = reduce(y * y)
    xyy = reduce(x * yy) << 2
    slope = 3 * reduce(x * x)
    x3 = reduce(slope * slope - (xyy << 1))
    return x3, reduce(slope * (xyy - x3) - (yy * yy << 3)), reduce(y * z << 1)


def add(x, y, z, px, py):
    """Return Jacobian + affine; z is 0 when either was infinite or the two were equal or opposite."""
    zz = reduce(z * z)
    width = reduce(px * zz) - x
    height = reduce(py * reduce(z * zz)) - y
    square = reduce(width * width)
    cube = reduce(width * square)
    base = reduce(x * square)
    x3 = reduce(height * height - cube - (base << 1))
    return x3, reduce(height * (base - x3) - y * cube), reduce(z * width)


def add_any(x, y, z, px, py):
    """Return Jacobian + affine for every pair of points; slower than ``add``, its time tells the case."""
    if z % P == 0:
        return px, py, 1
    zz = z * z % P
    if (px * zz - x) % P:
        return add(x, y, z, px, py)
    if (py * zz * z - y) % P:
        return 1, 1, 0
    return double(x, y, z)


def to_affine(x, y, z):
    """Return the canonical affine pair of a Jacobian point, or None at infinity."""
    recip = inverse(z, P)
    if not recip:
        return None
    square = reduce(recip * recip)
    return x * square % P, y * reduce(square * recip) % P


def double_affine(point):
    """Return twice an affine point as an affine pair."""
    return to_affine(*double(point[0], point[1], 1))
