#!/usr/bin/env python3
"""Fine-tunes a BERT encoder end to end with the task and industry heads, on the CPU, with JAX.

usage: finetune_encoder.py --encoder DIR --layers 0,2,4 --data train.jsonl.gz --exemplars DIR --out model.npz
           [--epochs 3] [--rate 1e-4] [--leave-out source,source] [--test FILE..]

DIR holds config.json, model.safetensors and tokenizer.json of a BERT-family encoder (all-MiniLM-L6-v2). The result
is a .npz of float32 weights under the encoder's own names plus `task.*` and `industry.*`; `pointsman embedder
import` is not needed: `export_encoder.py` writes the artifact that candle runs. With --leave-out the named sources
do not train and are scored; their logits are kept for calibration.

needs: pip install "jax[cpu]" optax numpy safetensors tokenizers
"""

import argparse
import glob
import gzip
import hashlib
import json
import random
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from safetensors.numpy import load_file
from tokenizers import Tokenizer

TASKS = "code math reasoning knowledge creative summarization translation extraction data tool_use chat".split()
INDUSTRIES = "legal healthcare finance code creative support sales data education general".split()
HEAD, TAIL = 94, 32  # tokens of the start and of the end; with [CLS] and [SEP] 128
BUCKETS = (16, 32, 48, 64, 96, 128)

PREFIXES = [
    "You are a helpful assistant.", "Hi,", "hey, quick one:", "Please help me with the following.", "User:",
    "Instruction:", "Question:", "### Instruction\n", "I need your help.", "Could you do this for me?",
    "You are an expert. Read carefully.", "Task:", "System: answer briefly.\n\n",
]
SUFFIXES = [
    "Answer with only the letter.", "Please keep it short.", "Think step by step.", "Give your answer in JSON.",
    "Respond in one sentence.", "Output only the final answer.", "thanks!", "Let me know if anything is unclear.",
    "Put your final answer in a box.", "Answer:", "Return nothing else.", "asap pls",
]
ENVELOPES = re.compile(
    r"<(system-reminder|environment_details|environment_context|user_info|context|system)(?=[> ]).*?</\1>", re.S)


def read_text(text):
    """What crates/classifier/src/reading.rs keeps of a text."""
    if "</" in text:
        stripped = ENVELOPES.sub(" ", text)
        text = stripped if stripped.strip() else text
    return text if len(text) <= 1801 else text[:1200] + "\n" + text[-600:]


