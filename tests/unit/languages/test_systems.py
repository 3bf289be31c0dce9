"""Components against brute-force reachability, series against fractions, least solutions with known roots."""

import copy
import math
from decimal import Decimal
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.languages import fixpoints
from sim.languages.matrices import closure, components, growth, series
from sim.languages.systems import least, least_solution, positive
from sim.selftest.oracles import machines, numbers

HALF = Fraction(1, 2)
TINY = Fraction(1, 10**30)


def decimal(p):
    """With 28 digits, which hold the weights that are given so."""
    return Decimal(p.numerator) / Decimal(p.denominator)


# -- components -------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 8).flatmap(lambda n: st.lists(st.sets(st.integers(0, max(n - 1, 0))), min_size=n, max_size=n)))
def test_components_against_reachability(graph):
    found = components(graph)
    assert sorted(node for block in found for node in block) == list(range(len(graph)))
    reach = machines.closure(graph)
    place = {node: i for i, block in enumerate(found) for node in block}
    for s in range(len(graph)):
        for t in range(len(graph)):
            mutual = s == t or (t in reach[s] and s in reach[t])
            assert (place[s] == place[t]) == mutual
            if t in reach[s]:
                assert place[t] <= place[s]


def test_a_graph_may_be_deeper_than_the_stack_of_python():
    n = 20_000
    path = [[i + 1] for i in range(n - 1)] + [[]]
    assert components(path) == [[i] for i in reversed(range(n))]
    assert [sorted(block) for block in components([*path[:-1], [0]])] == [list(range(n))]


def test_no_nodes_have_no_components():
    assert components([]) == []


def test_a_node_that_leads_to_itself_is_a_component():
    assert components([[0], [1, 0]]) == [[0], [1]]


# -- series, closures, elimination ------------------------------------------------------------------------------------


def inverse(matrix):
    """(I - M)^-1 over fractions, by Gauss and Jordan; None if it is singular."""
    n = len(matrix)
    rows = [[(i == j) - matrix[i][j] for j in range(n)] + [Fraction(i == j) for j in range(n)] for i in range(n)]
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def substochastic(drawn, size, rest):
    """Rows of fractions, each with some weight that is lost."""
    rows = [row[:size] for row in drawn[:size]]
    return [[Fraction(w, sum(row) + rest) for w in row] for row in rows]


def square(weights):
    row = st.lists(st.sampled_from(weights), min_size=5, max_size=5)
    return st.lists(row, min_size=5, max_size=5)


def sparse(matrix):
    return [{j: p for j, p in enumerate(row) if p} for row in matrix]


def floats(matrix):
    return np.array([[float(p) for p in row] for row in matrix])


def assert_near(found, expected, rel):
    """Entry by entry; zeros are zeros."""
    expected = floats(expected)
    assert ((found == 0) == (expected == 0)).all()
    np.testing.assert_allclose(found, expected, rtol=rel, atol=0)


@settings(max_examples=80, deadline=None)
@given(square([0, 0, 0, 1, 2, 7]), st.integers(1, 5))
def test_a_series_against_fractions(drawn, size):
    matrix = substochastic(drawn, size, 3)
    assert_near(series(floats(matrix)), inverse(matrix), 1e-13)


@settings(max_examples=80, deadline=None)
@given(square([0, 0, 0, 1, 2, 7]), st.integers(1, 5), st.sampled_from([Fraction(3), Fraction(1, 10**6), TINY]))
def test_a_closure_of_rationals_against_fractions(drawn, size, rest):
    matrix = substochastic(drawn, size, rest)
    assert_near(closure(sparse(matrix)), inverse(matrix), 1e-13)


@pytest.mark.parametrize("left", [Fraction(1, 10**6), Fraction(1, 10**12), Fraction(1, 10**20)])
@pytest.mark.parametrize("number", [Fraction, decimal], ids=["fraction", "decimal"])
def test_a_closure_near_divergence_counts_the_weights_as_they_are(left, number):
    matrix = [[HALF, HALF, 0], [HALF - left, HALF, 0], [HALF, Fraction(0), 0]]
    rows = [{j: number(p) for j, p in row.items()} for row in sparse(matrix)]
    assert_near(closure(rows), inverse(matrix), 1e-14)


@pytest.mark.parametrize(
    "rows",
    [
        [{0: Fraction(1)}],
        [{0: Fraction(2)}],
        [{1: Fraction(1)}, {0: Fraction(1)}],
        [{0: Fraction(1, 3), 1: Fraction(2, 3)}, {0: Fraction(1)}],
        [{1: Fraction(1)}, {2: Fraction(1)}, {2: 1 + TINY}],
        [{0: Fraction(1, 10), 1: Fraction(9, 10) + TINY}, {0: Fraction(1)}],
    ],
)
def test_series_that_diverge_have_no_sum(rows):
    assert closure(rows) is None
    dense = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        for j, w in row.items():
            dense[i, j] = float(w)
    total = series(dense)
    assert total is None or total.max() > 1e14


