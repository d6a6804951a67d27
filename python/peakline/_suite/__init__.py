# SPDX-License-Identifier: Apache-2.0
"""What the pytest plugin is made of. Loaded only when something is measured."""
