#!/usr/bin/env python3
"""Quality facts of the model catalog: catalog/quality.toml from recorded outcomes and catalog/published.toml.

Python 3.11, numpy only.  POINTSMAN_DATA (default: shared/data beside the repository) holds routing/*.jsonl.gz; only the rows with
split == "train" are used, the others test routing.  Deterministic: same inputs, same file.  See QUALITY.md.

    derive_quality.py [--catalog DIR] [--table] [--no-checks]

Model:  z_i = alpha_b * (w_b . u_m) + beta_b + e_i,   e_i ~ t4(sd_b) + binomial noise,   u_m ~ N(m*1, S)
  z_i  logit of the floor-corrected score of model m on benchmark b;  u_m  the model's ability in 11 tasks (logits);
  w_b  task loadings of the benchmark (below, sum 1);  alpha_b, beta_b  its slope and difficulty (ridge priors);
  S    covariance of abilities over models, learned, the same variance for every task.  Fitted by EM.
Scale:  alpha = 1, beta = 0 for MMLU-Pro, so quality mu = 1/(1+exp(-u)) reads "share right of ten-option questions as hard as
MMLU-Pro's, guessing taken out"; the other tasks are put on it by the shared mean m and the shared variance over the catalog.
"""
import argparse, collections, gzip, json, os, re, sys, tomllib
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = ["code", "math", "reasoning", "knowledge", "creative", "summarization", "translation", "extraction", "data", "tool_use", "chat"]
T = {t: i for i, t in enumerate(TASKS)}
K = len(TASKS)

# ---- benchmarks: (guessing floor, number of items, loadings) -------------------------------------------------------------------
def L(**k): return k
BENCH = {
    # knowledge and reasoning
    "mmlu_pro": (.10, 12000, L(knowledge=.5, reasoning=.3, math=.2)),
    "mmlu": (.25, 14000, L(knowledge=.8, reasoning=.2)),
    "gpqa_diamond": (.25, 198, L(reasoning=.6, knowledge=.4)),
    "hle": (0, 2500, L(knowledge=.5, reasoning=.5)),
    "simpleqa": (0, 4326, L(knowledge=1)),
    # mathematics
    "math": (0, 5000, L(math=1)), "math500": (0, 500, L(math=1)), "gsm8k": (0, 1319, L(math=.8, reasoning=.2)),
    "aime24": (0, 60, L(math=1)), "aime25": (0, 60, L(math=1)), "aime26": (0, 60, L(math=1)),
    # code
    "humaneval": (0, 164, L(code=1)), "humaneval_plus": (0, 164, L(code=1)), "mbpp": (0, 500, L(code=1)),
    "mbpp_plus": (0, 378, L(code=1)), "mbpp_plus_base": (0, 378, L(code=1)), "aider_polyglot": (0, 225, L(code=.9, tool_use=.1)),
    "swe_bench_verified": (0, 500, L(code=.6, tool_use=.4)), "terminal_bench_2": (0, 89, L(code=.5, tool_use=.5)),
    **{f"livecodebench_{v}": (0, 400, L(code=.8, reasoning=.2)) for v in
       ("v4", "v5", "v6", "2305_2409", "2408_2411", "2410_2502", "2501_2505")},
    # tools
    "bfcl_v1": (0, 2000, L(tool_use=1)), "bfcl_v2": (0, 2000, L(tool_use=1)), "bfcl_v3": (0, 4400, L(tool_use=1)),
    "bfcl_v4": (0, 5000, L(tool_use=1)), "bfcl_agentic": (0, 600, L(tool_use=1)),
    "tau_bench_retail": (0, 115, L(tool_use=.8, chat=.2)), "tau_bench_airline": (0, 50, L(tool_use=.8, chat=.2)),
    "tau2": (0, 278, L(tool_use=.9, chat=.1)), "tau2_retail": (0, 114, L(tool_use=.8, chat=.2)),
    "tau2_telecom": (0, 114, L(tool_use=1)), "tau2_banking": (0, 97, L(tool_use=.7, extraction=.3)),
    # instructions, reading, long documents
    "ifeval": (0, 541, L(chat=.3, extraction=.3, summarization=.2, creative=.2)),
    "ifbench": (0, 300, L(chat=.3, extraction=.3, summarization=.2, creative=.2)),
    "drop": (0, 9500, L(extraction=.7, reasoning=.3)), "frames": (0, 824, L(extraction=.5, reasoning=.2, knowledge=.3)),
    "aa_lcr": (0, 100, L(extraction=.5, summarization=.3, reasoning=.2)),
    "longbench_v2": (.25, 503, L(extraction=.5, summarization=.3, reasoning=.2)),
    "vectara_2310": (0, 831, L(summarization=1)), "vectara_2511": (0, 7700, L(summarization=1)),
    # conversation and writing
    "mt_bench": (.10, 160, L(chat=.5, creative=.2, reasoning=.15, math=.15)),
    "arena_hard": (0, 500, L(chat=.6, code=.3, creative=.1)), "arena_hard_v2": (0, 750, L(chat=.5, code=.25, creative=.25)),
    "alpaca_eval_lc": (0, 805, L(chat=.7, creative=.3)),
    "creative_writing_v3": (0, 96, L(creative=1)), "creative_story_lm": (0, 400, L(creative=1)),
    # many languages, translation
    "mgsm": (0, 2500, L(math=.5, translation=.5)), "mmmlu": (.25, 14000, L(knowledge=.5, translation=.5)),
    "global_mmlu_lite": (.25, 6400, L(knowledge=.4, translation=.6)), "include": (.25, 22000, L(knowledge=.4, translation=.6)),
    "wmt24pp_xcomet": (0, 1000, L(translation=1)),
    # recorded outcomes (train split)
    "rec_arc": (.25, 0, L(knowledge=.5, reasoning=.5)), "rec_winogrande": (.5, 0, L(reasoning=1)), "rec_mbpp": (0, 0, L(code=1)),
    "rec_mmlu": (.25, 0, L(knowledge=.8, reasoning=.2)), "rec_gsm8k": (0, 0, L(math=.8, reasoning=.2)),
    "rdc_gsm8k": (0, 0, L(math=.8, reasoning=.2)), "rdc_prealgebra": (0, 0, L(math=1)), "rdc_arc": (.25, 0, L(knowledge=.5, reasoning=.5)),
    "rdc_chinese": (.25, 0, L(knowledge=.6, translation=.4)), "rdc_humaneval": (0, 0, L(code=1)), "rdc_mbpp": (0, 0, L(code=1)),
    "rdc_javascript": (0, 0, L(code=1)),
    "rec_alpacaeval2": (0, 0, L(chat=.6, creative=.3, summarization=.1)),
}
LB = {"code": L(code=1), "agentic": L(code=.7, tool_use=.3), "math": L(math=1), "reasoning": L(reasoning=1),
      "language": L(reasoning=.4, creative=.2, extraction=.2, knowledge=.2), "data": L(data=.8, extraction=.2),
      "annotate": L(extraction=.6, data=.4), "summarize": L(summarization=.7, translation=.1, extraction=.2), "story": L(creative=.7, chat=.3)}
