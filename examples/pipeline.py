# SPDX-License-Identifier: Apache-2.0
"""Which orders bring more than their kind and season suggest? A small pandas and numpy pipeline.

Load, clean, join, aggregate, make a feature matrix, fit, write. It is written the way such scripts
are written, and needs far more memory at its highest moment than it has to. Where? Find out:

    peakline run examples/pipeline.py
"""

import os

# One thread for the sums in `fit`: the same digits on every machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from make_data import CUSTOMERS, ORDERS, ensure_data

RESULTS = os.path.join(os.path.dirname(ORDERS), "results")
NUMBERS = ["quantity", "unit_price", "discount", "gift", "member_since", "score"]
KINDS = ["category", "channel", "city", "segment"]


def load(path):
    return pd.read_csv(path)


def clean(raw):
    """Real sales only, with a date that is a date and the money that was paid."""
    orders = raw[raw["quantity"] > 0].drop_duplicates("order_id").copy()
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    orders["month"] = orders["ordered_at"].dt.strftime("%Y-%m")
    orders["paid"] = orders["quantity"] * orders["unit_price"] * (1 - orders["discount"] / 100)
    orders["gift"] = orders["note"].str.contains("gift").astype("int8")
    return orders.drop(columns=["order_id", "note"])


def join(orders, customers):
    return orders.merge(customers, on="customer_id", how="left")


def aggregate(sales):
    """Money a month and category, categories as columns."""
    totals = sales.groupby(["month", "category"], as_index=False)["paid"].sum()
    return totals.pivot(index="month", columns="category", values="paid").round(2)


def feature_matrix(sales):
    """One row a sale: amounts, calendar, and a 0/1 column for each category, channel, and so on."""
    numbers = sales[NUMBERS].to_numpy(dtype=np.float64)
    moment = sales["ordered_at"].dt
    season = 2 * np.pi * moment.day_of_year.to_numpy() / 365.25
    calendar = [np.sin(season), np.cos(season), moment.day_of_week, moment.hour]
    kinds = pd.get_dummies(sales[KINDS], dtype=np.float64).to_numpy()
    return np.hstack([numbers, np.column_stack(calendar), kinds])


def fit(features, paid):
    """What each sale should bring by its features: least squares on standardised columns."""
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    gram = standard.T @ standard + np.eye(standard.shape[1])
    weights = np.linalg.solve(gram, standard.T @ (paid - paid.mean()))
    return standard @ weights + paid.mean()


def report(sales, expected):
    sales["surplus"] = sales["paid"] - expected
    groups = sales.groupby(["city", "channel"])["surplus"]
    return groups.agg(["mean", "size"]).sort_values("mean", ascending=False)


def main():
    ensure_data()
    raw = load(ORDERS)
    orders = clean(raw)
    sales = join(orders, load(CUSTOMERS))
    monthly = aggregate(sales)
    features = feature_matrix(sales)
    expected = fit(features, sales["paid"].to_numpy())
    surplus = report(sales, expected)

    os.makedirs(RESULTS, exist_ok=True)
    monthly.to_csv(os.path.join(RESULTS, "monthly.csv"))
    surplus.round(3).to_csv(os.path.join(RESULTS, "surplus.csv"))

    city, channel = surplus.index[0]
    more = surplus["mean"].iloc[0]
    print(f"{len(raw)} lines read, {len(sales)} sales kept, {sales['paid'].sum():.2f} paid")
    print(f"best month: {monthly.sum(axis=1).idxmax()}, best category: {monthly.sum().idxmax()}")
    print(f"{features.shape[1]} features; best surplus: {city} by {channel}, {more:+.2f} a sale")


if __name__ == "__main__":
    main()
