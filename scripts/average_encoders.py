#!/usr/bin/env python3
"""The mean of several passes of finetune_encoder.py: weights of one run lie close enough to each other that their
mean works, and it is steadier on prompts unlike the training data (Izmailov et al. 2018, "Averaging weights leads to
wider optima").

usage: average_encoders.py OUT.npz IN.npz [IN.npz ..]

needs: pip install numpy
"""

import sys

import numpy as np


def main():
    out, *paths = sys.argv[1:]
    if not paths:
        sys.exit(__doc__)
    passes = [np.load(path) for path in paths]
    np.savez(out, **{name: np.mean([p[name] for p in passes], axis=0).astype(np.float32) for name in passes[0].files})


if __name__ == "__main__":
    main()