LB_N = {"code": 128, "agentic": 60, "math": 230, "reasoning": 150, "language": 140, "data": 100, "annotate": 50, "summarize": 150, "story": 50}
for v in ("2411", "2505", "2601", "2606"):
    for k, w in LB.items():
        BENCH[f"livebench_{v}_{k}"] = (0, LB_N[k], w)
# MMLU-Pro categories: the recorded file has no category column; its question ids come in category order.  Bounds recovered by
# matching mmlu_pro_accuracy_by_category.json (each of the 14 segments reproduces it to 5e-5 for all models).
MP = [("business", 70, 865, L(knowledge=.4, math=.3, data=.3)), ("law", 866, 1985, L(knowledge=.6, reasoning=.3, extraction=.1)),
      ("psychology", 1986, 2803, L(knowledge=1)), ("biology", 2804, 3525, L(knowledge=.8, reasoning=.2)),
      ("chemistry", 3526, 4668, L(reasoning=.4, math=.3, knowledge=.3)), ("history", 4669, 5058, L(knowledge=.8, extraction=.2)),
      ("other", 5059, 6001, L(knowledge=1)), ("health", 6002, 6825, L(knowledge=1)), ("economics", 6826, 7686, L(knowledge=.7, reasoning=.3)),
      ("math", 7687, 9044, L(math=.9, reasoning=.1)), ("physics", 9045, 10355, L(reasoning=.4, math=.4, knowledge=.2)),
      ("computer_science", 10356, 10773, L(code=.2, reasoning=.5, knowledge=.3)), ("philosophy", 10774, 11284, L(knowledge=.6, reasoning=.4)),
      ("engineering", 11285, 12256, L(reasoning=.5, math=.3, knowledge=.2))]
for n, _, _, w in MP:
    BENCH["rec_mmlu_pro_" + n] = (.10, 0, w)

# ---- recorded names -> canonical (base weights always end in -base here, so that a bare name never finds a base model) ----------
REC = {
    "DeepSeek-Coder-V2": "deepseek-coder-v2-instruct", "Llama-2-13b-hf": "llama-2-13b-base", "Llama-2-70b-hf": "llama-2-70b-base",
    "Llama-2-7b-hf": "llama-2-7b-base", "Meta-Llama-3-70B": "llama-3-70b-base", "Meta-Llama-3-8B": "llama-3-8b-base",
    "Meta-Llama-3_1-70B-Instruct": "llama-3.1-70b-instruct", "Meta-Llama-3_1-70B": "llama-3.1-70b-base",
    "Meta-Llama-3_1-8B-Instruct": "llama-3.1-8b-instruct", "Meta-Llama-3_1-8B": "llama-3.1-8b-base",
    "Mistral-7B-Instruct-v0.1": "mistral-v0.1-7b-instruct", "Mistral-7B-Instruct-v0.2": "mistral-v0.2-7b-instruct",
    "Mistral-7B-v0.1": "mistral-v0.1-7b-base", "Mistral-7B-v0.2-hf": "mistral-v0.2-7b-base",
    "Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b-instruct", "Mixtral-8x7B-v0.1": "mixtral-8x7b-base", "Phi-3-mini-4k-instruct": "phi-3-mini-instruct",
    "Qwen1.5-110B": "qwen1.5-110b-base", "Qwen1.5-72B-Chat": "qwen1.5-72b-instruct", "Qwen1.5-7B-Chat": "qwen1.5-7b-instruct",
    "Yi-34B": "yi-34b-base", "Yi-6B": "yi-6b-base", "Yi-6b-Chat": "yi-6b-instruct", "c4ai-command-r-v01": "command-r",
    "gemini-1.5-flash-002": "gemini-1.5-flash", "gemini-1.5-pro-002": "gemini-1.5-pro", "gemma-7b": "gemma-7b-base",
    "jamba-1.5-large": "jamba-1.5-large", "mathstral-7B": "mathstral-v0.1-7b",
    "gpt-4-1106-preview": "gpt-4-preview", "mixtral-8x7b-instruct-v0.1": "mixtral-8x7b-instruct",
    "gpt-3.5-turbo-1106": "gpt-3.5-turbo", "claude-instant-v1": "claude-instant-1", "claude-v1": "claude-1", "claude-v2": "claude-2",
    "meta/llama-2-70b-chat": "llama-2-70b-instruct", "mistralai/mixtral-8x7b-chat": "mixtral-8x7b-instruct",
    "zero-one-ai/Yi-34B-Chat": "yi-34b-instruct", "WizardLM/WizardLM-13B-V1.2": "wizardlm-v1.2-13b",
    "meta/code-llama-instruct-34b-chat": "codellama-34b-instruct", "mistralai/mistral-7b-chat": "mistral-7b-instruct",
    "mistralai/Mistral-7B-v0.1": "mistral-v0.1-7b-base", "meta-math/MetaMath-Mistral-7B": "metamath-mistral-7b",
    "itpossible/Chinese-Mistral-7B-v0.1": "chinese-mistral-v0.1-7b", "HuggingFaceH4/zephyr-7b-beta": "zephyr-beta-7b",
    "cognitivecomputations/dolphin-2.6-mistral-7b": "dolphin-2.6-7b", "meta-llama/Meta-Llama-3-8B": "llama-3-8b-base",
    "cognitivecomputations/dolphin-2.9-llama3-8b": "dolphin-2.9-8b",
    # AlpacaEval 2: prompted variants (_concise, _verbose, gamed), davinci and unnamed-service entries are left out
    "FuseChat-Gemma-2-9B-Instruct": "fusechat-gemma-2-9b-instruct", "FuseChat-Llama-3.1-8B-Instruct": "fusechat-llama-3.1-8b-instruct",
    "FuseChat-Llama-3.2-1B-Instruct": "fusechat-llama-3.2-1b-instruct", "FuseChat-Llama-3.2-3B-Instruct": "fusechat-llama-3.2-3b-instruct",
    "FuseChat-Qwen-2.5-7B-Instruct": "fusechat-qwen-2.5-7b-instruct", "OpenHermes-2.5-Mistral-7B": "openhermes-2.5-7b",
    "Qwen-14B-Chat": "qwen-14b-instruct", "alpaca-7b": "alpaca-7b", "baize-v2-13b": "baize-v2-13b", "chatglm2-6b": "chatglm2-6b",
    "claude-2.1": "claude-2.1", "claude-2": "claude-2", "claude-instant-1.2": "claude-instant-1.2", "claude": "claude-1",
    "falcon-40b-instruct": "falcon-40b-instruct", "falcon-7b-instruct": "falcon-7b-instruct", "gemma-2b-it": "gemma-2b-instruct",
    "gemma-7b-it": "gemma-7b-instruct", "gpt-3.5-turbo-0301": "gpt-3.5-turbo", "gpt35_turbo_instruct": "gpt-3.5-turbo-instruct",
    "gpt4_1106_preview": "gpt-4-preview", "humpback-llama2-70b": "humpback-llama2-70b", "minichat-3b": "minichat-3b", "minotaur-13b": "minotaur-13b",
    "nous-hermes-13b": "hermes-13b", "openbuddy-llama2-70b-v10.1": "openbuddy-llama2-v10.1-70b", "openbuddy-llama2-13b-v11.1": "openbuddy-llama2-v11.1-13b",
    "ultralm-13b": "ultralm-13b", "vicuna-13b-v1.5": "vicuna-v1.5-13b", "vicuna-13b-v1.5-togetherai": "vicuna-v1.5-13b", "vicuna-13b": "vicuna-13b",
    "vicuna-7b-v1.3": "vicuna-v1.3-7b", "vicuna-7b-v1.5": "vicuna-v1.5-7b", "vicuna-7b": "vicuna-7b", "wizardlm-13b": "wizardlm-13b",
    "phi-2": "phi-2", "oasst-sft-pythia-12b": "oasst-sft-pythia-12b",
}