def test_a_nilpotent_series_of_large_numbers_ends():
    matrix = np.array([[0, 1e100, 3], [0, 0, 1e150], [0, 0, 0]])
    assert series(matrix).tolist() == [[1, 1e100, 1e250 + 3], [0, 1, 1e150], [0, 0, 1]]
    assert closure([{1: 1e100, 2: 3.0}, {2: 1e150}, {}]).tolist() == series(matrix).tolist()


def test_nothing_has_the_series_of_nothing():
    assert series(np.zeros((0, 0))).shape == closure([]).shape == (0, 0)
    assert series(np.zeros((2, 2))).tolist() == closure([{}, {}]).tolist() == [[1, 0], [0, 1]]


def test_terms_of_all_sizes_keep_their_digits():
    matrix = [[HALF, Fraction(1, 10**200)], [Fraction(1, 10**90), HALF]]
    assert_near(series(floats(matrix)), inverse(matrix), 1e-14)


def eliminated(matrix, values):
    """x of (I - M) x = v, in decimals."""
    with fixpoints.digits():
        rows = [{j: fixpoints.decimal(p) for j, p in enumerate(row)} for row in matrix]
        found = fixpoints.solve(rows, [[fixpoints.decimal(v) for v in values]])
    return None if found is None else [Fraction(value) for value in found[0]]


@settings(max_examples=80, deadline=None)
@given(square([0, 0, 1, 2, 7]), st.integers(1, 5), st.lists(st.integers(-3, 9), min_size=5, max_size=5))
def test_elimination_keeps_all_digits(drawn, size, sides):
    matrix, values = substochastic(drawn, size, 1), [Fraction(v, 7) for v in sides[:size]]
    before = copy.deepcopy((matrix, values))
    x = eliminated(matrix, values)
    assert (matrix, values) == before
    expected = [sum(p * v for p, v in zip(row, values, strict=True)) for row in inverse(matrix)]
    off = max(abs(a - b) for a, b in zip(x, expected, strict=True))
    assert off <= Fraction(1, 10**140) * (1 + max(map(abs, expected)))


@pytest.mark.parametrize(
    "matrix",
    [
        [[Fraction(1)]],
        [[Fraction(5, 4)]],
        [[HALF, HALF], [HALF, HALF]],
        [[HALF, HALF], [HALF + TINY, HALF]],
        [[Fraction(0), Fraction(2)], [Fraction(1), Fraction(0)]],
    ],
)
def test_a_pivot_that_is_not_positive_ends_elimination(matrix):
    assert eliminated(matrix, [Fraction(1)] * len(matrix)) is None


# -- growth -----------------------------------------------------------------------------------------------------------

BESIDE = [(-HALF, "subcritical"), (-TINY, "subcritical"), (Fraction(0), "critical"), (TINY, "supercritical")]


@pytest.mark.parametrize(("off", "expected"), BESIDE)
def test_one_by_one_and_two_by_two_matrices_on_either_side_of_one(off, expected):
    assert growth([{0: 1 + off}]) == expected
    assert growth([{1: Fraction(7)}, {0: (1 + off) / 7}]) == expected
    assert growth([{0: HALF, 1: HALF + off}, {0: HALF, 1: HALF}]) == expected
    third = Fraction(1, 3)
    assert growth([{0: third, 1: 2 * third}, {1: third, 2: 2 * third}, {0: 1 + off}]) == expected


@settings(max_examples=80, deadline=None)
@given(square([0, 0, 1, 2, 7]), st.integers(1, 5))
def test_stochastic_rows_are_critical_and_a_loss_or_gain_shows(drawn, size):
    """A cycle through all states makes them one component, in which any change moves the spectral radius."""
    rows = [[w + (j == (i + 1) % size) for j, w in enumerate(row[:size])] for i, row in enumerate(drawn[:size])]
    matrix = [[Fraction(w, sum(row)) for w in row] for row in rows]
    for off, expected in BESIDE[1:]:
        changed = copy.deepcopy(matrix)
        changed[0][1 % size] += off
        assert growth(sparse(changed)) == expected


@settings(max_examples=60, deadline=None)
@given(square([0, 0, 0, 1, 2, 7]), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.data())
def test_growth_of_a_matrix_and_its_relabelling_and_scaling_agree(drawn, size, up, down, data):
    rows = [[Fraction(w, sum(row[:size]) or 1) * Fraction(up, down) for w in row[:size]] for row in drawn[:size]]
    place = data.draw(st.permutations(range(size)))
    scale = [Fraction(data.draw(st.integers(1, 9))) for _ in range(size)]
    other = [[rows[i][j] * scale[i] / scale[j] for j in place] for i in place]
    found = growth(sparse(rows))
    assert found == growth(sparse(other))
    radius = max(abs(np.linalg.eigvals(floats(rows))))
    if abs(radius - 1) > 1e-3:
        assert found == ("subcritical" if radius < 1 else "supercritical")
    assert (found == "subcritical") == (closure(sparse(rows)) is not None)


