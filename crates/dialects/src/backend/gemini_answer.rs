//! Answers of Gemini's `generateContent`, whole and streamed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chunks::{Counts, End, Head, numbered, tool_call};
use crate::json::{count, data, error, list, set, text};

/// Why it stopped, in OpenAI's words. What the model could not finish as a call is the failure of the attempt, not an
/// answer.
fn finish(reason: &str, calls: bool, content: bool) -> Result<&'static str, String> {
    match reason {
        "MAX_TOKENS" => Ok("length"),
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => Err(format!("the model stopped with {reason}")),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "OTHER"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER" => Ok("content_filter"),
        _ if calls => Ok("tool_calls"),
        // a reason that is not known explains an answer, but not the lack of one
        "STOP" => Ok("stop"),
        _ if content => Ok("stop"),
        _ => Ok("content_filter"),
    }
}

/// Gemini counts thoughts beside the answer.
fn counts(answer: &Value) -> Counts {
    let usage = answer.get("usageMetadata").unwrap_or(&Value::Null);
    let reasoning = count(usage, "thoughtsTokenCount");
    Counts {
        prompt: count(usage, "promptTokenCount").saturating_add(count(usage, "toolUsePromptTokenCount")),
        completion: count(usage, "candidatesTokenCount").saturating_add(reasoning),
        cached: count(usage, "cachedContentTokenCount"),
        written_to_cache: 0,
        reasoning,
    }
}

/// The prompt was refused before any model saw it.
fn is_blocked(answer: &Value) -> bool {
    set(answer, "promptFeedback").is_some_and(|feedback| set(feedback, "blockReason").is_some())
}

/// What a part says.
enum Said {
    Text(String),
    Thought(String),
    Call(Value),
    Nothing,
}

fn said(part: &Value, id: impl FnOnce() -> String) -> Result<Said, String> {
    if let Some(call) = set(part, "functionCall") {
        let known = text(call, "id").filter(|id| !id.is_empty());
        let id = known.map_or_else(id, str::to_owned);
        let args = set(call, "args").map_or_else(|| "{}".to_owned(), Value::to_string);
        let mut own = tool_call(&id, text(call, "name").unwrap_or_default(), &args);
        if let (Some(extra), Some(fields)) = (signature(part), own.as_object_mut()) {
            fields.insert("extra_content".to_owned(), extra);
        }
        return Ok(Said::Call(own));
    }
    if let Some(code) = set(part, "executableCode") {
        let language = text(code, "language").unwrap_or_default().to_lowercase();
        return Ok(Said::Text(fenced(&language, text(code, "code").unwrap_or_default())));
    }
    if let Some(result) = set(part, "codeExecutionResult") {
        return Ok(Said::Text(fenced("", text(result, "output").unwrap_or_default())));
    }
    if let Some(medium) = set(part, "inlineData").or_else(|| set(part, "fileData")) {
        let kind = text(medium, "mimeType").unwrap_or("(no type)");
        return Err(format!(
            "the answer holds a medium of the type {kind}, for which chat completions have no field"
        ));
    }
    Ok(match text(part, "text") {
        Some(thought) if part.get("thought") == Some(&json!(true)) => Said::Thought(thought.to_owned()),
        Some(said) => Said::Text(said.to_owned()),
        None => Said::Nothing,
    })
}

/// The signature of a part, where Google's own OpenAI endpoint has it.
fn signature(part: &Value) -> Option<Value> {
    let signature = text(part, "thoughtSignature")?;
    Some(json!({ "google": { "thought_signature": signature } }))
}

