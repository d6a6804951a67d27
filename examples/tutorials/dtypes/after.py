# SPDX-License-Identifier: Apache-2.0
"""The same in the smallest types that hold it; each city's name is there once."""

import numpy as np
import pandas as pd

CITIES = [f"city number {i}" for i in range(50)]


def load(rows=1_000_000):
    number = np.arange(rows, dtype=np.int32)
    return pd.DataFrame({
        "city": pd.Categorical.from_codes((number % 50).astype(np.int8), CITIES),
        "pieces": (number % 100).astype(np.int8),
        "price": (number % 1000).astype(np.float32) / np.float32(4),
    })


sales = load()
print(int(sales["pieces"].sum()), sales["city"].nunique(), f"{sales['price'].mean():.3f}")
