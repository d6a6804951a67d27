# SPDX-License-Identifier: Apache-2.0
"""A million sales: 64-bit numbers, and a city's name for each of them."""

import numpy as np
import pandas as pd

CITIES = np.array([f"city number {i}" for i in range(50)], dtype=object)


def load(rows=1_000_000):
    number = np.arange(rows)
    return pd.DataFrame({
        "city": pd.Series(CITIES[number % 50], dtype=object),
        "pieces": number % 100,
        "price": number % 1000 / 4,
    })


sales = load()
print(int(sales["pieces"].sum()), sales["city"].nunique(), f"{sales['price'].mean():.3f}")
