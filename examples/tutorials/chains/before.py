# SPDX-License-Identifier: Apache-2.0
"""A chain of steps over a table: a name for each step, and each step is a new table."""

import numpy as np
import pandas as pd

COLUMNS = [f"c{i}" for i in range(8)]


def load(rows=400_000):
    return pd.DataFrame({name: np.arange(rows, dtype=np.float64) + i for i, name in enumerate(COLUMNS)})


table = load()
shifted = table - table.mean()
scaled = shifted / shifted.std()
clipped = scaled.clip(-1, 1)
print(f"{clipped.abs().sum().sum():.2f}")