def test_a_state_that_keeps_all_of_its_weight_and_leads_back_to_itself_is_too_much():
    """Floats cannot tell the radius of 1 + 1e-60 from 1, and the first pivot is 0."""
    assert growth([{0: Fraction(1), 1: TINY}, {0: TINY}]) == "supercritical"
    assert growth([{0: Fraction(1), 1: TINY}, {2: Fraction(1)}, {0: TINY}]) == "supercritical"
    assert growth([{0: 1 - TINY, 1: TINY}, {2: Fraction(1)}, {0: Fraction(1)}]) == "critical"


def test_growth_is_that_of_the_largest_component():
    quiet, even, loud = {0: HALF}, {1: Fraction(1)}, {2: 1 + TINY}
    assert growth([quiet]) == growth([]) == growth([{}]) == "subcritical"
    assert growth([quiet | {1: Fraction(9)}, even]) == "critical"
    assert growth([quiet | {1: Fraction(9)}, even | {2: TINY}, loud]) == "supercritical"
    assert growth([{1: Fraction(10**9)}, {2: Fraction(10**9)}, {}]) == "subcritical"


# -- least solutions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [Fraction, float, decimal], ids=["fraction", "float", "decimal"])
@pytest.mark.parametrize(
    ("twice", "end", "root"),
    [
        (Fraction(1, 4), Fraction(3, 4), Fraction(1)),
        (Fraction(3, 4), Fraction(1, 4), Fraction(1, 3)),
        (Fraction(3, 8), Fraction(1, 2), Fraction(2, 3)),
        (Fraction(1, 8), Fraction(3, 2), Fraction(2)),
        (Fraction(1, 2), Fraction(1, 2), Fraction(1)),
        (Fraction(1, 16), Fraction(4), Fraction(8)),
    ],
)
def test_a_quadratic_has_its_lesser_root(twice, end, root, number):
    """x = end + twice x^2; the last two touch at a double root."""
    assert end + twice * root**2 == root
    found = least_solution([[(number(end), ()), (number(twice), (0, 0))]])
    assert found.tolist() == [pytest.approx(float(root), rel=4e-16)]


@pytest.mark.parametrize("left", [Fraction(1, 10**4), Fraction(1, 10**8), Fraction(1, 10**16), Fraction(1, 10**20)])
def test_a_quadratic_close_to_a_double_root_keeps_its_digits(left):
    found = least([[(HALF - left, ()), (HALF, (0, 0))]])
    with mpmath.workdps(50):
        root = 1 - mpmath.sqrt(2 * numbers.real(left))
    assert found.x.tolist() == [pytest.approx(float(root), rel=4e-16)]
    assert found.critical == frozenset()


def test_a_double_root_is_called_critical():
    found = least([[(HALF, ()), (HALF, (0, 0))], [(Fraction(1, 4), (1,)), (HALF, (0,))]])
    assert found.critical == {0}
    assert found.x.tolist() == pytest.approx([1, 2 / 3], rel=1e-15)


def test_a_critical_equation_behind_a_critical_one():
    """y = x / 2 + y^2 / 2 with x = 1 a double root itself."""
    found = least([[(HALF, ()), (HALF, (0, 0))], [(HALF, (0,)), (HALF, (1, 1))]])
    assert found.x.tolist() == pytest.approx([1, 1], rel=1e-15)
    assert found.critical == {0, 1}


@pytest.mark.parametrize(
    ("equations", "expected"),
    [
        ([[]], [0]),
        ([[(1.0, (0,))]], [0]),
        ([[(2.0, (0,))]], [0]),
        ([[(1.0, (0, 0))]], [0]),
        ([[(0.0, ()), (0.5, (0,))]], [0]),
        ([[(1.0, ()), (1.0, (0,))]], [math.inf]),
        ([[(1.0, ()), (2.0, (0,))]], [math.inf]),
        ([[(1.0, ()), (1.0, (0, 0))]], [math.inf]),
        ([[(HALF + TINY, ()), (HALF, (0, 0))]], [math.inf]),
        ([[(1e-300, ()), (Fraction(1), (0,))]], [math.inf]),
        ([[(1.0, ()), (1.0, (0,))], [(0.5, (0,)), (3.0, ())]], [math.inf, math.inf]),
        ([[(1.0, ()), (1.0, (0,))], [(0.5, (0, 2)), (3.0, ())], []], [math.inf, 3, 0]),
        ([[(1.0, ()), (1.0, (0,))], [(0.5, (0, 1)), (3.0, ())]], [math.inf, math.inf]),
        ([[(0.5, (1,)), (1.0, ())], [(2.0, (0,)), (1.0, ())]], [math.inf, math.inf]),
        ([[(0.5, (1,)), (1.0, ())], [(1.0, (0,))]], [2, 2]),
    ],
)
def test_unknowns_that_are_zero_or_infinite(equations, expected):
    assert least_solution(equations).tolist() == pytest.approx(expected, rel=1e-15)
    assert positive(equations).tolist() == [x > 0 for x in expected]


