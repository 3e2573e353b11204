"""The parts of the pure backend: field, points, recoding; each against its definition."""

import coincurve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perunika.crypto import field, multiples, nonce, points
from perunika.crypto.field import P
from perunika.crypto.points import GENERATOR
from perunika.crypto.signature import N

scalars = st.integers(0, N - 1)
edges = (0, 1, 2, N // 2, N - 2, N - 1)


def times_generator(scalar: int) -> tuple[int, int] | None:
    if scalar % N == 0:
        return None
    encoded = coincurve.PrivateKey((scalar % N).to_bytes(32, "big")).public_key.format(compressed=False)
    return int.from_bytes(encoded[1:33], "big"), int.from_bytes(encoded[33:], "big")


@given(st.integers(-(2**529), 2**529))
@example(-(2**529))
@example(2**529)
def test_reduce_stays_congruent_and_short(value: int) -> None:
    short = field.reduce(value)
    assert (short - value) % P == 0
    assert abs(short) < 2**257


@given(st.integers(1, N - 1), st.sampled_from((P, N)))
def test_inverse_is_the_inverse(value: int, modulus: int) -> None:
    assert field.inverse(value, modulus) == pow(value, -1, modulus)
    assert field.inverse(value - modulus, modulus) == pow(value, -1, modulus)


def test_zero_has_no_inverse() -> None:
    assert field.inverse(0, P) == field.inverse(P, P) == field.inverse(2 * N, N) == 0


@given(st.integers(0, P - 1))
def test_square_root_is_found_exactly_for_squares(value: int) -> None:
    assert field.square_root(value * value % P) in (value, P - value)
    assert (field.square_root(value) is not None) == (pow(value, (P - 1) // 2, P) in (0, 1))


@settings(deadline=None)
@given(st.integers(1, N - 1), st.integers(1, N - 1), st.integers(1, P - 1))
@example(5, 5, 7)
@example(5, N - 5, 7)
def test_add_any_is_right_for_equal_opposite_and_other_points(a: int, b: int, z: int) -> None:
    (ax, ay), (bx, by) = times_generator(a), times_generator(b)
    jacobian = (ax * z * z % P, ay * z**3 % P, z)
    assert points.to_affine(*points.add_any(*jacobian, bx, by)) == times_generator(a + b)
    if (a - b) % N and (a + b) % N:
        assert points.to_affine(*points.add(*jacobian, bx, by)) == times_generator(a + b)
    else:
        assert points.add(*jacobian, bx, by)[2] % P == 0, "an exceptional addition is seen at the end"


def test_infinity_is_neutral_and_its_double_is_infinity() -> None:
    assert points.to_affine(*points.add_any(3, 4, 0, *GENERATOR)) == GENERATOR
    assert points.to_affine(*points.double(1, 1, 0)) is None


@given(scalars)
@example(0)
@example(1)
@example(N - 1)
def test_comb_digits_have_no_zero_and_sum_to_the_scalar(scalar: int) -> None:
    low, high = multiples.comb_digits(scalar)
    value = 0
    for column, digit in enumerate(low + high):
        value += sum((1 if digit >> tooth & 1 else -1) << (44 * tooth + column) for tooth in range(6))
    assert value % N == scalar


@given(scalars)
@example(0)
@example(N - 1)
def test_split_gives_two_odd_halves(scalar: int) -> None:
    k1, k2 = multiples.split(scalar)
    assert (k1 + k2 * multiples.LAMBDA) % N == scalar
    assert k1 & 1 and k2 & 1
    assert max(abs(k1), abs(k2)) < 2**131


def test_the_endomorphism_is_multiplication_by_lambda() -> None:
    assert times_generator(multiples.LAMBDA) == (GENERATOR[0] * multiples.BETA % P, GENERATOR[1])


@settings(max_examples=25, deadline=None)
@given(scalars, st.integers(1, N - 1), st.integers(1, P - 1))
@example(0, 1, 1)
@example(N - 1, 1, 2)
def test_every_kind_of_stream_gives_the_multiple(scalar: int, base: int, mask: int) -> None:
    point = times_generator(base)
    low, high = multiples.comb_digits(scalar)
    first, second = multiples.comb_tables(point, 2)
    expected = times_generator(scalar * base)
    assert multiples.total([(first, low, 1), (second, high, 1)], mask) == expected
    assert multiples.total([(first, low + high, 1)], mask) == expected
    assert multiples.comb_tables(point) == [first]
    assert multiples.total(multiples.once_streams(point, scalar), mask) == expected


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(edges), st.sampled_from(edges), st.sampled_from((1, 2, N - 1, N - 2)))
def test_sums_that_meet_exceptional_additions_are_right(a: int, b: int, base: int) -> None:
    table = multiples.comb_tables(GENERATOR)[0]
    low, high = multiples.comb_digits(a)
    streams = [(table, low + high, 1), *multiples.once_streams(times_generator(base), b)]
    assert multiples.total(streams) == times_generator(a + b * base)


def test_nonces_follow_the_rfc_and_masks_differ_from_them() -> None:
    # RFC 6979 has no secp256k1 example; this is the widely used one for key 1 and sha256("Satoshi Nakamoto").
    digest = bytes.fromhex("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e")
    sequence = nonce.nonces(1, digest)
    first, second = next(sequence), next(sequence)
    assert first[0] == 0x8F8A276C19F4149656B280621E358CCE24F5F52542772691EE69063B74F15D15
    assert len({*first, *second}) == 4
    assert all(0 < number < N for number in (*first, *second))
