"""``python -m benchmarks.t2_estimators``: what the T2 estimators do, on real and simulated decays, and what they cost.

Seconds are user + system CPU seconds of one thread, so that a busy machine does not spoil them. Results go to
``results/t2_estimators.json``; ``python -m benchmarks.t2_page`` puts them into docs/t2.md. The real decay is
``mese-prostate`` of the shared data beside the checkout.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.epg import echo_train, refocusing_train
from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.csf import csf_share
from fetalt2prep.core.t2.epg import fit_epg, fit_epg_b1
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.loglinear import fit_loglinear
from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.rician import fit_rician
from fetalt2prep.core.t2.train_dictionary import TrainOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "t2_estimators.json"
PROSTATE = HERE.parent.parent / "shared" / "data" / "mese-prostate" / "invivo_000198.nii.gz"
MESE_S = 0.0132 * torch.arange(2, 12, dtype=torch.float64)
MESE = TrainOptions(spacing_s=0.0132, refocusing_deg=180.0, t1_s=1.5)
FETAL_S = torch.tensor([0.300, 0.397, 0.600], dtype=torch.float64)
TRAIN_S = torch.tensor([0.300, 0.395, 0.600], dtype=torch.float64)
PROTOCOLS = {"0.55 T": (0.300, 0.397, 0.600), "1.5 T": (0.220, 0.500, 0.690), "adult": (0.114, 0.202, 0.299)}
Fit = Callable[[torch.Tensor, torch.Tensor], T2Fit]


def generator(seed: int = 0) -> torch.Generator:
    """One stream per table."""
    return torch.Generator().manual_seed(seed)


def magnitudes(clean: torch.Tensor, sigma: float, seed: int = 0) -> torch.Tensor:
    """Magnitude of complex noise added to echoes."""
    noise = sigma * torch.randn((2, *clean.shape), generator=generator(seed), dtype=clean.dtype)
    return torch.hypot(clean + noise[0], noise[1])


def decay(t2_s: float, n: int, te_s: torch.Tensor) -> torch.Tensor:
    """``n`` equal voxels, S0 = 1000."""
    return monoexponential(torch.full((n,), 1000.0).double(), torch.full((n,), t2_s).double(), te_s)


def prostate() -> torch.Tensor:
    """Real echoes, (echo, voxel)."""
    pixels = np.asarray(nib.load(PROSTATE).dataobj, dtype=np.float64)
    return torch.from_numpy(np.moveaxis(pixels, -1, 0).reshape(len(MESE_S), -1))


SPLITS = {"every second echo": (0, 2, 4, 6, 8), "1 4 5 8 9": (0, 3, 4, 7, 8), "the early five": (0, 1, 2, 3, 4)}
GLAND = (slice(40, 75), slice(50, 80))  # first and second axis of the file


def prediction() -> list[dict[str, float]]:
    """Fit five echoes of a real decay, predict the other five: median relative error, per cent.

    Over all voxels that all models fit, and over those of the gland. ``noise_alone_percent``: what the noise of the
    predicted echoes would give if the prediction were exact (0.67 sigma over the signal).
    """
    echoes = prostate()
    images = echoes.reshape(len(MESE_S), 128, 128).numpy().astype(np.float32)
    noise = [estimate_noise_sigma(image[..., None]) for image in images]
    gland = torch.zeros(128, 128, dtype=torch.bool)
    gland[GLAND] = True
    rows = []
    for split, chosen in SPLITS.items():
        fitted = torch.tensor(chosen)
        left = torch.tensor([k for k in range(len(MESE_S)) if k not in chosen])
        models: dict[str, Fit] = {
            "loglinear": fit_loglinear,
            "weighted": fit_weighted_loglinear,
            "nlls": fit_nlls,
            "rician": lambda e, te: fit_rician(e, te, sigma=float(np.mean(noise))),
            "epg-b1": lambda e, te: fit_epg_b1(e, te, MESE),
        }
        fits = {name: fit(echoes[fitted], MESE_S[fitted]) for name, fit in models.items()}
        everywhere = torch.stack([fit.ok for fit in fits.values()]).all(0) & (echoes > 0).all(0)
        row: dict[str, float] = {"fitted": split, "n_voxels": int(everywhere.sum())}  # type: ignore[dict-item]
        for place, where in (("all", everywhere), ("gland", everywhere & gland.ravel())):
            for name, fit in fits.items():
                predicted = monoexponential(fit.s0.double(), fit.t2_s.double(), MESE_S[left])
                if fit.b1 is not None:
                    predicted = train(fit.t2_s.double(), fit.b1.double(), MESE)[left + 1] * fit.s0
                off = ((predicted - echoes[left]).abs() / echoes[left])[:, where]
                row[f"{place}_{name}_percent"] = 100 * float(off.median())
            alone = 0.6745 * torch.tensor(noise)[left][:, None] / echoes[left][:, where]
            row[f"{place}_noise_alone_percent"] = 100 * float(alone.median())
        rows.append(row)
    return rows


def train(t2_s: torch.Tensor, b1: torch.Tensor, options: TrainOptions, n_echoes: int = 11) -> torch.Tensor:
    """Echoes of a train, (echo, voxel), without the dictionary."""
    angles = refocusing_train(n_echoes, math.radians(options.refocusing_deg))
    return echo_train(torch.full_like(t2_s, options.t1_s), t2_s, options.spacing_s, angles, b1=b1)


def against_scipy() -> dict[str, float]:
    """Every voxel of the real decay, ten echoes: scipy's ``curve_fit`` (Levenberg-Marquardt) from the same start.

    Where the two differ, ``ours_fits_better``: the share in which ours leaves the smaller sum of squares.
    """
    from scipy.optimize import curve_fit

    echoes = prostate()
    start = fit_weighted_loglinear(echoes, MESE_S)
    seconds = []
    for _ in range(10):  # the quickest: what shares the machine can only slow it down
        began = time.process_time()
        found = fit_nlls(echoes, MESE_S)
        seconds.append(time.process_time() - began)
    te, values = MESE_S.numpy(), echoes.numpy()

    def model(t: np.ndarray, s0: float, t2: float) -> np.ndarray:
        return s0 * np.exp(-t / t2)

    places = torch.nonzero(start.ok & found.ok)[:, 0].tolist()
    guesses = list(zip(start.s0.tolist(), start.t2_s.tolist(), strict=True))
    theirs, failed, began = {}, 0, time.process_time()
    for k in places:
        try:
            theirs[k] = curve_fit(model, te, values[:, k], p0=guesses[k])[0]
        except RuntimeError:
            failed += 1
    scipy_s = time.process_time() - began
    t2, s0 = found.t2_s.double().numpy(), found.s0.double().numpy()
    off = {k: abs(t2[k] / fit[1] - 1) for k, fit in theirs.items()}
    differ = [k for k, value in off.items() if value > 1e-3]
    left = [[np.sum((values[:, k] - model(te, *fit)) ** 2) for fit in ((s0[k], t2[k]), theirs[k])] for k in differ]
    agreeing = [value for value in off.values() if value <= 1e-3]
    return {
        "n_voxels": len(theirs),
        "scipy_failed": failed,
        "within_0.1_percent": len(agreeing) / len(theirs),
        "n_that_differ": len(differ),
        "ours_fits_better": float(np.mean([ours < other for ours, other in left])) if left else 1.0,
        "median_difference": float(np.median(list(off.values()))),
        "scipy_cpu_s": scipy_s,
        "ours_cpu_s": min(seconds),
        "times_as_fast": scipy_s / len(places) / (min(seconds) / values.shape[1]),
    }


SPEEDS = ("loglinear", "weighted", "nlls", "rician", "epg", "epg with a B1 map", "share of fluid")


def speed(name: str, n: int = 1_000_000) -> None:
    """Print CPU seconds and peak memory of one estimator on ``n`` voxels x 3 echoes; run in a process of its own."""
    torch.set_num_threads(1)
    t2 = 0.15 + 0.25 * torch.rand(n, generator=generator())
    clean = monoexponential(torch.full((n,), 1000.0), t2, FETAL_S.float())
    noise = 20.0 * torch.randn((2, *clean.shape), generator=generator(1))
    echoes = torch.hypot(clean + noise[0], noise[1])
    b1 = 0.7 + 0.5 * torch.rand(n, generator=generator(2))
    del noise, clean
    options = TrainOptions(spacing_s=0.005, refocusing_deg=135.0)
    calls: dict[str, Callable[[], object]] = {
        "loglinear": lambda: fit_loglinear(echoes, FETAL_S),
        "weighted": lambda: fit_weighted_loglinear(echoes, FETAL_S),
        "nlls": lambda: fit_nlls(echoes, FETAL_S),
        "rician": lambda: fit_rician(echoes, FETAL_S, sigma=20.0),
        "epg": lambda: fit_epg(echoes, FETAL_S, options),
        "epg with a B1 map": lambda: fit_epg(echoes, FETAL_S, options, b1=b1),
        "share of fluid": lambda: csf_share(echoes, FETAL_S, 20.0, tissue_t2_s=0.25, tissue_s0=1000.0),
    }
    began, wall = time.process_time(), time.perf_counter()
    calls[name]()
    spent = {"cpu_s": time.process_time() - began, "wall_s": time.perf_counter() - wall}
    print(json.dumps(spent | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def speeds() -> dict[str, dict[str, float]]:
    """All estimators, each in a process of its own."""
    found = {}
    for name in SPEEDS:
        call = f"from benchmarks.t2_estimators import speed; speed({name!r})"
        ran = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True, cwd=HERE.parent)
        found[name] = json.loads(ran.stdout)
    return found


def noise_floor(n: int = 100_000) -> list[dict[str, float]]:
    """Median and mean change of T2, per cent, by the signal of the last echo over the noise; Rician magnitudes.

    1.62: there the mean magnitude is three standard deviations of the background, which is what many call SNR 3.
    """
    rows = []
    for t2_s in (0.15, 0.25, 0.34):
        for snr in (1.0, 1.62, 3.0, 5.0):
            clean = decay(t2_s, n, FETAL_S)
            sigma = float(clean[-1, 0]) / snr
            echoes = magnitudes(clean, sigma)
            row = {"t2_ms": 1000 * t2_s, "last_snr": snr, "first_snr": float(clean[0, 0]) / sigma}
            models: dict[str, Fit] = {
                "loglinear": fit_loglinear,
                "weighted": fit_weighted_loglinear,
                "nlls": fit_nlls,
                "rician": lambda e, te, s=sigma: fit_rician(e, te, sigma=s),
            }
            for name, fit in models.items():
                found = fit(echoes, FETAL_S)
                change = 100 * (found.t2_s[found.ok].double() / t2_s - 1)
                row |= {f"{name}_median": float(change.median()), f"{name}_mean": float(change.mean())}
                row[f"{name}_valid_percent"] = 100 * float(found.ok.double().mean())
            rows.append(row)
    return rows


def stimulated() -> list[dict[str, float]]:
    """Median over T2 of 150 to 400 ms of the change of T2 of noise-free trains, per cent; the fit assumes T1 2.2 s."""
    t2 = torch.linspace(0.15, 0.4, 60, dtype=torch.float64)
    rows = []
    for angle, b1 in ((180.0, 1.0), (160.0, 1.0), (150.0, 1.0), (135.0, 1.0), (120.0, 1.0), (160.0, 0.8)):
        true = TrainOptions(spacing_s=0.005, refocusing_deg=angle, t1_s=2.45)
        echoes = train(t2, torch.full_like(t2, b1), true, 120)[[59, 78, 119]]
        assumed = TrainOptions(spacing_s=0.005, refocusing_deg=angle)
        row = {"refocusing_deg": angle, "b1": b1}
        for name, fit in (
            ("mono", fit_nlls(echoes, TRAIN_S)),
            ("epg", fit_epg(echoes, TRAIN_S, assumed, b1=b1)),
            ("epg_b1_unknown", fit_epg(echoes, TRAIN_S, assumed)),
        ):
            row[f"{name}_percent"] = 100 * float((fit.t2_s / t2 - 1).median())
        rows.append(row)
    return rows


def coverage(n: int = 50_000) -> list[dict[str, float]]:
    """Share of voxels, per cent, whose T2 +- 1.96 standard errors holds the truth; errors of the echoes given.

    Magnitudes; the SNR is that of the first echo, 80/140/200/300 ms, T2 150 ms.
    """
    te = torch.tensor([0.08, 0.14, 0.20, 0.30], dtype=torch.float64)
    rows = []
    for snr in (10.0, 20.0, 50.0, 100.0):
        clean = decay(0.15, n, te)
        sigma = float(clean[0, 0]) / snr
        echoes = magnitudes(clean, sigma)
        error = torch.full_like(echoes, sigma)
        row = {"snr": snr}
        for name, fit in (
            ("loglinear", fit_loglinear(echoes, te, stderr=error)),
            ("weighted", fit_weighted_loglinear(echoes, te, stderr=error)),
            ("nlls", fit_nlls(echoes, te, stderr=error)),
            ("rician", fit_rician(echoes, te, sigma=sigma)),
        ):
            inside = ((fit.t2_s - 0.15).abs() < 1.96 * fit.t2_stderr_s)[fit.ok]
            row[f"{name}_percent"] = 100 * float(inside.double().mean())
        rows.append(row)
    return rows


def fluid(n: int = 40_000) -> list[dict[str, float]]:
    """Area under the ROC curve of the flag: pure cortex (247 ms, spread 6 %) against cortex with fluid (1.9 s).

    Half of the voxels hold fluid: 5 to 50 %, or exactly 5 %. S0 of tissue 880 with a spread of 2 %, of fluid 1000; the
    SNR is 1000 over the noise. The same for the T2 map alone.
    """
    rows = []
    for name, te_s in PROTOCOLS.items():
        for snr in (20.0, 50.0, 100.0):
            row: dict[str, float] = {"protocol": name, "snr": snr}  # type: ignore[dict-item]
            for label, highest in (("5_to_50", 0.5), ("exactly_5", 0.05)):
                source = generator(7)
                te = torch.tensor(te_s, dtype=torch.float64)
                share = torch.cat((torch.zeros(n), 0.05 + (highest - 0.05) * torch.rand(n, generator=source))).double()
                t2 = 0.247 * torch.exp(0.06 * torch.randn(2 * n, generator=source, dtype=torch.float64))
                s0 = 880 * torch.exp(0.02 * torch.randn(2 * n, generator=source, dtype=torch.float64))
                clean = monoexponential(s0 * (1 - share), t2, te)
                clean = clean + monoexponential(1000 * share, torch.full_like(share, 1.9), te)
                echoes = magnitudes(clean, 1000 / snr, 8)
                found = csf_share(echoes, te, 1000 / snr, tissue_t2_s=0.247, tissue_s0=880.0)
                positive = share >= 0.05
                row[f"auc_{label}"] = auc(found.probability, positive)
                row[f"auc_t2_{label}"] = auc(fit_nlls(echoes, te).t2_s.nan_to_num(5.0), positive)
                if label == "5_to_50":
                    flagged = found.probability > 0.5
                    row["sensitivity"] = float(flagged[positive].double().mean())
                    row["false_alarms"] = float(flagged[~positive].double().mean())
            rows.append(row)
    return rows


def auc(score: torch.Tensor, positive: torch.Tensor) -> float:
    """Area under the receiver operating characteristic, by ranks."""
    rank = torch.empty(len(score), dtype=torch.float64)
    rank[score.argsort()] = torch.arange(1, len(score) + 1, dtype=torch.float64)
    n_positive = int(positive.sum())
    n_negative = len(score) - n_positive
    return float((rank[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def main() -> None:
    """Measure everything and keep it."""
    torch.set_num_threads(1)
    results: dict[str, object] = {"torch": torch.__version__}
    for measure in (prediction, against_scipy, stimulated, noise_floor, coverage, fluid, speeds):
        results[measure.__name__] = measure()
        print(measure.__name__, json.dumps(results[measure.__name__], indent=1), flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
