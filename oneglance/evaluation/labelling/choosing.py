"""Which pictures of a pool to answer next, by their feature vectors and by how unsure a network is."""

from __future__ import annotations

import numpy as np

MOST_CLUSTERS = 500
NEIGHBOURS = 20  # by which a picture is typical
POOL = 10  # unsure pictures per picture that is chosen


def typical(vectors: np.ndarray, labelled: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """TypiClust (Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794): all pictures are divided into as many
    clusters as there will be answers; the largest ones without an answer give their most typical picture.

    Args:
        vectors: float32 [n, d] of the pool.
        labelled: float32 [m, d] of pictures that have answers, as far as they are known.

    Returns:
        Rows of the pool, int64, the best first, and how typical each is, 0 to 1.
    """
    every = np.concatenate([labelled, vectors])
    cluster = clusters(every, min(len(labelled) + count, MOST_CLUSTERS))
    known = np.bincount(cluster[: len(labelled)], minlength=cluster.max(initial=0) + 1)
    own = cluster[len(labelled) :]
    queues: list[tuple[int, int, list[tuple[float, int]]]] = []
    for number in np.unique(own).tolist():
        rows = np.flatnonzero(own == number)
        scores = typicality(vectors[rows])
        order = np.argsort(-scores, kind="stable")
        queue = [(float(scores[place]), int(rows[place])) for place in order.tolist()]
        queues.append((int(known[number]), -len(rows), queue))
    queues.sort(key=lambda one: one[:2])
    chosen: list[tuple[float, int]] = []
    while len(chosen) < min(count, len(vectors)):
        for _, _, queue in queues:
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return np.array([row for _, row in chosen], dtype=np.int64), np.array([score for score, _ in chosen])


def typicality(vectors: np.ndarray) -> np.ndarray:
    """1 / (1 + mean distance to the nearest others): float64 [n], 0 to 1; 0 for one alone."""
    if len(vectors) < 2:
        return np.zeros(len(vectors))
    near = min(NEIGHBOURS, len(vectors) - 1)
    squares = (vectors.astype(np.float64) ** 2).sum(axis=1)
    means = np.zeros(len(vectors))
    for start in range(0, len(vectors), 256):
        part = slice(start, start + 256)
        distances = squares[part, None] + squares - 2 * vectors[part].astype(np.float64) @ vectors.T
        nearest = np.sqrt(np.maximum(np.partition(distances, near, axis=1)[:, : near + 1], 0))
        means[part] = nearest.sum(axis=1) / near  # its own distance is 0
    return 1 / (1 + means)


def unsure(vectors: np.ndarray, uncertainty: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The most unsure pictures that differ from each other: of the ``POOL`` times as many most unsure ones,
    the surest to teach of each cluster (after Citovsky et al. 2021, arXiv 2107.14263, Cluster-Margin).

    Returns:
        Rows, int64, the most unsure first, and how unsure each is.
    """
    order = np.argsort(-uncertainty, kind="stable")[: POOL * count]
    if len(order) > count:
        cluster = clusters(vectors[order], count)
        first = np.unique(cluster, return_index=True)[1]  # in each, the most unsure comes first
        rest = np.setdiff1d(np.arange(len(order)), first)
        order = np.concatenate([order[np.sort(first)], order[rest]])[:count]
        order = order[np.argsort(-uncertainty[order], kind="stable")]
    return order.astype(np.int64), uncertainty[order]


def clusters(vectors: np.ndarray, count: int) -> np.ndarray:
    """The cluster of each vector: int64 [n]; k-means."""
    from sklearn.cluster import MiniBatchKMeans

    count = min(count, len(vectors))
    means = MiniBatchKMeans(count, n_init=3, random_state=0, batch_size=1024)
    return np.asarray(means.fit_predict(np.asarray(vectors, dtype=np.float32)), dtype=np.int64)