/// Code within a text, behind a fence that it does not hold itself.
fn fenced(language: &str, code: &str) -> String {
    let mut fence = "```".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    format!("\n{fence}{language}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}

pub(crate) fn answer(answer: &Value, mut head: Head) -> Result<Value, String> {
    head.name(text(answer, "responseId"));
    let counts = counts(answer);
    let candidates = list(answer, "candidates");
    if candidates.is_empty() {
        if is_blocked(answer) {
            let message = json!({ "role": "assistant", "content": "", "refusal": null });
            return Ok(head.completion(vec![(message, End::of("content_filter"))], &counts));
        }
        return Err("the answer has no candidates".to_owned());
    }
    let (mut choices, mut number) = (Vec::new(), 0);
    for (at, candidate) in candidates.iter().enumerate() {
        choices.push(choice(candidate, at, &head, &mut number)?);
    }
    Ok(head.completion(choices, &counts))
}

fn index_of(candidate: &Value, at: usize) -> u64 {
    candidate.get("index").and_then(Value::as_u64).unwrap_or(at as u64)
}

fn parts_of(candidate: &Value) -> &[Value] {
    candidate.get("content").map(|content| list(content, "parts")).unwrap_or_default()
}

fn choice(candidate: &Value, at: usize, head: &Head, number: &mut usize) -> Result<(Value, End), String> {
    let (mut words, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
    let mut extra = None;
    for part in parts_of(candidate) {
        match said(part, || head.call_id(*number))? {
            Said::Text(text) => words.push_str(&text),
            Said::Thought(thought) => thoughts.push_str(&thought),
            Said::Call(call) => {
                *number += 1;
                calls.push(call);
                continue;
            }
            Said::Nothing => {}
        }
        extra = signature(part).or(extra);
    }
    let reason = text(candidate, "finishReason").unwrap_or_default();
    let finish = finish(reason, !calls.is_empty(), !words.is_empty())?;
    let content = if words.is_empty() && !calls.is_empty() { Value::Null } else { words.into() };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null });
    if let Some(fields) = message.as_object_mut() {
        if !thoughts.is_empty() {
            fields.insert("reasoning_content".to_owned(), thoughts.into());
        }
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.into());
        }
        if let Some(extra) = extra {
            fields.insert("extra_content".to_owned(), extra);
        }
    }
    Ok((message, End { index: index_of(candidate, at), ..End::of(finish) }))
}

/// What was streamed of one candidate.
#[derive(Debug, Default)]
struct Candidate {
    calls: usize,
    content: bool,
    /// Why it stopped, in OpenAI's words.
    finish: Option<&'static str>,
}

/// A stream of answers, each a piece of the whole.
#[derive(Debug)]
pub(crate) struct Stream {
    head: Head,
    counts: Counts,
    /// Calls of all candidates so far.
    calls: usize,
    candidates: BTreeMap<u64, Candidate>,
    pub(crate) over: bool,
}

impl Stream {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, counts: Counts::default(), calls: 0, candidates: BTreeMap::new(), over: false }
    }

    pub(crate) fn event(&mut self, event: &Value, out: &mut Vec<u8>) {
        self.head.meet(event);
        if let Some(inner) = set(event, "error") {
            let kind = text(inner, "status").unwrap_or("server_error");
            self.fail(text(inner, "message").unwrap_or_default(), kind, out);
            return;
        }
        self.head.name(text(event, "responseId"));
        if set(event, "usageMetadata").is_some() {
            self.counts = counts(event);
        }
        if is_blocked(event) {
            self.candidates.entry(0).or_default().finish = Some("content_filter");
        }
        for (at, candidate) in list(event, "candidates").iter().enumerate() {
            if let Err(why) = self.candidate(candidate, index_of(candidate, at), out) {
                self.fail(&why, "server_error", out);
                return;
            }
        }
    }

    fn fail(&mut self, message: &str, kind: &str, out: &mut Vec<u8>) {
        self.over = true;
        out.extend(data(&error(message, kind, Some("backend_error"))));
    }

    fn candidate(&mut self, candidate: &Value, index: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let known = self.candidates.entry(index).or_default();
        for part in parts_of(candidate) {
            let mut delta = match said(part, || self.head.call_id(self.calls))? {
                Said::Text(text) if !text.is_empty() => {
                    known.content = true;
                    json!({ "content": text })
                }
                Said::Thought(thought) if !thought.is_empty() => json!({ "reasoning_content": thought }),
                Said::Call(call) => {
                    let call = numbered(call, known.calls);
                    known.calls += 1;
                    self.calls += 1;
                    self.head.delta_of(index, json!({ "tool_calls": [call] }), out);
                    continue;
                }
                _ => json!({}),
            };
            if let (Some(extra), Some(fields)) = (signature(part), delta.as_object_mut()) {
                fields.insert("extra_content".to_owned(), extra);
            }
            if delta.as_object().is_some_and(|fields| !fields.is_empty()) {
                self.head.delta_of(index, delta, out);
            }
        }
        if let Some(reason) = text(candidate, "finishReason") {
            known.finish = Some(finish(reason, known.calls > 0, known.content)?);
        }
        Ok(())
    }

    /// The end of the body is the end of the answer where every candidate has given a reason.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let end = |(index, candidate): (&u64, &Candidate)| {
            Some(End { index: *index, ..End::of(candidate.finish?) })
        };
        let ends: Option<Vec<End>> = self.candidates.iter().map(end).collect();
        if let Some(ends) = ends.filter(|ends| !ends.is_empty() && !self.over) {
            self.over = true;
            self.head.end(&ends, &self.counts, out);
        }
    }
}
