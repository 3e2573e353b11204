"""Keccak-256 as Ethereum uses it, in plain Python on small ints.

A lane of 64 bits fits a small int on no port and would be garbage at every operation, so the state is a flat
list of words that fit: two of 32 bits per lane where small ints have 63 bits, four of 16 bits on 32-bit
boards. Rotating a lane by ``r`` is then a choice of two words and a shift; which words and which shift is
read from tables that one pass over the offsets builds at import. Source: FIPS 202 section 3.2, with the
padding byte 0x01 of the original Keccak submission instead of SHA-3's 0x06.
"""

import struct
import sys

RATE_BYTES = 136
ROUNDS = 24


def _rotations():
    # Offsets of the rho step for lane x + 5 * y (FIPS 202, section 3.2.2).
    offsets = bytearray(25)
    x, y = 1, 0
    for t in range(24):
        offsets[x + 5 * y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return offsets


def _round_constants(word_bits):
    # The iota step's constants, least significant word first (FIPS 202, section 3.2.5).
    words = 64 // word_bits
    constants = [0] * (ROUNDS * words)
    register = 1
    for number in range(ROUNDS):
        for j in range(7):
            if register & 1:
                bit = (1 << j) - 1
                constants[number * words + bit // word_bits] |= 1 << bit % word_bits
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
    return constants


class Permutation:
    """Keccak-f[1600] on a list of ``25 * 64 // word_bits`` words, little-endian within a lane."""

    def __init__(self, word_bits):
        self.words = 64 // word_bits
        self.mask = (1 << word_bits) - 1
        self.constants = _round_constants(word_bits)
        self._plan(word_bits)

    def _plan(self, word_bits):
        # For word i of lane (x, y) after rho and pi, in the order the rows of chi read them:
        # which two words it is made of, how far they are shifted left and right.
        self.upper, self.lower = bytearray(25 * self.words), bytearray(25 * self.words)
        self.left, self.right = bytearray(25 * self.words), bytearray(25 * self.words)
        rotations = _rotations()
        for lane in range(25):
            x, y = lane % 5, lane // 5
            skip, shift = rotations[lane] // word_bits, rotations[lane] % word_bits
            for i in range(self.words):
                at = 5 * (self.words * ((2 * x + 3 * y) % 5) + i) + y
                self.upper[at] = self.words * lane + (i - skip) % self.words
                self.lower[at] = self.words * lane + (i - skip - 1) % self.words
                self.left[at] = shift
                self.right[at] = word_bits - shift

    def run(self, state):
        """Permute ``state`` in place."""
        plane = 5 * self.words
        parity = [0] * plane
        turned = [0] * len(state)
        for number in range(ROUNDS):
            self._theta(state, parity, plane)
            self._rho_pi_chi(state, turned, plane)
            for i in range(self.words):
                turned[i] ^= self.constants[number * self.words + i]
            # An even number of rounds: the caller's list ends up holding the result.
            state, turned = turned, state

    def _theta(self, a, parity, plane):
        words, mask, top = self.words, self.mask, 15 if self.words == 4 else 31
        two, three, four = 2 * plane, 3 * plane, 4 * plane
        for j in range(plane):
            parity[j] = a[j] ^ a[j + plane] ^ a[j + two] ^ a[j + three] ^ a[j + four]
        for j in range(0, plane, words):
            ahead = (j + words) % plane
            carry = parity[ahead + words - 1]
            for i in range(words):
                word = parity[ahead + i]
                change = parity[j - words + i] ^ ((word << 1 | carry >> top) & mask)
                carry = word
                at = j + i
                a[at] ^= change
                a[at + plane] ^= change
                a[at + two] ^= change
                a[at + three] ^= change
                a[at + four] ^= change

    def _rho_pi_chi(self, a, b, plane):
        upper, lower, left, right = self.upper, self.lower, self.left, self.right
        words, mask = self.words, self.mask
        two, three, four = 2 * words, 3 * words, 4 * words
        n = 0
        for row in range(0, 5 * plane, plane):
            for at in range(row, row + words):
                b0 = (a[upper[n]] << left[n] | a[lower[n]] >> right[n]) & mask
                n += 1
                b1 = (a[upper[n]] << left[n] | a[lower[n]] >> right[n]) & mask
                n += 1
                b2 = (a[upper[n]] << left[n] | a[lower[n]] >> right[n]) & mask
                n += 1
                b3 = (a[upper[n]] << left[n] | a[lower[n]] >> right[n]) & mask
                n += 1
                b4 = (a[upper[n]] << left[n] | a[lower[n]] >> right[n]) & mask
                n += 1
                b[at] = b0 ^ (~b1 & b2)
                b[at + words] = b1 ^ (~b2 & b3)
                b[at + two] = b2 ^ (~b3 & b4)
                b[at + three] = b3 ^ (~b4 & b0)
                b[at + four] = b4 ^ (~b0 & b1)


# A word shifted left before it is masked stays a small int (62 bits and a sign, or 30 and a sign) for every
# offset but one: 15, in 16-bit words, which costs a 32-bit board some 3 KB of garbage per block.
_permutation = Permutation(32 if sys.maxsize > 0xFFFFFFFF else 16)


def keccak256(message, permutation=_permutation):
    """Return the 32-byte Keccak-256 digest of ``message`` (bytes, bytearray or memoryview)."""
    padded = bytearray(len(message) // RATE_BYTES * RATE_BYTES + RATE_BYTES)
    padded[: len(message)] = message
    padded[len(message)] ^= 0x01
    padded[len(padded) - 1] ^= 0x80
    words = permutation.words
    code = "I" if words == 2 else "H"
    block = "<" + str(17 * words) + code
    state = [0] * (25 * words)
    for start in range(0, len(padded), RATE_BYTES):
        at = 0
        for word in struct.unpack_from(block, padded, start):
            state[at] ^= word
            at += 1
        permutation.run(state)
    return struct.pack("<" + str(4 * words) + code, *state[: 4 * words])
