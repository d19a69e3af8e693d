from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from brainbench.leaderboard.intervals import Estimate, Sample, Scores, estimate, estimate_beyond, holm

RNG = np.random.default_rng(0)


def sample(
    figures: dict[tuple[str, int], float], draws: dict[tuple[str, int], np.ndarray], images: int = 100
) -> Sample:
    return Sample({cell: (figure, draws[cell]) for cell, figure in figures.items()}, images)


def beyond(some: Sample) -> Estimate:
    found = estimate_beyond(some)
    assert found is not None
    return found


def one(figure: float, draws: np.ndarray, images: int = 100) -> Sample:
    return Sample({("1", 0): (figure, draws)}, images)


def difference(first: Sample, second: Sample) -> Estimate:
    return Scores([first, second]).estimates(np.array([0]), np.array([1]))[0]


def test_one_subject_and_seed_has_students_interval_about_the_corrected_figure() -> None:
    draws = RNG.normal(-0.01, 0.02, 1000)
    found = estimate(one(0.3, draws, 50))
    error = draws.std(ddof=1) * np.sqrt(50 / 49)
    low, high = stats.t.interval(0.95, 49, loc=0.3 - draws.mean(), scale=error)
    assert (found.figure, found.low, found.high) == pytest.approx((0.3, low, high))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(0.3 - draws.mean()) / error, 49), rel=1e-6)


def test_independent_subjects_are_a_t_test_over_subjects() -> None:
    figures = {("a", 0): 0.2, ("b", 0): 0.3, ("c", 0): 0.25, ("d", 0): 0.4}
    nothing = {cell: np.zeros(1000) for cell in figures}
    found = beyond(sample(figures, nothing))
    expected = stats.ttest_1samp(list(figures.values()), 0)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_what_subjects_share_is_not_averaged_away() -> None:
    shared = RNG.normal(0, 0.02, 1000)
    cells = {(subject, 0): 0.3 for subject in "abcdefgh"}
    together = beyond(sample(cells, dict.fromkeys(cells, shared)))
    alone = estimate(one(0.3, shared))
    assert estimate_beyond(one(0.3, shared)) is None
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_seeds_vary_within_a_subject_and_subjects_are_these() -> None:
    nothing = np.zeros(1000)
    seeds = estimate(sample({("1", 0): 0.1, ("1", 1): 0.3}, {("1", 0): nothing, ("1", 1): nothing}))
    assert seeds.high - seeds.low == pytest.approx(2 * stats.t.isf(0.025, 1) * 0.1)
    # Two subjects, two seeds: the pooled variance of a seed, 0.02, over four fits; two degrees of freedom.
    cells = {("a", 0): 0.1, ("a", 1): 0.3, ("b", 0): 0.6, ("b", 1): 0.8}
    found = estimate(sample(cells, dict.fromkeys(cells, nothing)))
    assert found.high - found.low == pytest.approx(2 * stats.t.isf(0.025, 2) * np.sqrt(0.02 / 4))
    assert beyond(sample(cells, dict.fromkeys(cells, nothing))).low < 0 < found.low


def test_subjects_that_differ_widen_only_the_interval_for_others() -> None:
    cells = {("a", 0): 0.1, ("b", 0): 0.5, ("c", 0): 0.9}
    draws = {cell: RNG.normal(0, 0.02, 1000) for cell in cells}
    these, others = estimate(sample(cells, draws)), beyond(sample(cells, draws))
    assert these.high - these.low == pytest.approx(2 * 1.984 * 0.02 / np.sqrt(3), rel=0.1)
    assert others.high - others.low > 1


def test_identical_rows_differ_by_nothing() -> None:
    row = one(0.3, RNG.normal(0, 0.02, 1000))
    assert difference(row, row) == Estimate(0, 0, 0, 1)


def test_what_two_rows_share_cancels() -> None:
    shared = RNG.normal(0, 0.05, 1000)
    first, second = one(0.31, shared + RNG.normal(0, 0.002, 1000)), one(0.30, shared)
    assert difference(first, second).p < 0.001
    assert estimate(first).low < 0.30 < estimate(first).high


def test_rows_with_other_cells_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"cells differ: \[\('1', 0\)\] and \[\('2', 0\)\]"):
        Scores([one(0.3, np.zeros(1000)), Sample({("2", 0): (0.3, np.zeros(1000))}, 100)])