# ---- open weights: total and active parameters (billions) where the name does not say, and release (year.fraction) by line -------
PARAMS = {"deepseek-v2-instruct": (236, 21), "deepseek-v2.5": (236, 21), "deepseek-coder-v2-instruct": (236, 21), "deepseek-coder-v2-lite-instruct": (16, 2.4),
    "deepseek-v3": (671, 37), "deepseek-r1": (671, 37), "deepseek-v3.1": (671, 37), "deepseek-v3.1-terminus": (671, 37),
    "deepseek-v3.2-experimental": (671, 37), "deepseek-v3.2": (671, 37), "deepseek-v4-flash": (284, 13), "deepseek-v4-pro": (1600, 49),
    "gpt-oss-120b": (117, 5.1), "gpt-oss-20b": (21, 3.6), "kimi-k2-instruct": (1000, 32), "kimi-k2-thinking": (1000, 32), "kimi-k2.5": (1000, 32),
    "glm-4.5": (355, 32), "glm-4.5-air": (106, 12), "glm-4.6": (355, 32), "glm-4.7": (355, 32), "glm-5": (744, 40), "glm-5.1": (744, 40), "glm-5.2": (744, 40),
    "minimax-m2": (230, 10), "minimax-m1": (456, 46), "minimax-text-01": (456, 46), "minimax-m3": (428, 23), "minimax-m2.7": (230, 10), "kimi-k2.6": (1000, 32), "kimi-k2.7-code": (1000, 32), "phi-4": (14.7, 14.7), "phi-3-mini-instruct": (3.8, 3.8),
    "phi-3-small-instruct": (7.4, 7.4), "phi-3-medium-instruct": (14, 14), "phi-3.5-mini-instruct": (3.8, 3.8), "phi-3.5-moe-instruct": (42, 6.6),
    "phi-4-mini-instruct": (3.8, 3.8), "phi-2": (2.7, 2.7), "mistral-nemo-instruct": (12.2, 12.2), "mistral-large": (123, 123), "mistral-small": (22, 22),
    "codestral": (22, 22), "seed-oss-36b-instruct": (36, 36), "devstral-small": (24, 24), "magistral-small": (24, 24), "phi-4-reasoning": (14.7, 14.7), "phi-4-mini-reasoning": (3.8, 3.8), "hunyuan-a13b-instruct": (80, 13), "command-r": (35, 35), "command-r-plus": (104, 104), "command-a": (111, 111), "command-r7b": (8, 8), "dbrx-instruct": (132, 36),
    "snowflake-arctic-instruct": (480, 17), "jamba-1.5-large": (398, 94), "jamba-1.5-mini": (52, 12), "mistral-large-3-675b-instruct": (675, 41)}
