"""Independent transport, assignment and Frechet distances for TransportPeerTests: SciPy, and a table filled as the definition says.

Usage: transport_peer.py IN.json OUT.json
IN holds "costs", a list of matrices, and "paths", a list of pairs of point lists [[T, D], [T', D]]; OUT "transport" (equal weights), "assignment" (square matrices; null otherwise) and "frechet".
"""
import json
import sys

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import kron, identity, vstack, csr_matrix


def transport(cost):
    rows, columns = cost.shape
    equal = vstack([kron(identity(rows), csr_matrix(np.ones((1, columns)))), kron(csr_matrix(np.ones((1, rows))), identity(columns))])
    weights = np.concatenate([np.full(rows, 1 / rows), np.full(columns, 1 / columns)])
    result = linprog(cost.ravel(), A_eq=equal, b_eq=weights, method="highs")
    assert result.status == 0, result.message
    return result.fun


def assignment(cost):
    if cost.shape[0] != cost.shape[1]:
        return None
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].sum())


def frechet(a, b):
    a, b = np.array(a), np.array(b)
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    table = np.empty_like(distance)
    for i in range(len(a)):
        for j in range(len(b)):
            before = [table[x, y] for x, y in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if x >= 0 and y >= 0]
            table[i, j] = max(distance[i, j], min(before)) if before else distance[i, j]
    return table[-1, -1]


with open(sys.argv[1]) as file:
    given = json.load(file)
costs = [np.array(c) for c in given["costs"]]
with open(sys.argv[2], "w") as file:
    json.dump({"transport": [transport(c) for c in costs], "assignment": [assignment(c) for c in costs], "frechet": [frechet(*p) for p in given["paths"]]}, file)
