"""Scoring of a reconstruction against a written truth: files in, errors out.

One rigid transform, estimated from the first echo, is applied to every volume; nothing else is fitted, but for one
scale per echo in the image measures.
"""

from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score.evaluation import score, score_files, score_folder
from fetalt2prep.sim.score.truth_files import read_truth
from fetalt2prep.sim.score.volume import read_volume

__all__ = ["Volume", "read_truth", "read_volume", "score", "score_files", "score_folder"]
