# SPDX-License-Identifier: Apache-2.0
"""What the notebook magic (ipython.py) is made of."""
