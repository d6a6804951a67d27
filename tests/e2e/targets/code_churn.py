# SPDX-License-Identifier: Apache-2.0
"""Makes code, runs it, throws it away, thousands of times: the next code object gets the address of
one that died. Every round leaves a block whose size says which code made it."""

import gc
import sys

X = b"x"
ROUNDS = 4_000
KEEP = [None] * (ROUNDS + 1)


def churn():
    addresses = set()
    for number in range(ROUNDS):
        source = "\n" * (number % 97) + f"def made_{number}():\n    KEEP[{number}] = X * {number}\n"
        space = {"KEEP": KEEP, "X": X}
        code = compile(source, f"/nowhere/made-{number % 7}.py", "exec")
        exec(code, space)
        addresses.add(id(space[f"made_{number}"].__code__))
        space[f"made_{number}"]()
        del code, space
        if number % 500 == 0:
            gc.collect()
    return len(addresses)


different = churn()
KEEP[ROUNDS] = X * 20_000_003
print(sys.getsizeof(b""), different)
