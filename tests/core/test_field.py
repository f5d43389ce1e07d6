"""Fields: encodings, heads, and what is shared between echoes."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.field.grid import GridPyramid
from fetalt2prep.core.field.hash_grid import N_FEATURES, HashGrid
from fetalt2prep.core.field.head import LOG_RANGE, R2_FREE_WATER, BridgeHead, DecayHead, FreeHead
from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.fields import build_field
from fetalt2prep.core.recon.penalty import decay_projector
from fetalt2prep.core.recon.slices import flatten

GRID = Grid((-4.0, 2.0, 7.0), 1.5, (9, 13, 17))
TE_S = torch.tensor([0.08, 0.14, 0.26])


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(params=["grid", "hash", "siren"])
def encoding(request):
    if request.param == "hash":
        return HashGrid(GRID, 6.0, 0.75)
    return GridPyramid(GRID, 3, 4) if request.param == "grid" else Siren(GRID, 16, 2)


def test_on_lattice_is_the_field_at_the_lattice_points(encoding):
    index = torch.randperm(GRID.n_points)[:200]
    points = GRID.points_mm().reshape(-1, 3)[index]
    torch.testing.assert_close(encoding.on_lattice(index), encoding(points).T, atol=1e-4, rtol=1e-4)


def test_refining_keeps_the_function(encoding):
    if isinstance(encoding, GridPyramid):
        finer = Grid(GRID.origin_mm, GRID.spacing_mm / 2, tuple(2 * n - 1 for n in GRID.shape))
    else:
        finer = Grid((-6.0, 0.0, 5.0), 0.7, (20, 20, 20))
    low = torch.tensor(GRID.origin_mm)
    points = low + torch.rand(300, 3) * (torch.tensor(GRID.shape) - 1) * GRID.spacing_mm
    before = encoding(points)
    encoding.refine(finer)
    assert encoding.grid == finer
    torch.testing.assert_close(encoding(points), before, atol=1e-5, rtol=1e-4)
    nodes = finer.points_mm().reshape(-1, 3)[::17]
    index = torch.arange(finer.n_points)[::17]
    torch.testing.assert_close(encoding.on_lattice(index).T, encoding(nodes), atol=1e-4, rtol=1e-4)


def test_the_gradient_is_that_of_the_function(encoding):
    """Against a difference quotient in a random direction of all parameters, in double precision."""
    encoding.double()
    points = torch.tensor(GRID.origin_mm) + 12.0 * torch.rand(50, 3)
    points, weight = points.double(), torch.randn(50, encoding.n_features).double()

    def value() -> torch.Tensor:
        return (torch.sin(encoding(points)) * weight).sum()

    parameters = list(encoding.parameters())
    gradients = torch.autograd.grad(value(), parameters, allow_unused=True)
    direction = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True) if g is not None)
    step, ends = 1e-6, []
    for sign in (1, -2):
        for parameter, way in zip(parameters, direction, strict=True):
            parameter.data += sign * step * way
        ends.append(value().detach())
    assert float((ends[0] - ends[1]) / (2 * step)) == pytest.approx(float(slope), rel=1e-5)


def test_hash_levels_wake_from_coarse_to_fine_and_say_nothing_new_at_first():
    encoding = HashGrid(GRID, 6.0, 0.75)
    assert encoding.spacings_mm == [6.0, 3.0, 1.5, 0.75]
    points = torch.tensor(GRID.origin_mm) + 12.0 * torch.rand(40, 3)
    assert not encoding(points)[:, 3 * N_FEATURES :].any()
    assert encoding(points)[:, : 3 * N_FEATURES].abs().sum(0).min() > 0
    encoding(points).sum().backward()
    assert encoding.tables[3].grad is None
    encoding.refine(Grid(GRID.origin_mm, 0.75, (17, 25, 33)))
    encoding(points).sum().backward()
    assert encoding.tables[3].grad.abs().sum() > 0


def test_hash_features_are_linear_between_the_corners_of_a_cell():
    encoding = HashGrid(GRID, 2.0, 2.0)
    ends = torch.tensor([[2.0, 4.0, 6.0], [4.0, 4.0, 6.0]])
    between = encoding((0.25 * ends[0] + 0.75 * ends[1])[None])
    torch.testing.assert_close(between[0], 0.25 * encoding(ends)[0] + 0.75 * encoding(ends)[1])
    far = torch.tensor([[-1234.5, 987.1, -0.3]])  # nothing is bound to a box
    assert torch.isfinite(encoding(far)).all()


def test_bridge_departs_from_the_decay_in_no_direction_that_is_a_decay():
    mean_log = torch.tensor([-1.0, -1.3, -1.9])
    projector, exact = decay_projector(TE_S), DecayHead(TE_S, mean_log, 5.0)
    head = BridgeHead(TE_S, mean_log, 5.0, projector)
    outputs = torch.randn(5, 40)
    departure = head(outputs) - exact(outputs[:2])
    assert departure.abs().max() > 0.1
    design = torch.stack((torch.ones(3), TE_S), 1)
    torch.testing.assert_close(design.T @ departure, torch.zeros(2, 40), atol=1e-5, rtol=0)
    torch.testing.assert_close(projector @ head(outputs), -departure, atol=1e-5, rtol=1e-4)  # what the penalty sees
    outputs[2:] = 0.7  # the same for all echoes is a matter of S0
    torch.testing.assert_close(head(outputs), exact(outputs[:2]))
    two = BridgeHead(TE_S[:2], torch.zeros(2), 5.0, decay_projector(TE_S[:2]))
    assert not two.departure.any()


def test_pyramid_keeps_its_function_on_a_wider_grid_of_the_same_spacing():
    encoding = GridPyramid(GRID, 3, 4)
    wider = Grid(tuple(o - 4 * 1.5 for o in GRID.origin_mm), 1.5, tuple(n + 8 for n in GRID.shape))
    points = GRID.points_mm().reshape(-1, 3)[::13]
    before = encoding(points)
    encoding.refine(wider)
    torch.testing.assert_close(encoding(points), before, atol=1e-5, rtol=1e-4)
    assert all(level.requires_grad for level in encoding.levels)


def test_pyramid_says_which_shapes_it_takes():
    with pytest.raises(ValueError, match="multiple of 4"):
        GridPyramid(Grid((0.0, 0.0, 0.0), 1.0, (9, 10, 9)), 3, 2)


def test_pyramid_is_the_sum_of_its_levels():
    """By hand in one corner: every level shares the corners of the grid, so there the features add up."""
    encoding = GridPyramid(GRID, 3, 4)
    by_hand = sum(level[:, 0, -1, 0] for level in encoding.levels)
    corner = torch.tensor([[GRID.origin_mm[0], GRID.origin_mm[1] + 12 * 1.5, GRID.origin_mm[2]]])
    torch.testing.assert_close(encoding(corner)[0], by_hand)


def test_decay_head_decays_exactly_and_never_slower_than_free_water():
    field = EchoField(GridPyramid(GRID, 3, 4), (8,), DecayHead(TE_S, torch.tensor([-1.0, -1.3, -1.9]), 5.0))
    with torch.no_grad():
        log_signal = 1.0 * field(GRID.points_mm().reshape(-1, 3)).double()
    r2 = (log_signal[:-1] - log_signal[1:]) / TE_S.double().diff()[:, None]
    torch.testing.assert_close(r2[0], r2[1], atol=1e-4, rtol=1e-4)
    head = DecayHead(TE_S, torch.zeros(3), 5.0)
    outputs = torch.stack((torch.zeros(9), torch.linspace(-60, 10, 9)))
    slowest = (head(outputs)[0] - head(outputs)[2]) / (TE_S[2] - TE_S[0])
    assert float(slowest.min()) >= R2_FREE_WATER - 1e-5
    assert bool((slowest.diff() >= -1e-5).all())


def test_decay_head_by_hand():
    """Outputs 0: the mean log-signal at the mean echo time, R2 = 0.45 + log(1 + exp(start - 0.45))."""
    head = DecayHead(torch.tensor([0.1, 0.3]), torch.tensor([-0.5, -1.5]), 5.0)
    r2 = 0.45 + float(torch.log1p(torch.exp(torch.tensor(4.55))))
    assert head(torch.zeros(2, 1))[:, 0].tolist() == pytest.approx([-1.0 + 0.1 * r2, -1.0 - 0.1 * r2])


def test_free_head_gives_every_echo_its_own_output_within_the_range():
    head = FreeHead(torch.tensor([-1.0, -2.0]))
    assert head.n_outputs == 2
    outputs = torch.tensor([[0.0, 0.5, 100.0], [0.0, -0.5, -100.0]])
    expected = torch.tensor([[-1.0, -0.5, LOG_RANGE[1]], [-2.0, -2.5, LOG_RANGE[0]]])
    torch.testing.assert_close(head(outputs), expected)


def test_separate_fields_share_nothing_and_one_field_does():
    def one(n: int) -> EchoField:
        return EchoField(GridPyramid(GRID, 3, 4), (8,), FreeHead(torch.zeros(n)))

    index = torch.arange(0, GRID.n_points, 5)
    separate = SeparateFields([one(1), one(1)])
    log_signal = separate.on_lattice(index)
    assert log_signal.shape == (2, len(index))
    torch.testing.assert_close(log_signal, separate(GRID.points_mm().reshape(-1, 3)[index]), atol=1e-4, rtol=1e-4)
    log_signal[0].sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in separate.fields[1].parameters())
    assert any(p.grad is not None and p.grad.any() for p in separate.fields[0].parameters())
    shared = one(2)
    gradients = []
    for echo in (0, 1):
        shared.zero_grad()
        shared.on_lattice(index)[echo].sum().backward()
        gradients.append(shared.encoding.levels[0].grad.abs().sum())
    assert min(gradients) > 0


def test_every_parameter_is_learnt_once():
    for field in (
        EchoField(GridPyramid(GRID, 3, 4), (8,), FreeHead(torch.zeros(2))),
        SeparateFields([EchoField(Siren(GRID, 8, 1), (), FreeHead(torch.zeros(1))) for _ in range(2)]),
    ):
        learnt = [id(p) for p in field.encoding_parameters() + field.network_parameters()]
        assert sorted(learnt) == sorted(id(p) for p in field.parameters())


@pytest.mark.parametrize("model", ["decay", "bridge"])
def test_exact_decay_on_a_grid_knows_no_seed(phantom, options, model):
    slices = flatten([phantom.stack(te, "axial") for te in (0.08, 0.2)])
    grid = Grid.around(slices.points_mm, 2.5, 5.0, 8)
    one, other = (build_field(options(model=model, seed=seed), slices, grid) for seed in (3, 4))
    index = torch.arange(0, grid.n_points, 3)
    assert torch.equal(one.on_lattice(index), other.on_lattice(index))
    assert not one.network_parameters()


@pytest.mark.parametrize(("model", "kind"), [("decay", "siren"), ("sc", "grid"), ("mc", "siren"), ("bridge", "hash")])
def test_build_field_is_decided_by_its_seed_and_leaves_the_global_state_alone(phantom, options, model, kind):
    slices = flatten([phantom.stack(te, "axial") for te in (0.08, 0.2)])
    grid = Grid.around(slices.points_mm, 2.5, 5.0, 8)
    before = torch.random.get_rng_state()
    one, same, other = (build_field(options(model=model, field=kind, seed=seed), slices, grid) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    index = torch.arange(0, grid.n_points, 3)
    assert torch.equal(one.on_lattice(index), same.on_lattice(index))
    assert not torch.equal(one.on_lattice(index), other.on_lattice(index))
    assert isinstance(one, SeparateFields) is (model == "sc")
