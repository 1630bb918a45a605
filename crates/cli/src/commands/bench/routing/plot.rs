//! The quality-cost curves as a page of SVG.

use std::fmt::Write;

use super::Part;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 48.0;

pub(super) fn page(parts: &[Part]) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=\"utf-8\"><title>Routing on recorded outcomes</title>\
         <style>body{font:14px sans-serif;max-width:46em;margin:2em auto}svg{border:1px solid #ddd}</style>\
         <h1>Routing on recorded outcomes</h1><p>Score against cost per thousand prompts (logarithmic). The line is the \
         blend of neighbours and linear models at every trade-off; the marks are policies.</p>",
    );
    for part in parts {
        let _ = write!(page, "<h2>{}, {}</h2>{}", escape(&part.set), part.rows_are, plot(part));
    }
    page
}

fn plot(part: &Part) -> String {
    let lines = || part.lines.iter().filter(|line| line.note.is_none());
    let points: Vec<(f64, f64)> = part
        .curve
        .iter()
        .map(|p| (p.usd_per_thousand, p.score))
        .chain(lines().map(|l| (l.usd_per_thousand, l.score)))
        .filter(|(cost, _)| *cost > 0.0)
        .collect();
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (cheap, dear) = range(&mut points.iter().map(|p| p.0.ln()));
    let (low, high) = range(&mut points.iter().map(|p| p.1));
    let place = |value: f64, (from, to): (f64, f64)| (value - from) / (to - from).max(1e-9);
    let at = |cost: f64, score: f64| {
        let x = MARGIN + place(cost.max(1e-12).ln(), (cheap, dear)) * (WIDTH - 2.0 * MARGIN);
        let y = HEIGHT - MARGIN - place(score, (low, high)) * (HEIGHT - 2.0 * MARGIN);
        (x, y)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"><polyline fill=\"none\" stroke=\"#06c\" points=\""
    );
    for point in &part.curve {
        let (x, y) = at(point.usd_per_thousand, point.score);
        let _ = write!(svg, "{x:.1},{y:.1} ");
    }
    svg.push_str("\"/>");
    for line in lines() {
        let (x, y) = at(line.usd_per_thousand, line.score);
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\">{} {:.1} at ${:.3}</text>",
            (x + 6.0).min(WIDTH - 190.0),
            y - 5.0,
            escape(&line.policy),
            100.0 * line.score,
            line.usd_per_thousand
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{:.0}\" font-size=\"11\">cost, dollars per thousand</text></svg>",
        HEIGHT - 12.0
    );
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