MIX = {"8x7b": (46.7, 12.9), "8x22b": (141, 39), "17b-16e": (109, 17), "17b-128e": (400, 17), "e2b": (5.1, 2.3), "e4b": (8, 4.5)}
RELEASE = {"qwen3.6": 2026.3, "qwen3.5": 2026.13, "qwen3-next": 2025.7, "qwen3-coder": 2025.55, "qwen3-235b-a22b-": 2025.55, "qwen3-30b-a3b-": 2025.57, "qwen3-4b-instruct": 2025.6,
    "qwen3": 2025.32, "qwq-32b-preview": 2024.9, "qwq": 2025.18, "qwen2.5-coder": 2024.86, "qwen2.5": 2024.72, "qwen2-": 2024.43, "qwen1.5": 2024.1, "codeqwen1.5": 2024.29, "qwen-14b": 2023.73,
    "llama-4": 2025.26, "llama-3.3": 2024.93, "llama-3.2": 2024.73, "llama-3.1-nemotron": 2024.79, "llama-3.1": 2024.56, "llama-3-": 2024.3, "llama-2": 2023.54, "codellama-70b": 2024.08, "codellama": 2023.65,
    "deepseek-v4": 2026.32, "deepseek-v3.2-exp": 2025.74, "deepseek-v3.2": 2025.92, "deepseek-v3.1": 2025.64, "deepseek-v3": 2024.98, "deepseek-r1": 2025.05, "deepseek-v2.5": 2024.68, "deepseek-v2": 2024.35,
    "deepseek-coder-v2": 2024.46, "deepseek-coder": 2023.85, "gpt-oss": 2025.6, "kimi-k2.5": 2026.07, "kimi-k2.6": 2026.3, "kimi-k2.7": 2026.42, "minimax-m2.7": 2026.2, "kimi-k2-thinking": 2025.85, "kimi-k2": 2025.53, "glm-5.2": 2026.45, "glm-5.1": 2026.28, "glm-5": 2026.12, "glm-4.7": 2025.97,
    "glm-4.6": 2025.75, "glm-4.5": 2025.57, "glm-4-9b": 2024.43, "chatglm2": 2023.48, "chatglm": 2023.2, "minimax-m3": 2026.4, "minimax-m2": 2025.82, "minimax-m1": 2025.46, "minimax-text": 2025.04, "phi-4-mini": 2025.16, "phi-4": 2024.95,
    "phi-3.5": 2024.64, "phi-3": 2024.31, "phi-2": 2023.95, "gemma-4": 2026.25, "gemma-3n": 2025.48, "gemma-3": 2025.2, "gemma-2-": 2024.49, "gemma": 2024.14,
    "mistral-large-3": 2025.92, "mistral-large": 2024.56, "mistral-small-3.2": 2025.47, "mistral-small-3.1": 2025.21, "mistral-small-24b": 2025.08, "mistral-small": 2024.72, "mistral-nemo": 2024.55, "mistral-v0.3": 2024.39,
    "mistral-v0.2": 2023.95, "mistral": 2023.74, "mixtral-8x22b": 2024.29, "mixtral": 2023.94, "ministral": 2024.79, "codestral": 2024.41, "mathstral": 2024.55, "command-r7b": 2024.95, "command-r-plus": 2024.66, "command-r": 2024.66, "command-a": 2025.2,
    "dbrx": 2024.24, "seed-oss": 2025.64, "nemotron-nano-v2": 2025.63, "llama-3.1-nemotron-ultra": 2025.27, "hunyuan-a13b": 2025.49, "devstral": 2025.52, "magistral": 2025.44, "phi-4-reasoning": 2025.33, "phi-4-mini-reasoning": 2025.33, "exaone-3.5": 2024.94, "lfm2": 2025.52, "snowflake-arctic": 2024.31, "jamba-1.5": 2024.64, "yi-1.5": 2024.36, "yi-34b": 2023.85, "yi-6b": 2023.85, "granite-3.3": 2025.29, "granite-3.2": 2025.15, "granite-3.1": 2024.96, "olmo-2": 2024.9, "smollm2": 2024.84,
    "falcon3": 2024.96, "falcon": 2023.4, "aya-expanse": 2024.81, "internlm2.5": 2024.51, "tulu-2": 2023.88, "zephyr": 2023.82, "vicuna-v1.5": 2023.58, "vicuna": 2023.3, "wizardlm-2": 2024.29, "wizardlm": 2023.5,
    "dolphin-2.9": 2024.31, "dolphin-2.6": 2023.98, "openhermes": 2023.84, "openchat": 2023.84, "alpaca": 2023.2, "baize": 2023.4, "fusechat": 2024.96, "ultralm": 2023.5, "hermes-13b": 2023.42, "metamath": 2023.75, "chinese-mistral": 2024.25,
    "humpback": 2023.6, "openbuddy": 2023.7, "minotaur": 2023.5, "minichat": 2023.8, "oasst": 2023.3}
WORDS = {"coder": r"coder|codellama|codestral|codeqwen|code\b", "math": r"math|mathstral", "thinking": r"thinking|reasoning|-r1\b|qwq|magistral|distill|gpt-oss|minimax-m\d|kimi-k2\.[5-9]|glm-(4\.[5-9]|5)|deepseek-v(3\.[12]|4)|^gemma-4|^qwen3-[\d.]+b(-a\d+b)?$|^qwen3\.[5-9]|seed-oss|nemotron-(nano|ultra)|hunyuan-a13b",
         "distill": r"distill", "base": r"-base$", "vision": r"-vl\b|vision", "fusechat": r"fusechat"}
# hosted: tier words; HYEAR: release of hosted lines (longest prefix)
TIERS = ["nano", "mini", "flash-lite", "lite", "micro", "flash", "haiku", "instant", "fast", "pro", "opus", "max", "codex", "turbo"]
HYEAR = {"gpt-3.5": 2022.95, "gpt-4-preview": 2023.85, "gpt-4-turbo": 2024.27, "gpt-4o-mini": 2024.55, "gpt-4o": 2024.37, "chatgpt-4o": 2024.7, "gpt-4.1": 2025.29, "gpt-4.5": 2025.16, "gpt-4": 2023.2, "gpt-5.5": 2026.31, "gpt-5.4": 2026.18,
    "gpt-5.2": 2025.95, "gpt-5.1": 2025.87, "gpt-5": 2025.6, "o1-preview": 2024.7, "o1-mini": 2024.7, "o1": 2024.95, "o3-mini": 2025.08, "o3": 2025.29, "o4": 2025.29, "claude-1": 2023.2, "claude-2.1": 2023.9, "claude-2": 2023.53, "claude-instant": 2023.5,
    "claude-3-": 2024.18, "claude-3.5-haiku": 2024.81, "claude-3.5": 2024.47, "claude-3.7": 2025.15, "claude-opus-4.1": 2025.6, "claude-opus-4.5": 2025.9, "claude-opus-4.6": 2026.1, "claude-opus-4.7": 2026.29, "claude-opus-4.8": 2026.4, "claude-sonnet-4.5": 2025.75,
    "claude-sonnet-4.6": 2026.13, "claude-sonnet-5": 2026.45, "claude-fable-5": 2026.45, "claude-haiku-4.5": 2025.79, "claude-opus-4": 2025.39, "claude-sonnet-4": 2025.39, "gemini-1.0": 2023.95, "gemini-1.5": 2024.37, "gemini-2.0": 2024.95, "gemini-2.5": 2025.4, "gemini-3.5": 2026.38,
    "gemini-3.1": 2026.13, "gemini-3": 2025.9, "grok-2": 2024.62, "grok-3": 2025.13, "grok-4.3": 2026.35, "grok-4.1": 2025.88, "grok-4-fast": 2025.72, "grok-4": 2025.52, "grok-code": 2025.65, "grok-build": 2026.4, "nova": 2024.92, "qwen-max": 2025.07, "qwen3.7": 2026.4,
    "qwen3-max": 2025.75, "mistral-medium-3.5": 2026.32, "mistral-medium": 2025.4, "yi-large": 2024.37, "yi-lightning": 2024.79, "qwen3.6-max": 2026.3, "qwen3.6-plus": 2026.25, "ernie-5.1": 2026.4, "seed-2.0": 2026.12, "titan": 2023.75, "magistral-medium": 2025.44, "devstral-medium": 2025.52, "mimo-v2.5": 2026.3, "mimo-v2": 2026.2}
