import numpy as np

from av2unit.clustering.align import ManyRecordings, warp_path


def test_sums_are_those_of_the_plain_alignment() -> None:
    rng = np.random.default_rng(0)
    recordings = [rng.standard_normal((int(length), 5)).astype(np.float32) for length in rng.integers(1, 40, 300)]
    many = ManyRecordings(recordings)
    for length in (1, 2, 17, 50):
        rows = rng.standard_normal((length, 5)).astype(np.float32)
        plain = [warp_path(rows, other)[1] for other in recordings]

        np.testing.assert_allclose(many.path_sums(rows), plain, rtol=2e-4)
        lengths = np.array([len(one) for one in recordings])
        np.testing.assert_allclose(many.mean_distances(rows), np.array(plain) / (length + lengths), rtol=2e-4)


def test_a_stretched_copy_is_the_nearest() -> None:
    rng = np.random.default_rng(1)
    recordings = [rng.standard_normal((30, 4)).astype(np.float32) for _ in range(50)]
    stretched = np.repeat(recordings[33], rng.integers(1, 4, 30), axis=0)

    assert int(ManyRecordings(recordings).mean_distances(stretched).argmin()) == 33
    assert ManyRecordings(recordings).path_sums(stretched)[33] < 0.1
