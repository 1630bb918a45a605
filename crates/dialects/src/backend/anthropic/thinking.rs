//! How much a model of Anthropic may think, and whether it can. The API refuses some combinations that are usual
//! elsewhere; there the thinking is left out, and it is said why.

use serde_json::{Value, json};

use super::model::Manner;
use crate::{
    backend::report::Dropped,
    json::{list, set, text},
};

/// The API wants a limit; where the client states none, most models write no more than this.
const MAX_TOKENS: u64 = 8192;

/// The API takes no smaller budget.
const LEAST_BUDGET: u64 = 1024;

/// Where the client states no limit, none is set above this: all models that think can write so much.
const MOST_TOKENS: u64 = 32_000;

/// The limit of an answer, what of it may be thought, and with what effort, where the model is told that.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) limit: u64,
    pub(super) thinking: Option<Value>,
    pub(super) effort: Option<&'static str>,
}

impl Room {
    pub(super) fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| text(thinking, "type") != Some("disabled"))
    }
}

pub(super) fn room(chat: &Value, turns: &[Value], manner: Manner, dropped: &mut Dropped) -> Room {
    let stated = ["max_completion_tokens", "max_tokens"];
    let stated = stated.iter().find_map(|field| chat.get(field).and_then(Value::as_u64));
    let mut effort = None;
    let thinking = asked(chat, manner, &mut effort, dropped).and_then(|(field, thinking)| {
        if text(&thinking, "type") == Some("disabled") {
            return Some(thinking);
        }
        match obstacle(chat, turns, &thinking) {
            Some(why) => {
                dropped.add(format!("{field} ({why})"));
                None
            }
            None => fitted(field, thinking, stated, dropped),
        }
    });
    let budget = thinking.as_ref().and_then(budget).unwrap_or(0);
    let adapts = thinking.as_ref().is_some_and(|thinking| text(thinking, "type") == Some("adaptive"));
    let limit = stated.unwrap_or_else(|| {
        if adapts {
            // how much it thinks is its own affair
            return MOST_TOKENS;
        }
        let roomy = budget.saturating_add(MAX_TOKENS).min(MOST_TOKENS);
        roomy.max(budget.saturating_add(1))
    });
    Room { limit, effort: effort.filter(|_| thinking.is_some()), thinking }
}

/// The client's own `thinking`, else what fits the effort; and the field that asks for it. An effort in Anthropic's own
/// words goes over as it is and stands for itself.
fn asked(
    chat: &Value,
    manner: Manner,
    effort: &mut Option<&'static str>,
    dropped: &mut Dropped,
) -> Option<(&'static str, Value)> {
    let mut adaptive = json!({ "type": "adaptive" });
    if manner == Manner::Effort {
        // from here on thoughts come only where they are asked for
        adaptive["display"] = "summarized".into();
    }
    if let Some(thinking) = set(chat, "thinking") {
        let Some(tokens) = budget(thinking).filter(|_| manner == Manner::Effort) else {
            return Some(("thinking", thinking.clone()));
        };
        *effort = Some(match tokens {
            ..4096 => "low",
            4096..16_384 => "medium",
            _ => "high",
        });
        dropped.add("thinking (this model takes an effort in the place of a budget)");
        return Some(("thinking", adaptive));
    }
    if set(chat, "output_config").and_then(|config| set(config, "effort")).is_some() {
        return None;
    }
    let (budget, word) = match text(chat, "reasoning_effort")? {
        "minimal" | "low" => (LEAST_BUDGET, "low"),
        "medium" => (8192, "medium"),
        "xhigh" if manner == Manner::Effort => (MOST_TOKENS - MAX_TOKENS, "xhigh"),
        "high" | "xhigh" => (MOST_TOKENS - MAX_TOKENS, "high"),
        "max" => (MOST_TOKENS - MAX_TOKENS, "max"),
        "none" => return None,
        other => {
            dropped.add(format!("reasoning_effort {other}"));
            return None;
        }
    };
    if manner == Manner::Budget {
        return Some(("reasoning_effort", json!({ "type": "enabled", "budget_tokens": budget })));
    }
    *effort = Some(word);
    Some(("reasoning_effort", adaptive))
}

fn budget(thinking: &Value) -> Option<u64> {
    thinking.get("budget_tokens").and_then(Value::as_u64)
}

/// Why the API would refuse to think here.
fn obstacle(chat: &Value, turns: &[Value], thinking: &Value) -> Option<&'static str> {
    let choice = set(chat, "tool_choice").filter(|_| !list(chat, "tools").is_empty());
    if choice.is_some_and(|choice| choice == "required" || choice.is_object()) {
        return Some("a tool must be called");
    }
    // with `adaptive` no turn has to begin with thoughts
    if text(thinking, "type") == Some("adaptive") {
        return None;
    }
    let role = |turn: &Value, role: &str| text(turn, "role") == Some(role);
    let last = turns.iter().rposition(|turn| role(turn, "assistant"))?;
    let blocks = list(turns.get(last)?, "content");
    let kind = |block: &Value, kinds: &[&str]| text(block, "type").is_some_and(|kind| kinds.contains(&kind));
    if blocks.first().is_some_and(|block| kind(block, &["thinking", "redacted_thinking"])) {
        return None;
    }
    if blocks.iter().any(|block| kind(block, &["tool_use"])) {
        return Some("the last tool calls come without their thoughts");
    }
    (last + 1 == turns.len()).then_some("the answer is begun already")
}

/// The budget below the limit that the client states, so that the limit stands.
fn fitted(field: &str, mut thinking: Value, stated: Option<u64>, dropped: &mut Dropped) -> Option<Value> {
    let (Some(limit), Some(budget)) = (stated, budget(&thinking)) else { return Some(thinking) };
    if limit <= LEAST_BUDGET {
        dropped.add(format!("{field} (a limit of {limit} tokens leaves no room to think)"));
        return None;
    }
    // who names a budget may leave little for the answer; of what is made from an effort, a quarter is the answer's
    let most = if field == "thinking" { limit - 1 } else { (limit - limit / 4).max(LEAST_BUDGET) };
    if budget > most {
        dropped.add(format!("{field} (its budget lowered to {most} tokens, below the limit)"));
        if let Some(fields) = thinking.as_object_mut() {
            fields.insert("budget_tokens".to_owned(), most.into());
        }
    }
    Some(thinking)
}
