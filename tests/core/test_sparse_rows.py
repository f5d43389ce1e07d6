"""The transpose by both ways is the transpose."""

from __future__ import annotations

import itertools

import pytest
import torch

from fetalt2prep.core.sparse_rows import csr, transposed, transposed_by_counting, transposed_by_sorting


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """(5, 7) with an empty row, an empty column and an entry that occurs twice; dense and sparse."""
    rows = torch.tensor([0, 3, 3, 5, 6, 8])
    columns = torch.tensor([4, 0, 4, 6, 1, 2, 0, 6])
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    dense = torch.zeros(5, 7)
    for row in range(5):
        for entry in range(int(rows[row]), int(rows[row + 1])):
            dense[row, columns[entry]] += values[entry]
    return dense, csr(rows, columns, values, (5, 7))


@pytest.mark.parametrize("way", [transposed, transposed_by_counting, transposed_by_sorting])
def test_the_transpose_is_the_transpose(way):
    dense, matrix = example()
    flipped = way(matrix)
    assert flipped.shape == (7, 5)
    y = torch.arange(1.0, 6.0)
    torch.testing.assert_close(flipped @ y, dense.T @ y)
    assert flipped.col_indices().dtype == torch.int32
    rows = flipped.crow_indices()
    assert all(bool((flipped.col_indices()[a:b].diff() >= 0).all()) for a, b in itertools.pairwise(rows))


@pytest.mark.gpu
def test_the_device_sorts_to_the_same_matrix(device):
    _, matrix = example()
    here, there = transposed(matrix), transposed(matrix.to(device))
    for part in ("crow_indices", "col_indices", "values"):
        assert torch.equal(getattr(here, part)(), getattr(there, part)().cpu())
