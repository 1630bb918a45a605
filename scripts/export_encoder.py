#!/usr/bin/env python3
"""Writes what finetune_encoder.py has fitted as an artifact folder that `pointsman` loads.

usage: export_encoder.py WEIGHTS.npz ENCODER_DIR EXEMPLARS_DIR OUT_DIR [NAME]

Matrices become eight bits a value with one scale a row; the tokenizer loses its padding and truncation. The
temperatures are fitted on the exemplars that never train (one in eight).
"""

import glob
import hashlib
import json
import os
import sys

import numpy as np
from safetensors.numpy import save_file

from finetune_encoder import INDUSTRIES, TASKS, Encoder, forward, held_out, padded, rows_of


# tokens of the start and of the end: fewer than in training cost a quarter less time and no accuracy
READ = (72, 24)


def quantised(matrix):
    scales = np.maximum(np.abs(matrix).max(1) / 127, np.finfo(np.float32).tiny).astype(np.float32)
    return (np.round(matrix / scales[:, None]) + 128).astype(np.uint8), scales


def temperature(logits, truth):
    """The temperature with the least negative log-likelihood (Guo et al. 2017), on a grid."""
    known = truth >= 0
    logits, truth = logits[known], truth[known]

    def loss(t):
        z = logits / t
        return (np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), truth]).mean()

    return float(min(np.exp(np.linspace(np.log(0.3), np.log(5), 200)), key=loss))


def main():
    weights, source, exemplars, out = sys.argv[1:5]
    name = sys.argv[5] if len(sys.argv) > 5 else "pointsman-deep"
    weights = dict(np.load(weights))
    os.makedirs(out, exist_ok=True)
    layers = 1 + max(int(k.split(".")[2]) for k in weights if k.startswith("encoder.layer."))
    encoder = Encoder(source, list(range(layers)))
    rows = [r for path in sorted(glob.glob(f"{exemplars}/*.jsonl")) for r in rows_of(path, "x") if held_out(r["text"])]
    logits = [forward(encoder.config, layers, weights, padded([encoder.ids(r["text"])])) for r in rows]
    heads = [np.concatenate([np.asarray(pair[n]) for pair in logits]) for n in (0, 1)]
    truth = [np.array([r[head] for r in rows]) for head in ("task", "industry")]
    temperatures = [temperature(z, t) for z, t in zip(heads, truth)]
    sure = np.sort((lambda e: e / e.sum(1, keepdims=True))(np.exp(heads[0] / temperatures[0])).max(1))
    print("held-out exemplars:", [round(float((z.argmax(1) == t).mean()), 3) for z, t in zip(heads, truth)])

    tensors, head_tensors = {}, {}
    for key, value in weights.items():
        value = np.asarray(value, np.float32)
        target = head_tensors if key.split(".")[0] in ("task", "industry") else tensors
        if target is tensors and value.ndim == 2 and value.shape[0] > 2:
            target[key], target[key + ".scales"] = quantised(value)
        else:
            target[key] = value
    save_file(tensors, f"{out}/model.safetensors")
    save_file(head_tensors, f"{out}/heads.safetensors")

    tokenizer = json.load(open(f"{source}/tokenizer.json"))
    tokenizer["padding"] = tokenizer["truncation"] = None
    json.dump(tokenizer, open(f"{out}/tokenizer.json", "w"), ensure_ascii=False, separators=(",", ":"))
    shapes = {k: encoder.config[k] for k in (
        "model_type", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size", "layer_norm_eps",
        "pad_token_id", "hidden_act")}
    shapes |= {"num_hidden_layers": layers, "max_position_embeddings": len(weights["embeddings.position_embeddings.weight"])}
    config = {
        "name": name, "kind": "encoder", "encoder": shapes, "pooling": "mean", "hidden": 0,
        "head_tokens": READ[0], "tail_tokens": READ[1],
        "temperature": {"task": round(temperatures[0], 4), "industry": round(temperatures[1], 4)},
        # chosen on the same exemplars, see card.md
        "fast_share": 0.3,
        "abstain": {"task_confidence": round(float(sure[int(len(sure) * 0.15)]), 2)},
    }
    json.dump(config, open(f"{out}/config.json", "w"), indent=2)
    json.dump({"task": TASKS, "industry": INDUSTRIES}, open(f"{out}/labels.json", "w"), indent=2)
    names = ["config.json", "heads.safetensors", "labels.json", "model.safetensors", "tokenizer.json"]
    manifest = {n: hashlib.sha256(open(f"{out}/{n}", "rb").read()).hexdigest() for n in names}
    json.dump(manifest, open(f"{out}/manifest.json", "w"), indent=2)
    print(config, sum(os.path.getsize(f"{out}/{n}") for n in names), "bytes")


if __name__ == "__main__":
    main()