BASE_OFFSET, BASE_SD = -1.0, 0.6  # judged: base weights measured few-shot do not follow instructions
BASE_TASKS = ["creative", "summarization", "translation", "extraction", "data", "tool_use", "chat"]

logit = lambda p: np.log(p / (1 - p))
sigm = lambda x: 1 / (1 + np.exp(-x))


def rows(path):
    with gzip.open(path, "rt") as f:
        for line in f:
            r = json.loads(line)
            if r["split"] == "train":
                yield r


def recorded(data):
    acc = collections.defaultdict(lambda: [0.0, 0.0])
    def add(bench, r, ok=lambda m: m in REC):
        for m, s in r["scores"].items():
            if s is not None and ok(m):
                a = acc[(REC[m], bench)]; a[0] += s; a[1] += 1
    R = os.path.join(data, "routing")
    for r in rows(f"{R}/mmlu_pro.jsonl.gz"):
        i = int(r["id"].rsplit("-", 1)[1])
        add("rec_mmlu_pro_" + next(n for n, a, b, _ in MP if a <= i <= b), r)
    for r in rows(f"{R}/routellm_mmlu.jsonl.gz"): add("rec_mmlu", r)
    for r in rows(f"{R}/routellm_gsm8k.jsonl.gz"): add("rec_gsm8k", r)
    for r in rows(f"{R}/routerbench_slices.jsonl.gz"):
        add({"arc-challenge": "rec_arc", "mbpp": "rec_mbpp", "winogrande": "rec_winogrande"}[r["source"].split("/")[1]], r)
    for r in rows(f"{R}/routerdc_small_models.jsonl.gz"):
        s = r["source"].split("/")[1]
        b = ("rdc_gsm8k" if "gsm8k" in s else "rdc_prealgebra" if "MATH" in s else "rdc_arc" if "arc" in s else "rdc_chinese" if "mmlu" in s or "ceval" in s
             else "rdc_humaneval" if "humaneval" in s else "rdc_mbpp" if "mbpp" in s else "rdc_javascript")
        add(b, r)
    for r in rows(f"{R}/alpacaeval2.jsonl.gz"):
        # the judge's baseline has 0.5 by definition; it stays in as a figure of that model
        add("rec_alpacaeval2", r)
    return [(m, b, s / n, int(n)) for (m, b), (s, n) in sorted(acc.items())]


def load(catalog, data):
    obs = [(m, b, s, n, "r") for m, b, s, n in recorded(data)]
    pub = tomllib.load(open(os.path.join(catalog, "published.toml"), "rb"))["figures"]
    acc = collections.defaultdict(list)
    for f in pub:
        b = f["benchmark"]
        if b not in BENCH: sys.exit(f"published.toml: benchmark {b} is not in BENCH")
        if b.startswith("livebench_2606") and not b.endswith("agentic"): b = b.replace("2606", "2601")  # the same questions (scores agree)
        acc[(f["canonical"], b)].append(f["score"])
    # several documents or snapshots of one model and benchmark count once, with their mean
    obs += [(m, b, float(np.mean(s)), BENCH[b][1], "p") for (m, b), s in sorted(acc.items())]
    return obs


class Fit:
    def __init__(self, obs, iters=150, warm=None, prior=None):
        self.models = sorted({o[0] for o in obs}); self.benches = sorted({o[1] for o in obs})
        mi = {m: i for i, m in enumerate(self.models)}; bi = {b: i for i, b in enumerate(self.benches)}
        self.mi, self.bi = mi, bi
        M, B = len(self.models), len(self.benches)
        self.m = np.array([mi[o[0]] for o in obs]); self.b = np.array([bi[o[1]] for o in obs])
        fl = np.array([BENCH[o[1]][0] for o in obs]); s = np.array([o[2] for o in obs]); n = np.array([float(o[3]) for o in obs])
        p = (s - fl) / (1 - fl); p = np.clip(p, .01, .99)
        self.z = logit(p); self.v = np.minimum(1 / (n * p * (1 - p)) / np.maximum(1 - fl, .5) ** 2, 1.0)
        self.W = np.array([[BENCH[b][2].get(t, 0.) for t in TASKS] for b in self.benches])
        assert np.allclose(self.W.sum(1), 1), [b for b, w in zip(self.benches, self.W.sum(1)) if abs(w - 1) > 1e-9]
        self.al = np.ones(B); self.be = np.zeros(B); self.sg = np.full(B, .4 ** 2)
        self.S = 1.2 ** 2 * (.15 * np.eye(K) + .85); self.anchor = bi.get("mmlu_pro")
        self.prior = None if prior is None else np.array([prior[m] for m in self.models]); self.mean = np.zeros(M) if prior is None else self.prior.copy()
        if warm is not None:
            for b in self.benches:
                if b in warm.bi:
                    j = warm.bi[b]; self.al[bi[b]], self.be[bi[b]], self.sg[bi[b]] = warm.al[j], warm.be[j], warm.sg[j]
            self.mean = np.array([warm.mean[warm.mi[m]] for m in self.models]); self.S = warm.S.copy()
        else:  # start: one ability per model, slope 1, solved jointly, so that distant benchmarks are linked through shared models
            Z = np.zeros((len(obs), M + B)); Z[np.arange(len(obs)), self.m] = 1; Z[np.arange(len(obs)), M + self.b] = 1
            w = 1 / (.4 ** 2 + self.v); ridge = np.r_[np.full(M, 1 / 3. ** 2), np.full(B, 1e-4)]
            if self.anchor is not None: ridge[M + self.anchor] = 1e6
            rhs = Z.T @ (w * self.z)
            if self.prior is not None: ridge[:M] = 1.; rhs[:M] += self.prior
            sol = np.linalg.solve(Z.T @ (w[:, None] * Z) + np.diag(ridge), rhs)
            self.be = sol[M:].copy()
            if self.prior is None: self.mean[:] = sol[:M].mean()
        self.tw = np.ones(len(obs))
        for _ in range(iters): self.step()
        self.estep()

    def estep(self):
        M = len(self.models); P0 = np.linalg.inv(self.S)
        X = self.al[self.b][:, None] * self.W[self.b]; w = self.tw / (self.sg[self.b] + self.v)
        A = np.zeros((M, K, K)); r = np.zeros((M, K))
        np.add.at(A, self.m, w[:, None, None] * X[:, :, None] * X[:, None, :])
        np.add.at(r, self.m, (w * (self.z - self.be[self.b]))[:, None] * X)
        self.C = np.linalg.inv(A + P0); self.U = np.einsum("mij,mj->mi", self.C, r + self.mean[:, None] * P0.sum(1))

    def step(self):
        self.estep()
        B = len(self.benches); Wb = self.W[self.b]
        x = (Wb * self.U[self.m]).sum(1); xv = np.einsum("ni,nij,nj->n", Wb, self.C[self.m], Wb)
        res = self.z - self.al[self.b] * x - self.be[self.b]
        var = self.sg[self.b] + self.v
        self.tw = 5 / (4 + (res ** 2 + self.al[self.b] ** 2 * xv) / var)   # Student t, 4 degrees of freedom
        w = self.tw / var
        for j in range(B):
            k = self.b == j
            if j != self.anchor:
                # slope ~ N(1, .4), difficulty ~ N(0, 2)
                s0, s1, s2 = w[k].sum(), (w[k] * x[k]).sum(), (w[k] * (x[k] ** 2 + xv[k])).sum()
                H = np.array([[s2 + 1 / .4 ** 2, s1], [s1, s0 + 1 / 2. ** 2]])
                h = np.array([(w[k] * x[k] * self.z[k]).sum() + 1 / .4 ** 2, (w[k] * self.z[k]).sum()])
                a, c = np.linalg.solve(H, h); self.al[j], self.be[j] = max(a, .1), c
            rr = self.z[k] - self.al[j] * x[k] - self.be[j]
            e = self.tw[k] * (rr ** 2 + self.al[j] ** 2 * xv[k]) - self.v[k]
            self.sg[j] = max((e.sum() + 6 * .3 ** 2) / (k.sum() + 6), .08 ** 2)
        if self.prior is None: self.mean[:] = self.U.mean()
        D = self.U - self.mean[:, None]; nu = 20.
        S = (np.einsum("mi,mj->ij", D, D) + self.C.sum(0)) / len(self.models)
        s2 = np.trace(S) / K; d = np.sqrt(s2 / np.diag(S)); S = S * d[:, None] * d[None, :]     # the same variance for every task
        self.S = (len(self.models) * S + nu * s2 * (.3 * np.eye(K) + .7)) / (len(self.models) + nu)

    def predict(self, bench, models):
        w = np.array([BENCH[bench][2].get(t, 0.) for t in TASKS]); i = [self.mi[m] for m in models]
        return self.U[i] @ w, np.sqrt(np.einsum("i,mij,j->m", w, self.C[i], w))


