"""lvnet's counter-based random numbers (SHA-256 of the key, SplitMix64), so that both sides draw the same inputs."""

import hashlib
import json

import numpy as np


def uniform(length, *key):
    """Numbers in [-1, 1), float64 on a grid of 2^-31."""
    digest = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
    base = np.uint64(int.from_bytes(digest[:8], "little"))
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        z = base + np.arange(1, length + 1, dtype=np.uint64) * golden
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = (z ^ (z >> np.uint64(31))) >> np.uint64(32)
    return z.astype(np.float64) / 2**32 * 2 - 1
