"""ICC profiles made where a file tells its colours otherwise, or holds another number of channels.

Source: ICC.1:2001-04 (version 2, which every program reads): a matrix and one curve for each
channel. Bradford's matrix of chromatic adaptation: annex E of ICC.1:2010.
"""

import struct

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_HEADER, _SPACE = 128, slice(16, 20)
_MOST_TAGS = 200
_CURVE_ENTRIES = 1024
_CURVE_KINDS = (b"curv", b"para")

# Primaries and white points that ITU-T H.273 numbers: x and y of red, green and blue.
_PRIMARIES: dict[int, tuple[tuple[float, ...], tuple[float, float]]] = {
    1: (SRGB_PRIMARIES, D65),
    4: ((0.67, 0.33, 0.21, 0.71, 0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33, 0.29, 0.60, 0.15, 0.06), D65),
    6: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    7: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    9: ((0.708, 0.292, 0.170, 0.797, 0.131, 0.046), D65),
    11: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), D65),
}
# Its transfer curves: those that viewers show as they show sRGB's, and plain powers.
_LIKE_SRGB = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}


def is_srgb(cicp: tuple[int, int]) -> bool:
    """Tell whether primaries and curve by number are sRGB, or what viewers show like it."""
    return cicp[0] in (1, 2) and cicp[1] in _LIKE_SRGB


def numbered(cicp: tuple[int, int], *, grey: bool) -> bytes | None:
    """Make the profile of primaries and a transfer curve by number; None for HDR and rare ones."""
    primaries, curve = cicp
    if primaries not in _PRIMARIES or not (curve in _LIKE_SRGB or curve in _GAMMAS):
        return None
    return described(*_PRIMARIES[primaries], gamma=_GAMMAS.get(curve), grey=grey)


def described(
    primaries: tuple[float, ...], white: tuple[float, float], *, gamma: float | None, grey: bool
) -> bytes | None:
    """Make the profile of chromaticities.

    Args:
        primaries: x and y of red, green and blue.
        white: x and y.
        gamma: Light is the sample to this power; None for the curve of sRGB.
        grey: Make it for one channel.

    Returns:
        The profile; None where the chromaticities make no sense.
    """
    return _made(primaries, white, _curve(gamma), grey=grey)


def _made(
    primaries: tuple[float, ...], white: tuple[float, float], curve: bytes, *, grey: bool
) -> bytes | None:
    """Make the profile of chromaticities, which may make no sense, and the body of a curve."""
    corners = np.array([*white, *primaries], np.float64).reshape(4, 2)
    if not (np.isfinite(corners).all() and (corners[:, 1] > 0).all() and (corners >= 0).all()):
        return None
    whole = np.concatenate([corners, 1 - corners.sum(1, keepdims=True)], axis=1) / corners[:, 1:]
    if abs(np.linalg.det(whole[1:])) < 1e-6:
        return None
    tags = [(b"wtpt", _xyz(_D50))]
    if grey:
        return _profile(b"GRAY", [*tags, (b"kTRC", curve)])
    shares = np.linalg.solve(whole[1:].T, whole[0])
    columns = _to_d50(whole[0]) @ (whole[1:].T * shares)
    for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
        tags += [(name + b"XYZ", _xyz(column)), (name + b"TRC", curve)]
    return _profile(b"RGB ", tags)


def fitted(icc: bytes, *, grey: bool) -> bytes | None:
    """Make a profile that says of three equal channels what another says of one, or the reverse.

    Args:
        icc: A profile.
        grey: Whether the file to be written has one channel.

    Returns:
        The profile itself where it fits already, or where nobody can read what it is for; None
        where it does not fit and no other can be made of it: it has no curves.
    """
    space = icc[_SPACE]
    if space not in (b"GRAY", b"RGB ") or (space == b"GRAY") == grey:
        return icc
    curves = [_tag(icc, name) for name in ((b"rTRC", b"gTRC", b"bTRC") if grey else (b"kTRC",))]
    curve = curves[0]
    # Of a grey picture only one curve can be told.
    if curve is None or any(each != curve for each in curves) or curve[:4] not in _CURVE_KINDS:
        return None
    return _made(SRGB_PRIMARIES, D65, curve, grey=grey)


def _tag(icc: bytes, name: bytes) -> bytes | None:
    """The body of a tag; None where there is none in reach."""
    if len(icc) < _HEADER + 4:
        return None
    count = min(struct.unpack_from(">I", icc, _HEADER)[0], _MOST_TAGS)
    for at in range(_HEADER + 4, min(len(icc) - 11, _HEADER + 4 + 12 * count), 12):
        found, offset, size = struct.unpack_from(">4sII", icc, at)
        if found == name:
            body = icc[offset : offset + size]
            return body if len(body) == size else None
    return None


def _to_d50(white: _Floats) -> _Floats:
    """The matrix that takes colours seen under a white (X, Y, Z) to those under D50."""
    factors = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ (factors[:, None] * _BRADFORD)


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return (
            b"curv" + struct.pack(">IIH", 0, 1, round(min(max(gamma, 0.01), 255) * 256)) + b"\0\0"
        )
    v = np.linspace(0, 1, _CURVE_ENTRIES)
    light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    entries = np.rint(light * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, _CURVE_ENTRIES) + entries


def _xyz(colour: _Floats) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(each) * 65536) for each in colour))


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Lay out a profile of a colour space and of tags, a name and a body each."""
    text = b"Colours as the file described them\0"
    named = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    tags = [(b"desc", named), (b"cprt", b"text\0\0\0\0No copyright\0"), *tags]
    table, values = struct.pack(">I", len(tags)), b""
    base = _HEADER + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for name, body in tags:
        if body not in places:  # three channels share one curve
            places[body] = base + len(values)
            values += body + b"\0" * (-len(body) % 4)
        table += name + struct.pack(">II", places[body], len(body))
    size = base + len(values)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", *(round(float(each) * 65536) for each in _D50))
    return head.ljust(_HEADER, b"\0") + table + values