def vary(text, rng):
    """What crates/classifier/src/train/augment.rs does: variations that keep the labels."""
    if rng.random() < 0.15:
        text = rng.choice(PREFIXES) + " " + text
    if rng.random() < 0.15:
        text = text + " " + rng.choice(SUFFIXES)
    if rng.random() < 0.12:
        chars = list(text)
        for _ in range(min(len(chars) // 40 + 1, 12)):
            i = rng.randrange(max(len(chars) - 1, 1))
            if i + 1 < len(chars) and chars[i].isalpha() and chars[i + 1].isalpha():
                if rng.random() < 0.5:
                    chars[i], chars[i + 1] = chars[i + 1], chars[i]
                else:
                    del chars[i]
        text = "".join(chars)
    if rng.random() < 0.10:
        text = re.sub(r"[.,?!;\"']", "", text)
    if rng.random() < 0.15:
        words = re.findall(r"\S+\s*", text)
        if len(words) >= 30:
            text = "".join(words[: len(words) // 2 + rng.randrange(len(words) // 2)])
    return text


def held_out(text):
    return hashlib.sha256(text.encode()).hexdigest()[0] in "01"


def rows_of(path, source):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                task, industry = row.get("task"), row.get("industry")
                yield {
                    "text": row["text"],
                    "task": TASKS.index(task) if task else -1,
                    "industry": INDUSTRIES.index(industry) if industry else -1,
                    "source": row.get("source") or source,
                }


class Encoder:
    def __init__(self, folder, layers):
        self.config = json.load(open(f"{folder}/config.json"))
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        weights = load_file(f"{folder}/model.safetensors")
        self.layers = len(layers)
        kept = {}
        for name, value in weights.items():
            if name.startswith("embeddings.") and "position_ids" not in name:
                kept[name] = value
            for new, old in enumerate(layers):
                if name.startswith(f"encoder.layer.{old}."):
                    kept[name.replace(f"layer.{old}.", f"layer.{new}.", 1)] = value
        kept["embeddings.position_embeddings.weight"] = kept["embeddings.position_embeddings.weight"][:128]
        rng = np.random.default_rng(7)
        width = self.config["hidden_size"]
        for head, labels in (("task", TASKS), ("industry", INDUSTRIES)):
            kept[f"{head}.weight"] = rng.normal(0, 0.02, (len(labels), width)).astype(np.float32)
            kept[f"{head}.bias"] = np.zeros(len(labels), np.float32)
        self.weights = {k: jnp.asarray(v, jnp.float32) for k, v in kept.items()}

    def ids(self, text):
        ids = self.tokenizer.encode(read_text(text), add_special_tokens=False).ids
        if len(ids) > HEAD + TAIL:
            ids = ids[:HEAD] + ids[-TAIL:]
        return [101, *ids, 102]


def forward(config, layers, w, ids, key=None, rate=0.1):
    """Logits of both heads; ids are padded with 0. With a key, dropout is on."""
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
    mask = ids != 0
    keys = jax.random.split(key, 3 * layers + 2) if key is not None else None

    def drop(x, n, rate=rate):
        if keys is None:
            return x
        keep = jax.random.bernoulli(keys[n], 1 - rate, x.shape)
        return jnp.where(keep, x / (1 - rate), 0)

    def norm(x, name):
        mean = x.mean(-1, keepdims=True)
        var = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(var + eps) * w[name + ".weight"] + w[name + ".bias"]

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]] + w["embeddings.token_type_embeddings.weight"][0]
    x = drop(norm(x, "embeddings.LayerNorm"), 0)
    batch, length, width = x.shape
    bias = jnp.where(mask, 0.0, -1e9)[:, None, None, :]
    for n in range(layers):
        p = f"encoder.layer.{n}."
        split = lambda y: y.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)
        q, k, v = (split(dense(x, p + f"attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width // heads) + bias
        context = (jax.nn.softmax(scores, -1) @ v).transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = norm(x + drop(dense(context, p + "attention.output.dense"), 3 * n + 1), p + "attention.output.LayerNorm")
        inner = jax.nn.gelu(dense(x, p + "intermediate.dense"), approximate=False)
        x = norm(x + drop(dense(inner, p + "output.dense"), 3 * n + 2), p + "output.LayerNorm")
    pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    pooled = drop(pooled, 3 * layers + 1, 0.2)
    return dense(pooled, "task"), dense(pooled, "industry")


def loss(logits, truth, weight, smoothing=0.05):
    known = truth >= 0
    target = jax.nn.one_hot(truth, logits.shape[-1]) * (1 - smoothing) + smoothing / logits.shape[-1]
    each = -(target * jax.nn.log_softmax(logits)).sum(-1)
    return (each * known * weight).sum() / logits.shape[0]


def padded(batch):
    longest = max(map(len, batch))
    length = next((b for b in BUCKETS if b >= longest), BUCKETS[-1])
    out = np.zeros((len(batch), length), np.int32)
    for row, ids in zip(out, batch):
        row[: min(len(ids), length)] = ids[:length]
    return out


def batches(rows, encoder, size, rng):
    """Batches of texts of like length, in random order."""
    encoded = [(encoder.ids(vary(r["text"], rng)), r) for r in rows]
    rng.shuffle(encoded)
    pools = [sorted(encoded[i : i + size * 40], key=lambda e: len(e[0])) for i in range(0, len(encoded), size * 40)]
    out = [pool[i : i + size] for pool in pools for i in range(0, len(pool), size)]
    out = [b for b in out if len(b) == size]
    rng.shuffle(out)
    return out


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--encoder", required=True)
    args.add_argument("--layers", default="0,2,4")
    args.add_argument("--data", required=True)
    args.add_argument("--exemplars", required=True)
    args.add_argument("--out", required=True)
    args.add_argument("--epochs", type=int, default=3)
    args.add_argument("--batch", type=int, default=32)
    args.add_argument("--rate", type=float, default=1e-4)
    args.add_argument("--exemplar-weight", type=float, default=2.0)
    args.add_argument("--leave-out", default="")
    args.add_argument("--test", nargs="*", default=[])
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    rng = random.Random(args.seed)
    encoder = Encoder(args.encoder, [int(n) for n in args.layers.split(",")])
    left_out = set(filter(None, args.leave_out.split(",")))
    data = [dict(r, weight=1.0) for r in rows_of(args.data, "data")]
    exemplars = [dict(r, weight=args.exemplar_weight)
                 for path in sorted(glob.glob(f"{args.exemplars}/*.jsonl")) for r in rows_of(path, "exemplars")]
    group = lambda r: r["source"].split("/")[0]
    sets = {"left out": [r for r in data if group(r) in left_out],
            "held-out exemplars": [r for r in exemplars if held_out(r["text"])]}
    sets.update({path.split("/")[-1]: list(rows_of(path, "test")) for path in args.test})
    training = [r for r in data if group(r) not in left_out] + [r for r in exemplars if not held_out(r["text"])]
    print(f"{len(training)} rows train, {encoder.layers} layers", flush=True)

    steps = args.epochs * (len(training) // args.batch)
    schedule = optax.warmup_cosine_decay_schedule(0, args.rate, steps // 12, steps, args.rate / 50)
    decays = lambda w: {k: k.endswith("weight") and "LayerNorm" not in k for k in w}
    fast = lambda w: {k: "head" if k.split(".")[0] in ("task", "industry") else "body" for k in w}
    adam = lambda factor: optax.adamw(lambda n: factor * schedule(n), weight_decay=0.01, mask=decays)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0),
                            optax.multi_transform({"head": adam(10.0), "body": adam(1.0)}, fast))
    weights = encoder.weights
    state = optimiser.init(weights)
    run = lambda w, ids, key=None: forward(encoder.config, encoder.layers, w, ids, key)

    @jax.jit
    def step(weights, state, ids, task, industry, weight, key):
        def total(w):
            t, i = run(w, ids, key)
            return loss(t, task, weight) + loss(i, industry, weight)
        value, gradient = jax.value_and_grad(total)(weights)
        update, state = optimiser.update(gradient, state, weights)
        return optax.apply_updates(weights, update), state, value

    predict = jax.jit(run)

    def logits(rows):
        out = {}
        order = sorted(range(len(rows)), key=lambda n: len(encoder.ids(rows[n]["text"])))
        for i in range(0, len(order), 32):
            part = order[i : i + 32]
            ids = padded([encoder.ids(rows[n]["text"]) for n in part] + [[101, 102]] * (32 - len(part)))
            t, d = predict(weights, ids)
            out.update({n: (np.asarray(t[k]), np.asarray(d[k])) for k, n in enumerate(part)})
        return [out[n] for n in range(len(rows))]

    key = jax.random.PRNGKey(args.seed)
    started, done, kept = time.time(), 0, {}
    for epoch in range(args.epochs):
        seen = []
        for batch in batches(training, encoder, args.batch, rng):
            column = lambda name, kind: np.array([r[name] for _, r in batch], kind)
            key, sub = jax.random.split(key)
            weights, state, value = step(weights, state, padded([ids for ids, _ in batch]), column("task", np.int32),
                                         column("industry", np.int32), column("weight", np.float32), sub)
            done += 1
            if done % 20 == 0:
                seen.append(float(value))
            if done % 100 == 0:
                left = (time.time() - started) / done * (steps - done)
                print(f"step {done}/{steps} loss {np.mean(seen[-10:]):.3f}, {left / 60:.0f} min left", flush=True)
        # every pass is kept: the mean of several is steadier on prompts of other kinds (average_encoders.py)
        np.savez(args.out.replace(".npz", f".{epoch + 1}.npz"), **{k: np.asarray(v) for k, v in weights.items()})
        for name, rows in sets.items():
            if not rows or (epoch + 1 < args.epochs and len(rows) > 1500):
                continue
            got = logits(rows)
            for head, place in (("task", 0), ("industry", 1)):
                hits = [int(np.argmax(g[place]) == r[head]) for g, r in zip(got, rows) if r[head] >= 0]
                if hits:
                    print(f"epoch {epoch + 1} {name} {head}: {np.mean(hits):.3f} of {len(hits)}", flush=True)
            if name == "left out":
                per = {}
                for g, r in zip(got, rows):
                    if r["task"] >= 0:
                        per.setdefault(group(r), []).append(int(np.argmax(g[0]) == r["task"]))
                print({k: (round(float(np.mean(v)), 3), len(v)) for k, v in per.items()}, flush=True)
                kept = {"left_out.task": np.array([g[0] for g in got]), "left_out.industry": np.array([g[1] for g in got]),
                        "left_out.truth": np.array([[r["task"], r["industry"]] for r in rows])}
    np.savez(args.out, **{k: np.asarray(v) for k, v in weights.items()})
    if kept:
        np.savez(args.out.replace(".npz", ".left_out.npz"), **kept)
    print(f"done in {(time.time() - started) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
