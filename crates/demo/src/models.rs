//! The three characters. Every figure is invented, and chosen so that each form of routing has a choice.

use std::time::Duration;

use pointsman_types::{Capabilities, Capability, ModelKind, ModelSpec, Price, Quality, Task, Tokens};

/// How fast the backends answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// As if a model were thinking.
    #[default]
    Lifelike,
    /// At once: for tests and benchmarks.
    Instant,
}

/// One backend and its model.
#[derive(Debug, Clone)]
pub(crate) struct Character {
    pub(crate) backend: &'static str,
    pub(crate) spec: ModelSpec,
    pub(crate) first_token: Duration,
    pub(crate) per_token: Duration,
    /// How it speaks of itself.
    pub(crate) voice: &'static str,
}

pub(crate) fn characters(pace: Pace) -> [Character; 3] {
    use Task::{
        Chat, Code, Creative, Data, Extraction, Knowledge, Math, Reasoning, Summarization, ToolUse,
        Translation,
    };
    let coder = [
        (Code, 0.95),
        (Data, 0.92),
        (Math, 0.72),
        (Reasoning, 0.66),
        (Knowledge, 0.66),
        (Creative, 0.55),
        (Summarization, 0.68),
        (Translation, 0.62),
        (Extraction, 0.76),
        (ToolUse, 0.90),
        (Chat, 0.60),
    ];
    let reasoner = [
        (Code, 0.88),
        (Data, 0.86),
        (Math, 0.97),
        (Reasoning, 0.96),
        (Knowledge, 0.95),
        (Creative, 0.86),
        (Summarization, 0.84),
        (Translation, 0.86),
        (Extraction, 0.85),
        (ToolUse, 0.86),
        (Chat, 0.80),
    ];
    let chatter = [
        (Code, 0.42),
        (Data, 0.42),
        (Math, 0.38),
        (Reasoning, 0.40),
        (Knowledge, 0.52),
        (Creative, 0.74),
        (Summarization, 0.76),
        (Translation, 0.74),
        (Extraction, 0.70),
        (ToolUse, 0.40),
        (Chat, 0.82),
    ];
    let ms = |n| if pace == Pace::Lifelike { Duration::from_millis(n) } else { Duration::ZERO };
    [
        Character {
            backend: "sim-code",
            spec: ModelSpec {
                capabilities: Capabilities::exactly(&[Capability::Tools, Capability::Json]),
                price: Price::per_million(1.0, 4.0),
                ..spec("demo-code", "sim-code", 128_000, &coder)
            },
            first_token: ms(120),
            per_token: ms(8),
            voice: "a strong code model",
        },
        Character {
            backend: "sim-reasoner",
            spec: ModelSpec {
                capabilities: Capabilities::exactly(&Capability::ALL),
                price: Price::per_million(3.0, 12.0),
                ..spec("demo-reasoner", "sim-reasoner", 200_000, &reasoner)
            },
            first_token: ms(300),
            per_token: ms(12),
            voice: "a strong reasoning model with vision",
        },
        Character {
            backend: "sim-local",
            spec: ModelSpec {
                capabilities: Capabilities::exactly(&[Capability::Json]),
                price: Price::per_million(0.0, 0.0),
                local: true,
                ..spec("demo-local", "sim-local", 8_192, &chatter)
            },
            first_token: ms(40),
            per_token: ms(5),
            voice: "a cheap local chat model",
        },
    ]
}

/// The demo's models for a trade, the best first.
pub fn preferred(industry: &str) -> impl Iterator<Item = &'static str> {
    let order = match industry {
        "code" | "data" => ["demo-code", "demo-reasoner", "demo-local"],
        "support" | "sales" | "creative" => ["demo-local", "demo-reasoner", "demo-code"],
        _ => ["demo-reasoner", "demo-code", "demo-local"],
    };
    order.into_iter()
}

fn spec(id: &str, backend: &str, context: u64, quality: &[(Task, f32)]) -> ModelSpec {
    ModelSpec {
        id: id.into(),
        backend: backend.into(),
        upstream_id: id.into(),
        aliases: Vec::new(),
        kind: ModelKind::Chat,
        local: false,
        simulated: true,
        context: Some(Tokens(context)),
        max_output: Some(Tokens(4096)),
        price: None,
        capabilities: Capabilities::default(),
        quality: Quality::stated(quality),
        created: None,
        about: pointsman_types::About::default(),
    }
}
