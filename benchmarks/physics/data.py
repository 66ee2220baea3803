"""Made data: swings of a damped, forced pendulum that starts at rest, with noise.

    theta'' = A omega^2 cos(2 pi f t) - gamma theta' - omega^2 sin theta,    theta(0) = theta_0,  theta'(0) = 0

The constants are those of Takeishi and Kalousis 2021, section 4.1 (n-takeishi/phys-vae). Swings are solved by SciPy to
a relative error of 1e-8, and continued to twice the horizon, which only scores see.
"""

from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

STEPS, DT, NOISE = 50, 0.05, 0.01  # 2.5 s; rad
RANGES = {"start": (-1.57, 1.57), "omega": (0.785, 3.14), "gamma": (0.0, 0.8), "f": (3.14, 6.28), "A": (0.0, 40.0)}
SIZES = {"train": 1000, "valid": 500, "test": 1000}
SEED = 1234


class Swings(NamedTuple):
    """Swings of one split.

    Attributes:
        x: what is observed, `[N, T]` in rad.
        truth: without noise, to twice the horizon, `[N, 2 T]`.
        constants: name to `[N]`.
    """

    x: np.ndarray
    truth: np.ndarray
    constants: dict[str, np.ndarray]


def solved(constants: dict[str, np.ndarray], steps: int) -> np.ndarray:
    """Returns theta at 0, dt, ..., `[N, steps]`: all swings are one system of equations."""
    c = constants

    def slope(t: float, state: np.ndarray) -> np.ndarray:
        theta, speed = np.split(state, 2)
        force = c["A"] * c["omega"] ** 2 * np.cos(2 * np.pi * c["f"] * t)
        return np.concatenate([speed, force - c["gamma"] * speed - c["omega"] ** 2 * np.sin(theta)])

    times, first = DT * np.arange(steps), np.concatenate([c["start"], np.zeros_like(c["start"])])
    found = solve_ivp(slope, (0, times[-1]), first, "DOP853", times, rtol=1e-8, atol=1e-8)
    return np.split(found.y, 2)[0]


def swings(name: str, forced: bool = True, size: int | None = None) -> Swings:
    """Returns the swings of a split; without forcing A is zero and all else as with it."""
    rng = np.random.default_rng([SEED, list(SIZES).index(name)])
    size = size or SIZES[name]
    constants = {key: rng.uniform(low, high, size) for key, (low, high) in RANGES.items()}
    constants["A"] *= forced
    truth = solved(constants, 2 * STEPS)
    x = truth[:, :STEPS] + NOISE * rng.normal(size=[size, STEPS])
    return Swings(x.astype(np.float32), truth, constants)