def rows_of(cells: list[tuple[str, int]], number: int = 5) -> list[Sample]:
    shared = {cell: RNG.normal(0, 0.03, 1000) for cell in cells}
    return [
        Sample(
            {cell: (0.3 + RNG.normal(0, 0.01), shared[cell] + RNG.normal(0.001, 0.01, 1000)) for cell in cells},
            int(RNG.integers(50, 100)),
        )
        for _ in range(number)
    ]


def minus(one: Sample, other: Sample) -> Sample:
    """The difference of two rows, cell by cell and draw by draw."""
    cells = {cell: (f - other.cells[cell][0], d - other.cells[cell][1]) for cell, (f, d) in one.cells.items()}
    return Sample(cells, min(one.images, other.images))


CELLS = [
    [("1", 0)],
    [("1", 0), ("1", 1), ("1", 2)],
    [("a", 0), ("b", 0)],
    [("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1), ("c", 2)],
]


@pytest.mark.parametrize("cells", CELLS, ids=str)
def test_a_difference_of_rows_is_the_score_of_their_difference(cells: list[tuple[str, int]]) -> None:
    samples = rows_of(cells)
    together = Scores(samples)
    for first, second in [(0, 1), (3, 2), (4, 0)]:
        alone = minus(samples[first], samples[second])
        for found, expected in (
            (together.estimates(np.array([first]), np.array([second]))[0], estimate(alone)),
            (together.estimates_beyond(np.array([first]), np.array([second]))[0], estimate_beyond(alone)),
        ):
            if expected is None:
                assert found is None
                continue
            assert found is not None
            assert (found.figure, found.low, found.high) == pytest.approx(
                (expected.figure, expected.low, expected.high), rel=1e-9
            )
            assert found.p == pytest.approx(expected.p, rel=1e-6)


@pytest.mark.parametrize("cells", CELLS, ids=str)
def test_p_is_the_level_at_which_the_interval_reaches_zero(cells: list[tuple[str, int]]) -> None:
    samples = rows_of(cells)
    found = Scores(samples).p_values()
    assert (np.diag(found) == 1).all()
    assert (found == found.T).all()
    images = min(samples[0].images, samples[1].images)
    names = sorted({subject for subject, _ in cells})
    difference = minus(samples[0], samples[1])
    of_subjects = [[difference.cells[cell] for cell in cells if cell[0] == name] for name in names]
    drawn = np.mean([np.mean([draws for _, draws in one], axis=0) for one in of_subjects], axis=0)
    figures = [[figure for figure, _ in one] for one in of_subjects]
    centre = np.mean([np.mean(one) for one in figures]) - drawn.mean()
    parts = [(drawn.var(ddof=1) * images / (images - 1), images - 1)]
    seeds = [np.var(one, ddof=1) / len(one) for one in figures if len(one) > 1]
    if seeds:
        parts.append((sum(seeds) / len(names) ** 2, len(cells) - len(names)))

    def reach(log_p: float) -> float:
        return float(np.sqrt(sum(v * stats.t.isf(np.exp(log_p) / 2, df) ** 2 for v, df in parts)) - abs(centre))

    assert found[0, 1] == pytest.approx(np.exp(optimize.brentq(reach, np.log(1e-12), 0)), rel=1e-6)


def test_holm_is_the_textbooks() -> None:
    # 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.9.
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [1, 3])
def test_intervals_cover_the_truth(subjects: int) -> None:
    """300 boards here; benchmarks/interval_coverage.py makes 1,000 of each kind, with R2 itself."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        counts = rng.multinomial(80, np.full(80, 1 / 80), size=300)
        common, own = rng.normal(0, 1, 80), rng.normal(0, 0.5, (subjects, 80))
        figures, draws = {}, {}
        for number in range(subjects):
            values = 0.2 + 0.1 * rng.normal() * (subjects > 1) + common + own[number]
            figures[str(number), 0] = float(values.mean())
            draws[str(number), 0] = counts @ values / 80 - values.mean()
        found = estimate(sample(figures, draws, 80)) if subjects == 1 else beyond(sample(figures, draws, 80))
        hits += found.low < 0.2 < found.high
    assert 0.92 <= hits / 300 <= 0.985