def spearman(a, b):
    r = lambda x: np.argsort(np.argsort(x)).astype(float)
    return float(np.corrcoef(r(a), r(b))[0, 1])


def loo_bench(obs, fit, prior):
    out = []
    cnt = collections.Counter(o[0] for o in obs)
    for b in fit.benches:
        if b == "mmlu_pro": continue
        rest = [o for o in obs if o[1] != b]; have = collections.Counter(o[0] for o in rest)
        here = [o for o in obs if o[1] == b and have[o[0]] >= 2]
        if len(here) < 8: continue
        f = Fit(rest, iters=15, warm=fit, prior=prior)
        x, sd = f.predict(b, [o[0] for o in here]); fl = BENCH[b][0]
        z = logit(np.clip((np.array([o[2] for o in here]) - fl) / (1 - fl), .01, .99))
        A = np.c_[x, np.ones(len(x))]; c = np.linalg.lstsq(A, z, rcond=None)[0]
        res = z - A @ c; a = max(c[0], .2)
        out.append((b, len(here), float(np.corrcoef(x, z)[0, 1]), spearman(x, z), float(np.sqrt((res ** 2).mean())), float(np.sqrt(((res / a) ** 2).mean())), float(np.sqrt((sd ** 2).mean()))))
    return out


def prefix(table, name):
    best = None
    for k, v in table.items():
        if name.startswith(k) and (best is None or len(k) > len(best[0])): best = (k, v)
    return best and best[1]


def params(c):
    if c in PARAMS: return PARAMS[c]
    m = re.search(r"-(8x7b|8x22b|17b-16e|17b-128e|e2b|e4b)(-|$)", c)
    if m: return MIX[m[1]]
    m = re.search(r"-(\d+(?:\.\d+)?)b(?:-a(\d+(?:\.\d+)?)b)?(-|$)", c)
    return m and (float(m[1]), float(m[2] or m[1]))


tier = lambda c: next((t for t in TIERS if re.search(rf"(^|-){t}(-|$)", c)), None)


def prior_means(fit, o, h):
    out = {}
    lo, hi = np.percentile(fit.U.mean(1), [1, 99])
    for c, own in zip(fit.models, fit.U.mean(1)):
        p, y, hy = params(c), prefix(RELEASE, c), prefix(HYEAR, c)
        if p and y: g = np.dot(o["co"], o["fx"](c, p, y))
        elif hy: g = np.dot(h["co"], [1, hy - 2024] + [float(tier(c) == t) for t in TIERS])
        else: g = fit.mean[0]
        out[c] = float(np.clip(g, lo, hi))
    return out


def wls(X, y, w, lam):
    return np.linalg.solve(X.T @ (w[:, None] * X) + np.diag(lam), X.T @ (w * y) )


