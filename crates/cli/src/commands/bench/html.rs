//! The report of `bench classifier` as one page: confusion matrices and reliability plots, no scripts.

use std::fmt::Write;

use pointsman_classifier::evaluate::Report;
use pointsman_types::{Industry, Task};

use super::Measured;

const STYLE: &str = "body{font:14px sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;margin:1em 0}\
    td,th{padding:.25em .5em;text-align:right;border:1px solid #ddd}th{background:#f4f4f4}h2{margin-top:2em}";

/// The whole page.
pub(super) fn page(results: &[Measured]) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pointsman: classifier</title><style>{STYLE}</style>\
         <h1>Classifier</h1><table><tr><th>contender<th>set<th>head<th>rows<th>accuracy<th>macro F1<th>ECE<th>coverage\
         <th>right when covered<th>flips<th>p50 us<th>p99 us</tr>"
    );
    for m in results {
        for (head, r) in [("task", &m.task), ("industry", &m.industry)].into_iter().filter(|(_, r)| r.n > 0) {
            let _ = write!(
                out,
                "<tr><td>{}<td>{}<td>{head}<td>{}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.3}<td>{:.0}<td>{:.0}</tr>",
                escape(&m.contender),
                escape(&m.set),
                r.n,
                r.accuracy,
                r.macro_f1,
                r.ece,
                r.coverage,
                r.covered_accuracy,
                m.flip_rate,
                m.p50_us,
                m.p99_us
            );
        }
    }
    out.push_str("</table>");
    let tasks: Vec<&str> = Task::ALL.iter().map(|t| t.as_str()).collect();
    let industries: Vec<&str> = Industry::ALL.iter().map(|t| t.as_str()).collect();
    for m in results {
        for (head, r, labels) in [("task", &m.task, &tasks), ("industry", &m.industry, &industries)] {
            if r.n > 0 {
                let _ = write!(out, "<h2>{} on {}: {head}</h2>", escape(&m.contender), escape(&m.set));
                confusion(&mut out, r, labels);
                reliability(&mut out, r);
            }
        }
    }
    out + "</html>\n"
}

/// Rows are the truth, columns the guesses; the darker, the larger the share of its row.
fn confusion(out: &mut String, report: &Report, labels: &[&str]) {
    out.push_str("<table><tr><th>truth \\ guess");
    for label in labels {
        out.extend(["<th>", label]);
    }
    out.push_str("<th>precision<th>recall</tr>");
    for (i, row) in report.confusion.iter().enumerate().take(labels.len()) {
        let sum = row.iter().sum::<usize>();
        let _ = write!(out, "<tr><th>{}", labels[i]);
        for (j, n) in row.iter().enumerate() {
            let share = *n as f64 / sum.max(1) as f64;
            let colour = if i == j { "60,140,90" } else { "200,60,60" };
            let _ = write!(out, "<td style=\"background:rgba({colour},{share:.2})\">{n}");
        }
        let (precision, recall) = report.precision_recall(i);
        let figure = |v: f64| if v.is_finite() { format!("{v:.2}") } else { "-".to_owned() };
        let _ = write!(out, "<td>{}<td>{}</tr>", figure(precision), figure(recall));
    }
    out.push_str("</table>");
}

/// Accuracy over confidence, a dot a bin, as large as the bin is full.
fn reliability(out: &mut String, report: &Report) {
    out.push_str(
        "<svg width=\"260\" height=\"280\" viewBox=\"-30 -10 260 280\"><rect width=\"220\" height=\"220\" fill=\"none\" \
         stroke=\"#999\"/><line x1=\"0\" y1=\"220\" x2=\"220\" y2=\"0\" stroke=\"#bbb\"/>",
    );
    for (n, confidence, right) in report.bins.iter().filter(|(n, ..)| *n > 0) {
        let radius = 3.0 + 12.0 * (*n as f64 / report.n as f64).sqrt();
        let (x, y) = (confidence * 220.0, 220.0 - right * 220.0);
        let _ = write!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"rgba(60,100,180,.6)\"><title>{n} rows, \
             confidence {confidence:.3}, right {right:.3}</title></circle>"
        );
    }
    let _ = write!(
        out,
        "<text x=\"0\" y=\"245\">confidence -&gt;, accuracy up; ECE {:.3}</text></svg>",
        report.ece
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
