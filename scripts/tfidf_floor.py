#!/usr/bin/env python3
"""The floor that the learned classifier has to beat: TF-IDF (words, pairs) and logistic regression.

Trained on the same rows as the shipped artifact (train.jsonl.gz and the exemplars that are not held out),
validated by leaving one source out, the same groups as ``train`` prints.
usage: tfidf_floor.py [--json OUT] [--task-only]      data: $POINTSMAN_DATA, default ../shared/data beside the repository
Needs: numpy, scikit-learn.
"""
import gzip, glob, hashlib, json, os, pathlib, sys
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADS = ("task",) if "--task-only" in sys.argv else ("task", "industry")
DATA = pathlib.Path(os.environ.get("POINTSMAN_DATA", ROOT.parent / "shared" / "data"))


def rows(path):
    with (gzip.open(path, "rt") if str(path).endswith(".gz") else open(path)) as f:
        return [json.loads(line) for line in f]


def held_out(text):
    return hashlib.sha256(text.encode()).hexdigest()[0] in "01"


def scores(train, test):
    """Accuracy and rows for each head; None where the test rows have no such label."""
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=60000, sublinear_tf=True)
    x = vectors.fit_transform(r["text"] for r in train)
    out = {}
    for head in HEADS:
        keep = [i for i, r in enumerate(train) if r.get(head)]
        known = [r for r in test if r.get(head)]
        if not known:
            out[head] = (None, 0)
            continue
        model = LogisticRegression(C=10, max_iter=60)
        model.fit(x[keep], [train[i][head] for i in keep])
        guess = model.predict(vectors.transform(r["text"] for r in known))
        out[head] = (float(np.mean([g == r[head] for g, r in zip(guess, known)])), len(known))
    return out


def main():
    train = rows(DATA / "classify" / "train.jsonl.gz")
    exemplars = [r for f in sorted(glob.glob(str(ROOT / "models/exemplars/*.jsonl"))) for r in rows(f)]
    exemplars = [r for r in exemplars if not held_out(r["text"])]
    report = {"unseen": {}}
    group = lambda r: r["source"].split("/")[0]
    for name in sorted({group(r) for r in train}):
        report["unseen"][name] = scores([r for r in train if group(r) != name] + exemplars, [r for r in train if group(r) == name])
        print(name, report["unseen"][name], flush=True)
    for head in HEADS:
        folds = [v[head] for v in report["unseen"].values() if v[head][1]]
        total = sum(n for _, n in folds)
        report[f"{head}_pooled"] = sum(a * n for a, n in folds) / total
        report[f"{head}_by_source"] = sum(a for a, _ in folds) / len(folds)
    for name in ("dev", "dev_non_english"):
        report[name] = scores(train + exemplars, rows(DATA / "classify" / f"{name}.jsonl.gz"))
    print(json.dumps({k: v for k, v in report.items() if k != "unseen"}, indent=1))
    if "--json" in sys.argv:
        pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