def fallback(fit, n):
    """open weights: g ~ log10 total, log10 active, year, words; hosted: g ~ year, tier words"""
    g = fit.U.mean(1); gsd = np.sqrt(np.einsum("mij->m", fit.C)) / K
    open_, hosted = [], []
    for i, c in enumerate(fit.models):
        p, y = params(c), prefix(RELEASE, c)
        if p and y and n[c] >= 4: open_.append((i, c, p, y))
        elif not p and prefix(HYEAR, c) and n[c] >= 4: hosted.append((i, c, prefix(HYEAR, c)))
    words = list(WORDS)
    fx = lambda c, p, y: [1, np.log10(p[0]), np.log10(p[1]), (np.log10(p[0]) + np.log10(p[1])) ** 2 / 4, y - 2024] + [float(bool(re.search(WORDS[w], c))) for w in words]
    X = np.array([fx(c, p, y) for _, c, p, y in open_]); Y = np.array([g[i] for i, *_ in open_])
    wt = 1 / (np.array([gsd[i] for i, *_ in open_]) ** 2 + .4 ** 2)
    lam = np.array([1e-6, 1., 1., 1., 1e-3] + [4.] * len(words))
    co = wls(X, Y, wt, lam)
    D = np.array([fit.U[i] - g[i] for i, *_ in open_])                      # task profile of each model around its own mean
    Xw = np.c_[np.ones(len(D)), X[:, 5:]]
    prof = lambda k, keep: wls(Xw[keep], D[keep, k], wt[keep], np.array([1e-3] + [4.] * len(words)))
    allk = np.arange(len(Y)); P = np.array([prof(k, allk) for k in range(K)])
    # leave one model out
    pg, pm = [], []
    for j in range(len(Y)):
        keep = allk != j
        cj = wls(X[keep], Y[keep], wt[keep], lam); pg.append(X[j] @ cj)
        pm.append(sigm(pg[-1] + np.array([prof(k, keep) @ Xw[j] for k in range(K)])))
    pg = np.array(pg); pm = np.array(pm); mu = np.array([sigm(fit.U[i]) for i, *_ in open_])
    o = dict(fx=fx, co=co, P=P, words=words, n=len(Y), counts=[int(X[:, 5 + k].sum()) for k in range(len(words))], sd=float(np.sqrt(((Y - pg) ** 2).mean())), corr=float(np.corrcoef(Y, pg)[0, 1]),
             rmse=float(np.sqrt(((mu - pm) ** 2).mean())), mae=float(np.abs(mu - pm).mean()),
             sdt=np.sqrt(((logit(mu) - logit(pm)) ** 2).mean(0)), worst=sorted(zip(np.abs(mu.mean(1) - pm.mean(1)), [c for _, c, *_ in open_], mu.mean(1), pm.mean(1)))[::-1][:6])
    X = np.array([[1, y - 2024] + [float(tier(c) == t) for t in TIERS] for _, c, y in hosted]); Y = np.array([g[i] for i, *_ in hosted])
    lam = np.array([1e-6, 1e-3] + [1.] * len(TIERS)); wt = np.ones(len(Y)) * 4
    co = wls(X, Y, wt, lam); pg = []
    for j in range(len(Y)):
        keep = np.arange(len(Y)) != j; pg.append(X[j] @ wls(X[keep], Y[keep], wt[keep], lam))
    pg = np.array(pg); m_, p_ = sigm(Y), sigm(pg)
    h = dict(co=co, n=len(Y), counts=[int(X[:, 2 + k].sum()) for k in range(len(TIERS))], sd=float(np.sqrt(((Y - pg) ** 2).mean())), corr=float(np.corrcoef(Y, pg)[0, 1]), rmse=float(np.sqrt(((m_ - p_) ** 2).mean())))
    return o, h


