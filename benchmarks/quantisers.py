"""Recall of the 10 nearest CLINC150 sentences by cosine at a few bytes a row, by FAISS: the peers of
`kwinners reproduce neighbours`, which asks the same 1,000 queries of the same 15,000 rows.

    pip install faiss-cpu numpy
    KWINNERS_DATA=FOLDER python3 benchmarks/quantisers.py

One JSON object a line. RaBitQ takes a bit a value and 8 bytes: for fewer bytes than 56 the rows are turned to
fewer values first, those of largest variance. Each quantiser is asked by squared distance, where it finds most.
"""

import csv
import json
import os

import faiss
import numpy as np

TOP, QUERIES = 10, 1000
STEM = os.path.join(os.environ["KWINNERS_DATA"], "embeddings", "clinc150-minilm-384-f16")


def sentences():
    """The unit rows of the training and the test set, without those that are of no class."""
    rows = np.load(STEM + ".npy").astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with open(STEM + "-texts.csv", newline="") as texts:
        kinds = [row["split"] if row["label"] != "oos" else "oos" for row in csv.DictReader(texts)]
    kinds = np.array(kinds)
    return rows[kinds == "train"], rows[kinds == "test"]


def main():
    base, test = sentences()
    queries = np.ascontiguousarray(test[[number * len(test) // QUERIES for number in range(QUERIES)]])
    truth = np.argsort(-(queries @ base.T), axis=1, kind="stable")[:, :TOP]
    width = base.shape[1]

    def tell(peer, size, found):
        shared = [len(set(wanted) & set(got)) for wanted, got in zip(truth, found)]
        figure = {"peer": peer, "task": "neighbours by cosine", "metric": "recall10"}
        print(json.dumps(figure | {"value": round(float(np.mean(shared)) / TOP, 4), "bytes": size}), flush=True)

    def ask(peer, factory, size):
        index = faiss.index_factory(width, factory, faiss.METRIC_L2)
        index.train(base)
        index.add(base)
        tell(peer, size, index.search(queries, TOP)[1])

    means = base.mean(axis=0)
    signs, asked = np.sign(base - means), np.sign(queries - means)
    tell("signs", width // 8, np.argsort(-(asked @ signs.T), axis=1, kind="stable")[:, :TOP])
    for size in (24, 32, 48, 64):
        ask("FAISS PQ", f"PQ{size}x8np", size)
    for size in (23, 30, 34, 47, 56):
        values = 8 * (size - 8)
        ask("FAISS RaBitQ", (f"RR{width}" if values == width else f"PCAR{values}") + ",RaBitQ", size)


main()
