#!/usr/bin/env python3
"""The deep tier through ONNX Runtime, fp32, one thread: what our forward pass is measured against.

usage: onnx_deep.py ARTIFACT_DIR TOKENS...      prints p50 in milliseconds for a text of so many tokens

needs: pip install onnx onnxruntime numpy safetensors
"""

import json
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

folder, sizes = sys.argv[1], [int(n) for n in sys.argv[2:]] or [12, 64]
config = json.load(open(f"{folder}/config.json"))["encoder"]
stored = load_file(f"{folder}/model.safetensors")
weights = {}
for name, value in stored.items():
    if value.dtype == np.uint8:
        value = (value.astype(np.float32) - 128) * stored[name + ".scales"][:, None]
    if not name.endswith(".scales"):
        weights[name] = value.astype(np.float32)
width, heads = config["hidden_size"], config["num_attention_heads"]
head = width // heads
nodes, constants, count = [], {}, 0


def constant(value, kind=np.float32):
    name = f"c{len(constants)}"
    constants[name] = numpy_helper.from_array(np.asarray(value, kind), name)
    return name


def op(kind, *inputs, **attributes):
    global count
    count += 1
    nodes.append(helper.make_node(kind, list(inputs), [f"x{count}"], **attributes))
    return f"x{count}"


def dense(x, name):
    return op("Add", op("MatMul", x, constant(weights[name + ".weight"].T)), constant(weights[name + ".bias"]))


def norm(x, name):
    return op("LayerNormalization", x, constant(weights[name + ".weight"]), constant(weights[name + ".bias"]),
              axis=-1, epsilon=float(config["layer_norm_eps"]))


def split(x, perm):
    return op("Transpose", op("Reshape", x, constant([0, 0, heads, head], np.int64)), perm=perm)


table = weights["embeddings.word_embeddings.weight"]
positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
x = op("Add", op("Gather", constant(table), "ids"), op("Gather", constant(positions), "positions"))
x = norm(x, "embeddings.LayerNorm")
for n in range(config["num_hidden_layers"]):
    p = f"encoder.layer.{n}."
    q = split(dense(x, p + "attention.self.query"), [0, 2, 1, 3])
    k = split(dense(x, p + "attention.self.key"), [0, 2, 3, 1])
    v = split(dense(x, p + "attention.self.value"), [0, 2, 1, 3])
    scores = op("Softmax", op("Mul", op("MatMul", q, k), constant(1 / np.sqrt(head))), axis=-1)
    context = op("Transpose", op("MatMul", scores, v), perm=[0, 2, 1, 3])
    context = op("Reshape", context, constant([0, 0, width], np.int64))
    x = norm(op("Add", x, dense(context, p + "attention.output.dense")), p + "attention.output.LayerNorm")
    inner = op("Gelu", dense(x, p + "intermediate.dense"))
    x = norm(op("Add", x, dense(inner, p + "output.dense")), p + "output.LayerNorm")
nodes.append(helper.make_node("ReduceMean", [x, constant([1], np.int64)], ["pooled"], keepdims=0))
graph = helper.make_graph(
    nodes, "deep",
    [helper.make_tensor_value_info(n, TensorProto.INT64, [1, "n"]) for n in ("ids", "positions")],
    [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, width])], list(constants.values()))
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
onnx.checker.check_model(model)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
for size in sizes:
    ids = np.array([[101] + [2000 + 7 * i for i in range(size - 2)] + [102]], np.int64)
    feed = {"ids": ids, "positions": np.arange(size, dtype=np.int64)[None]}
    times = []
    for _ in range(60):
        started = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - started)
    print(f"{size} tokens: p50 {np.median(times[10:]) * 1e3:.2f} ms")