def main():
    ap = argparse.ArgumentParser()
    root = os.path.dirname(HERE)
    ap.add_argument("--catalog", default=next((d for d in (f"{root}/catalog", f"{root}/models/catalog") if os.path.isdir(d)), f"{root}/catalog"))
    ap.add_argument("--data", default=os.environ.get("POINTSMAN_DATA", f"{root}/../shared/data"))
    ap.add_argument("--as-of", default="2026-11-23", help="the date that is written into the file")
    ap.add_argument("--table", action="store_true"); ap.add_argument("--no-checks", action="store_true")
    a = ap.parse_args()
    obs = load(a.catalog, a.data)
    flat = Fit(obs)                       # A: one common mean; gives the fallback and its honest error
    n = collections.Counter(o[0] for o in obs); kind = collections.defaultdict(set)
    for o in obs: kind[o[0]].add(o[4])
    o, h = fallback(flat, n)
    prior = prior_means(flat, o, h)
    fit = Fit(obs, prior=prior)           # B: every model's ability starts from its fallback
    chk = [] if a.no_checks else loo_bench(obs, fit, prior)
    infl = 1.0
    if chk:  # posterior sd of w.u against the error seen when a benchmark is left out (its own noise taken out)
        ratio = [np.sqrt(max(c[5] ** 2 - fit.sg[fit.bi[c[0]]] / max(fit.al[fit.bi[c[0]]], .2) ** 2, 0)) / c[6] for c in chk]
        infl = float(np.clip(np.median(ratio), 1.0, 2.0))
    say = lambda *x: print(*x, file=sys.stderr)
    lines = []
    lines.append(f"{len(obs)} figures ({sum(x[4] == 'r' for x in obs)} recorded aggregates, {sum(x[4] == 'p' for x in obs)} published after averaging repeats), {len(fit.models)} models, {len(fit.benches)} benchmarks.")
    if chk:
        P = np.array([c[2] for c in chk]); S = np.array([c[3] for c in chk]); N = np.array([c[1] for c in chk])
        R = np.array([c[4] for c in chk])
        lines.append(f"leave one benchmark out ({len(chk)} benchmarks with 8 or more models): Pearson median {np.median(P):.3f}, weighted mean {np.average(P, weights=N):.3f}; "
                     f"Spearman median {np.median(S):.3f}; rms error in logits, median {np.median(R):.2f}; posterior sd inflated by {infl:.2f}.")
    lines.append(f"fallback, open weights, leave one model out ({o['n']} models): general ability r = {o['corr']:.3f}, rms {o['sd']:.2f} logits; task quality rms {o['rmse']:.3f}, mean absolute {o['mae']:.3f}.")
    lines.append(f"fallback, hosted, leave one model out ({h['n']} models): general ability r = {h['corr']:.3f}, rms {h['sd']:.2f} logits, quality rms {h['rmse']:.3f}.")
    for l in lines: say(l)
    for c in sorted(chk, key=lambda c: c[2]): say(f"  {c[0]:34s} n={c[1]:3d} r={c[2]:.3f} rho={c[3]:.3f} rms={c[4]:.2f} alpha={fit.al[fit.bi[c[0]]]:.2f} sd={fit.sg[fit.bi[c[0]]] ** .5:.2f}")
    say("worst fallback:", [(c, round(float(x), 2), round(float(y), 2)) for _, c, x, y in o["worst"]])
    say("task correlations to the mean:", {t: round(float(np.corrcoef(fit.U[:, i], fit.U.mean(1))[0, 1]), 2) for t, i in T.items()}, "population mean", round(float(fit.mean.mean()), 2), "sd", round(float(np.sqrt(fit.S[0, 0])), 2))
    R = fit.S / fit.S[0, 0]; say("residual correlations", np.round(R, 2).tolist())

    U = fit.U.copy(); SD = np.sqrt(np.einsum("mii->mi", fit.C)) * infl
    for i, c in enumerate(fit.models):
        if c.endswith("-base"):
            for t in BASE_TASKS: U[i, T[t]] += BASE_OFFSET; SD[i, T[t]] = np.hypot(SD[i, T[t]], BASE_SD)
    MU = np.clip(sigm(U), .01, .99)
    q, qw = np.polynomial.hermite_e.hermegauss(15); qw = qw / qw.sum()      # sd of quality when the ability is normal
    Q = sigm(U[..., None] + SD[..., None] * q); SG = np.clip(np.sqrt(((Q - (Q * qw).sum(-1, keepdims=True)) ** 2 * qw).sum(-1)), .01, .30)
    # a model known from one weak published figure says no more than its fallback: left to the fallback
    g_sd = np.sqrt(np.einsum("mij->m", fit.C)) / K; p_sd = np.sqrt(fit.S.sum()) / K
    keep = [i for i, c in enumerate(fit.models) if "r" in kind[c] or n[c] > 1 or g_sd[i] < .75 * p_sd]
    dropped = [c for i, c in enumerate(fit.models) if i not in set(keep)]
    lines.append(f"{len(keep)} models written; left to the fallback (one weak figure): {', '.join(dropped) or 'none'}.")
    say(lines[-1])
    with open(os.path.join(a.catalog, "quality.toml"), "w") as f:
        w = lambda s="": f.write(s + "\n")
        w("# Quality per model and task, 0..1.  Written by scripts/derive_quality.py; do not edit.  The derivation is in QUALITY.md.")
        w('source = "scripts/derive_quality.py"')
        w(f'as_of = "{a.as_of}"')
        w("# 1 Every figure (train split of the recorded outcomes by task; published.toml) becomes a logit after its guessing floor is taken out.")
        w("# 2 logit = slope of the benchmark x (task loadings of the benchmark . abilities of the model in 11 tasks) + difficulty; t errors; ridge priors; EM.")
        w("# 3 Abilities have one mean and one variance for every task and a learned correlation: models measured on different benchmarks meet on one scale.")
        w("# 4 Scale: quality = 1/(1+exp(-ability)); MMLU-Pro has slope 1, difficulty 0: the share right of questions as hard as MMLU-Pro's, guessing taken out.")
        w("# 5 sigma: posterior sd of the ability (number and noise of figures, distance from the task) x slope of the curve x an inflation from check 2.")
        w("# 6 Models without figures: [fallback], general ability from parameters, release and words of the line, with the error of leaving one model out.")
        for l in lines: w("# check: " + l)
        w(); w('scale = "quality = 1/(1+exp(-ability)); ability 0 is half of MMLU-Pro-hard questions right"')
        w("tasks = [" + ", ".join(f'"{t}"' for t in TASKS) + "]")
        w(); w("[fallback]")
        w("# ability = intercept + log10_total x log10(total parameters, billions) + log10_active x log10(active parameters, billions; = total if dense)")
        w("#         + log10_mean_squared x ((log10 total + log10 active) / 2)^2")
        w("#         + year x (release year with its fraction - 2024) + sum of general offsets of the words; task ability = ability + task + task offsets of the words.")
        w("# A word counts when its pattern matches the canonical; 'thinking' also when the line's capabilities have \"reasoning\".")
        w("# Inputs are clamped: parameters to 0.3..2000, year to 2023.0..2026.6.  quality = 1/(1+exp(-task ability)); its sigma = quality x (1-quality) x sd.")
        for k, v in zip(("intercept", "log10_total", "log10_active", "log10_mean_squared", "year"), o["co"]): w(f"{k} = {v:.4f}")
        w(f"sd = {np.sqrt((o['sdt'] ** 2).mean()):.3f}   # logits, leave one model out, over tasks"); w(f"sigma = {o['rmse']:.3f}   # the same in quality"); w(f"n = {o['n']}")
        w("[fallback.task]")
        for t, k in T.items(): w(f"{t} = {o['P'][k, 0]:+.3f}".replace("+", ""))
        for j, wd in enumerate(o["words"]):
            if not o["counts"][j]: continue
            w(f"[fallback.words.{wd}]   # from {o['counts'][j]} models; matches: {WORDS[wd]}")
            extra = BASE_OFFSET if wd == "base" else 0
            w(f"general = {o['co'][5 + j]:.3f}")
            for t, k in T.items(): w(f"{t} = {o['P'][k, 1 + j] + (extra if t in BASE_TASKS else 0):.3f}")
        w("[fallback.hosted]")
        w("# ability = intercept + year x (release year with its fraction - 2024) + tier offset (the first word of [fallback.hosted.tier], in its order, that the name has between hyphens); the same for every task.")
        w(f"intercept = {h['co'][0]:.4f}"); w(f"year = {h['co'][1]:.4f}"); w(f"sd = {h['sd']:.3f}"); w(f"sigma = {h['rmse']:.3f}"); w(f"n = {h['n']}")
        w("[fallback.hosted.tier]")
        for t, c, k in zip(TIERS, h["co"][2:], h["counts"]):
            if k: w(f'"{t}" = {c:.3f}   # from {k}')
        w("[fallback.unknown]   # neither parameters nor release known")
        w(f"ability = {flat.U.mean():.3f}"); w(f"sd = {flat.U.mean(1).std():.3f}")
        for i in keep:
            c = fit.models[i]
            basis = "recorded+published" if len(kind[c]) == 2 else "recorded" if "r" in kind[c] else "published"
            w(); w("[[models]]"); w(f'canonical = "{c}"'); w(f'basis = "{basis}"'); w(f"n = {n[c]}"); w(f"sigma = {SG[i].mean():.3f}")
            w("[models.task]"); w("\n".join(f"{t} = {MU[i, k]:.3f}" for t, k in T.items()))
            w("[models.task_sigma]"); w("\n".join(f"{t} = {SG[i, k]:.3f}" for t, k in T.items()))
    if a.table:
        print("model".ljust(38), "n".rjust(3), "mean ", " ".join(t[:6].rjust(6) for t in TASKS), " sigma")
        for i in sorted(keep, key=lambda i: -MU[i].mean()): print(fit.models[i].ljust(38), str(n[fit.models[i]]).rjust(3), f"{MU[i].mean():.3f}", " ".join(f"{x:6.2f}" for x in MU[i]), f"{SG[i].mean():6.3f}")


if __name__ == "__main__":
    main()
