"""A cube's own axes: how much noise there is, what is the scene, and which samples are dead."""

import numpy as np
import pytest

from serpent_cli.cubes.axes import LEAST_NOISE, NOISE, SPREAD, axes_of

BANDS = 20


def scene(bands=BANDS, height=96, width=80):
    """Three materials with smooth spectra, in [0, 1]."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    maps = [np.sin(rows / 9), np.cos(columns / 11), np.sin((rows + columns) / 7)]
    k = np.arange(bands)[:, None, None] / max(bands - 1, 1)
    cube = sum(
        m * np.exp(-((k - c) ** 2) / 0.1) for m, c in zip(maps, (0.1, 0.5, 0.9), strict=True)
    )
    return ((cube + 3) / 6).astype(np.float32)


def noisy(clean, deviation, seed=0):
    random = np.random.default_rng(seed)
    return (clean + deviation * random.standard_normal(clean.shape)).astype(np.float32)


def of(cube):
    return axes_of(lambda: [cube], len(cube))


def as_samples(axes, standard):
    return standard * axes.noise[:, None, None] + axes.mean[:, None, None]


@pytest.mark.parametrize("deviation", [2 / 255, 25 / 255])
def test_noise_of_each_band_is_found(deviation):
    wanted = deviation * np.linspace(0.5, 1.5, BANDS).astype(np.float32)
    axes = of(noisy(scene(), wanted[:, None, None]))
    np.testing.assert_allclose(axes.noise, wanted, rtol=0.06)


@pytest.mark.parametrize("across", [True, False], ids=["columns", "rows"])
def test_stripes_are_noise_of_their_bands_and_no_axes(across):
    clean = scene()
    random = np.random.default_rng(1)
    lines = random.standard_normal((BANDS, clean.shape[2 if across else 1])).astype(np.float32)
    lines[np.arange(BANDS) % 4 > 0] = 0
    stripes = 0.05 * (lines[:, None, :] if across else lines[:, :, None])
    given = noisy(clean, 0.01) + stripes
    axes = of(given)
    np.testing.assert_allclose(axes.noise[::4], np.hypot(0.05, 0.01), rtol=0.35)
    np.testing.assert_allclose(np.delete(axes.noise, np.s_[::4]), 0.01, rtol=0.1)
    assert not axes.gain[5:].any()
    told = as_samples(axes, axes.expected(axes.standard(given)))
    before, after = (np.square(x - clean).mean() for x in (given, told))
    assert after < before / 10


def test_as_many_axes_as_there_are_materials():
    axes = of(noisy(scene(), 0.05))
    assert (axes.gain[:3] > 0.9).all() and not axes.gain[5:].any()
    identity = axes.vectors.T @ axes.vectors
    np.testing.assert_allclose(identity, np.eye(BANDS), atol=1e-5)


def test_what_the_axes_tell_is_nearer_to_the_scene():
    clean = scene()
    given = noisy(clean, 0.1)
    axes = of(given)
    told = as_samples(axes, axes.expected(axes.standard(given)))
    before, after = (np.square(x - clean).mean() for x in (given, told))
    assert after < before * 5 / BANDS  # noise on three axes of twenty is left


def test_a_clean_cube_stays_what_it_is():
    clean = scene()
    axes = of(clean)
    told = as_samples(axes, axes.expected(axes.standard(clean)))
    assert np.abs(told - clean).max() < 10 * LEAST_NOISE
    assert (axes.noise >= LEAST_NOISE * 0.999).all()


def test_dead_samples_are_told_by_the_others_and_no_others_are_touched():
    clean = scene()
    given = noisy(clean, 0.01)
    dead = np.zeros(given.shape, bool)
    dead[3, 10, 20] = dead[7, :, 33] = dead[7, 50, 60] = True
    given[dead] = 1.0
    axes = of(given)
    np.testing.assert_allclose(axes.noise, 0.01, rtol=0.15)  # with them, 0.03 in one band
    mended = as_samples(axes, axes.mended(axes.standard(given)))
    assert np.abs(mended - clean)[dead].max() < 0.05
    untouched = np.isclose(mended, given, atol=1e-5)
    assert untouched[~dead].mean() > 0.999


def test_a_rare_thing_of_several_pixels_is_not_dead():
    given = noisy(scene(), 0.01)
    given[5, 40:44, 40:44] += 0.5
    axes = of(given)
    mended = as_samples(axes, axes.mended(axes.standard(given)))
    np.testing.assert_allclose(mended[5, 41:43, 41:43], given[5, 41:43, 41:43], atol=1e-5)


@pytest.mark.parametrize("bands", [1, 2, 3, 12, 250])
def test_what_a_network_is_to_change_brings_the_scene_back(bands):
    clean = scene(bands, 64, 64)
    given = noisy(clean, 0.02)
    axes = of(given)
    standard = axes.standard(given)
    seen, wanted = axes.seen(standard, 12), axes.wanted(standard, axes.standard(clean), 12)
    assert seen.shape == wanted.shape == (12, 64, 64)
    assert not seen[bands:].any() and not wanted[bands:].any()
    assert seen.std((1, 2)).max() <= SPREAD * 1.01
    assert wanted.std((1, 2)).max() <= NOISE * 1.1  # one noise, on any axis
    off = [np.square(axes.samples(standard, x) - clean).mean() for x in (0 * wanted, wanted)]
    assert off[1] < 0.2 * off[0]


def test_parts_count_as_the_whole():
    given = noisy(scene(), 0.05)
    parts = axes_of(lambda: [given[:, :48], given[:, 48:]], BANDS)
    whole = of(given)
    np.testing.assert_allclose(parts.noise, whole.noise, rtol=0.03)
    np.testing.assert_allclose(parts.spread, whole.spread, rtol=0.03)


def test_places_without_data_do_not_count():
    given = noisy(scene(), 0.05)
    holed = given.copy()
    holed[:, 30:60, 20:50] = np.nan
    holed[4, 0, 0] = np.nan
    axes, whole = of(holed), of(given)
    np.testing.assert_allclose(axes.noise, whole.noise, rtol=0.05)
    assert not axes.standard(holed)[:, 30:60, 20:50].any()


@pytest.mark.parametrize("shape", [(3, 1, 1), (5, 1, 9), (40, 2, 2), (2, 7, 1)])
@pytest.mark.parametrize("value", [0.0, 0.7, np.nan])
def test_what_tells_nothing_is_left_alone(shape, value):
    given = np.full(shape, value, np.float32)
    axes = of(given)
    assert all(np.isfinite(getattr(axes, name)).all() for name in ("noise", "vectors", "gain"))
    again = axes.samples(axes.standard(given), 0 * axes.seen(axes.standard(given), 12))
    np.testing.assert_allclose(again, np.nan_to_num(given), atol=1e-6)


def test_a_band_without_any_data_spoils_no_other():
    given = noisy(scene(), 0.05)
    given[6] = np.nan
    others = [k for k in range(BANDS) if k != 6]
    np.testing.assert_allclose(of(given).noise[others], 0.05, rtol=0.1)
