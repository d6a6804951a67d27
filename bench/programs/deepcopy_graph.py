# SPDX-License-Identifier: Apache-2.0
"""copy.deepcopy of an object graph: deep, call-heavy, and every call allocates."""

import meter  # first: it starts the watch

import copy


class Node:
    def __init__(self, name, payload):
        self.name = name
        self.payload = payload
        self.children = []
        self.parent = None

    def add(self, child):
        child.parent = self
        self.children.append(child)


def make_tree(depth, width, name="root"):
    node = Node(name, {"size": depth, "tags": [name, str(depth)], "box": (depth, width)})
    if depth:
        for index in range(width):
            node.add(make_tree(depth - 1, width, "%s/%d" % (name, index)))
    return node


def count(node):
    return 1 + sum(count(child) for child in node.children)


def main():
    tree = make_tree(6, 3)
    total = 0
    previous = None
    for _ in range(max(1, meter.size() * 95 // 100)):
        previous = copy.deepcopy(tree)
        total += count(previous)
    meter.finish(total)


main()