@settings(max_examples=40, deadline=None)
@given(square([0, 0, 0, 1, 2, 7]), st.integers(1, 5), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_linear_systems_against_fractions(drawn, size, sides):
    matrix = substochastic(drawn, size, 3)
    exact = [sum(p * v for p, v in zip(row, sides[:size], strict=True)) for row in inverse(matrix)]
    equations = [
        [(Fraction(v), ()), *((p, (j,)) for j, p in enumerate(row))] for v, row in zip(sides, matrix, strict=False)
    ]
    found = least_solution(equations)
    assert ((found == 0) == [x == 0 for x in exact]).all()
    np.testing.assert_allclose(found, [float(x) for x in exact], rtol=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=5, max_size=5), st.integers(1, 9))
def test_the_extinction_of_a_branching_process_against_the_roots_of_its_polynomial(drawn, first):
    """x = sum of p_k x^k with probabilities p_k: the least root, which is 1 unless the mean is above 1."""
    shares = [Fraction(w, first + sum(drawn)) for w in (first, *drawn)]
    found = least_solution([[(p, (0,) * k) for k, p in enumerate(shares)]])[0]
    mean = sum(k * p for k, p in enumerate(shares))
    with mpmath.workdps(60):
        if mean <= 1:
            assert found == pytest.approx(1, rel=1e-15)
            return
        quotient = [
            sum(shares[k + 1 :]) - (k == 0) for k in range(5)
        ]  # (sum of p_k x^k - x) / (x - 1), without that root
        signed = [numbers.real(c) for c in quotient]
        low, high = mpmath.mpf(0), mpmath.mpf(1)
        for _ in range(200):
            middle = (low + high) / 2
            value = mpmath.fsum(c * middle**k for k, c in enumerate(signed))
            low, high = (middle, high) if value < 0 else (low, middle)
    assert found == pytest.approx(float(low), rel=1e-13)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_a_ring_of_quadratics_is_one_quadratic(size):
    """x_i = 3/4 of the next one's square + 1/4: all are the root 1/3."""
    ring = [[(Fraction(1, 4), ()), (Fraction(3, 4), ((i + 1) % size, (i + 1) % size))] for i in range(size)]
    assert least_solution(ring) == pytest.approx([1 / 3] * size, rel=1e-14)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_unknowns_does_not_matter(place):
    equations = [
        [(Fraction(1, 4), ()), (Fraction(1, 2), (1, 2))],
        [(Fraction(1, 3), (0,)), (Fraction(1, 5), (3, 3))],
        [(HALF, ()), (HALF, (2, 2))],
        [(Fraction(1, 7), ()), (HALF, (3, 3, 3))],
    ]
    one = least_solution(equations)
    moved = [equations[place.index(i)] for i in range(4)]
    other = least_solution([[(w, tuple(place[f] for f in factors)) for w, factors in terms] for terms in moved])
    assert other[list(place)] == pytest.approx(one, rel=1e-15)


def test_numbers_beyond_the_range_of_floats():
    """x = 10^-400, y = 10^400 x, z = 10^405 x^2 + y / 2: decimals carry what floats would lose."""
    small, large = Fraction(1, 10**400), Fraction(10**400)
    found = least([[(small, ())], [(large, (0,))], [(large * 10**5, (0, 0)), (HALF, (1,))]])
    assert found.x.tolist() == pytest.approx([0, 1, 0.5], rel=1e-15)
    assert found.possible.tolist() == [True] * 3
    assert float(found.decimals[0] * 10**400) == pytest.approx(1, rel=1e-15)


def test_decimals_when_asked_for_agree_with_floats():
    equations = [[(Fraction(1, 3), ()), (Fraction(1, 3), (0, 0))], [(HALF, (0, 1)), (Fraction(1), ())]]
    rough, exact = least(equations), least(equations, in_decimals=True)
    assert rough.decimals is None
    assert exact.x == pytest.approx(rough.x, rel=1e-15)
    with mpmath.workdps(100):
        root = (3 - mpmath.sqrt(5)) / 2
        assert mpmath.almosteq(mpmath.mpf(str(exact.decimals[0])), root, mpmath.mpf(10) ** -70)
