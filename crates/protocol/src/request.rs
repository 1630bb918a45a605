//! The body of `POST /v1/chat/completions`, read once and kept raw.

use std::borrow::Cow;

use pointsman_types::{
    Capability, FormError, MicroUsd, ModelForm, RequestFeatures, RouteOptions, Strategy, Task, Tokens, is_tag,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{
    Conversation, ErrorBody, ErrorType, Parameter,
    depth::{MAX_DEPTH, too_deep},
    object::Object,
};

/// Why a body is no chat request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The bytes are not text.
    #[error("the body is not valid UTF-8: byte {at} starts no character")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The text is not JSON.
    #[error("the body is not valid JSON: {0}")]
    NotJson(String),
    /// JSON that would overflow a recursive parser.
    #[error("the body nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A field has the wrong type.
    #[error("{message}")]
    Shape {
        /// Path of the field.
        param: String,
        /// What is wrong with it.
        message: String,
    },
    /// A field has a value that means nothing.
    #[error("{message}")]
    Value {
        /// The field.
        param: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The `model` field is no form.
    #[error(transparent)]
    Form(#[from] FormError),
}

impl RequestError {
    /// The error as its OpenAI body; the status is 400.
    pub fn body(&self) -> ErrorBody {
        let code = match self {
            Self::NotUtf8 { .. } => "invalid_utf8",
            Self::NotJson(_) => "invalid_json",
            Self::TooDeep => "json_too_deep",
            Self::Shape { .. } => "invalid_type",
            Self::Value { .. } => "invalid_value",
            Self::Form(_) => "invalid_model",
        };
        let body = ErrorBody::new(ErrorType::InvalidRequestError, code, self.to_string());
        match self {
            Self::Shape { param, .. } => body.param(param.clone()),
            Self::Value { param, .. } => body.param(*param),
            Self::Form(_) => body.param("model"),
            _ => body,
        }
    }
}

/// A chat request over the raw body.
#[derive(Debug)]
pub struct ChatRequest<'a> {
    pub(crate) raw: &'a str,
    pub(crate) wire: Wire<'a>,
    /// The forms to resolve in order: `model`, then `models`. Never empty.
    pub forms: Vec<ModelForm>,
    /// The `route` object, and of the `metadata` what speaks of routing.
    pub options: RouteOptions,
    /// Whether the industry is only what `metadata` says: that belongs to the client, and may be none of our tags.
    pub industry_is_hint: bool,
}

/// The most entries of a chain of models.
pub const MAX_CHAIN: usize = 32;
/// The most of the client's own tags that are read.
const MAX_TAGS: usize = 32;

#[derive(Debug, Deserialize)]
pub(crate) struct Wire<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) models: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) route: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<Conversation<'a>>,
    stream: Option<bool>,
    #[serde(borrow)]
    pub(crate) max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) presence_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) frequency_penalty: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) top_logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) logit_bias: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) reasoning_effort: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Route {
    task: Option<Task>,
    industry: Option<String>,
    strategy: Option<Strategy>,
    tradeoff: Option<f64>,
    max_cost_usd: Option<f64>,
    max_latency_ms: Option<u64>,
    require: Vec<Capability>,
    only: Vec<String>,
    ignore: Vec<String>,
    local_only: bool,
    session_id: Option<String>,
}

impl<'a> ChatRequest<'a> {
    /// Reads a body. One pass over the bytes; only what the router needs is decoded.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let raw = std::str::from_utf8(body).map_err(|e| RequestError::NotUtf8 { at: e.valid_up_to() })?;
        let Object(wire): Object<Wire<'a>> = serde_json::from_str(raw).map_err(|_| explain(raw))?;
        if too_deep(body) {
            return Err(RequestError::TooDeep);
        }
        if wire.messages.as_ref().is_none_or(|m| m.turns == 0) {
            let message = "messages must be an array of at least one message".to_owned();
            return Err(RequestError::Value { param: "messages", message });
        }
        for (raw, param) in
            [(wire.max_tokens, "max_tokens"), (wire.max_completion_tokens, "max_completion_tokens")]
        {
            if let Some(raw) = raw.filter(|raw| raw.get() != "null") {
                decode::<u64>(raw, param, "a whole number of tokens")?;
            }
        }
        let forms = forms(&wire)?;
        let mut options = options(route(&wire)?)?;
        let metadata = metadata(&wire);
        let industry_is_hint = options.industry.is_none();
        options.industry = options.industry.or(metadata.industry);
        options.session_id = options.session_id.or(metadata.user_id);
        options.tags = metadata.tags;
        Ok(Self { raw, wire, forms, options, industry_is_hint })
    }

    /// The digest of the messages.
    pub fn conversation(&self) -> Option<&Conversation<'a>> {
        self.wire.messages.as_ref()
    }

    /// The text of the last user turn, for the classifier.
    pub fn prompt(&self) -> Cow<'_, str> {
        self.conversation().map_or(Cow::Borrowed(""), Conversation::last_user_text)
    }

    /// How the conversation begins: the same for all its requests, since clients send the whole of it each time.
    pub fn head(&self) -> [&str; 2] {
        self.conversation().map_or(["", ""], Conversation::head)
    }

    /// The text of the user turn that a short last one follows up on, if there is one.
    pub fn earlier_prompt(&self) -> Option<Cow<'_, str>> {
        self.conversation().map(Conversation::earlier_user_text).filter(|text| !text.is_empty())
    }

    fn max_output(&self) -> Option<Tokens> {
        let limit = self.limit(Parameter::MaxCompletionTokens).or_else(|| self.limit(Parameter::MaxTokens));
        limit.map(Tokens)
    }

    /// Facts of the request.
    pub fn features(&self) -> RequestFeatures {
        let declared = |raw: Option<&'a RawValue>| raw.filter(|raw| !is_empty(raw));
        let tools = declared(self.wire.tools).or_else(|| declared(self.wire.functions));
        let tool_tokens = tools.map_or(Tokens(0), |raw| Tokens::estimate(raw.get()));
        let conversation = self.conversation();
        RequestFeatures {
            input_tokens: conversation.map_or(Tokens(0), |c| c.tokens) + tool_tokens,
            max_output: self.max_output(),
            has_images: conversation.is_some_and(|c| c.has_images),
            has_tools: tools.is_some(),
            in_tool_loop: conversation.is_some_and(|c| c.in_tool_loop),
            wants_json: self.wire.response_format.is_some_and(wants_json),
            stream: self.wire.stream.unwrap_or(false),
            turns: conversation.map_or(0, |c| c.turns),
        }
    }
}

/// The same failure again, slowly, for its path and place.
fn explain(raw: &str) -> RequestError {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<Wire<'_>>>(&mut deserializer) else {
        let trailing = deserializer.end().err().map_or_else(|| "unreadable".to_owned(), |e| e.to_string());
        return RequestError::NotJson(trailing);
    };
    let param = brief(&error.path().to_string());
    let inner = error.into_inner();
    let why = brief(&inner.to_string());
    if inner.is_data() && raw.trim_start().starts_with('{') {
        RequestError::Shape { message: format!("{param}: {why}"), param }
    } else if inner.is_data() {
        RequestError::NotJson("the top level must be an object".to_owned())
    } else {
        RequestError::NotJson(why)
    }
}

/// What serde says, without most of the client's text that it quotes: a prompt has no place in a log.
fn brief(text: &str) -> String {
    const HEAD: usize = 60;
    const TAIL: usize = 80;
    if text.chars().count() <= HEAD + TAIL {
        return text.to_owned();
    }
    let head: String = text.chars().take(HEAD).collect();
    let tail: Vec<char> = text.chars().rev().take(TAIL).collect();
    let tail: String = tail.into_iter().rev().collect();
    format!("{head}...{tail}")
}

fn forms(wire: &Wire<'_>) -> Result<Vec<ModelForm>, RequestError> {
    let mut forms = Vec::with_capacity(1);
    if let Some(raw) = wire.model {
        let name: Cow<'_, str> = decode(raw, "model", "a string")?;
        forms.push(ModelForm::parse(&name)?);
    }
    if let Some(raw) = wire.models {
        let names: Vec<String> = decode(raw, "models", "an array of strings")?;
        if names.len() > MAX_CHAIN {
            let message = format!("models has {} entries, at most {MAX_CHAIN} are tried", names.len());
            return Err(RequestError::Value { param: "models", message });
        }
        for name in names {
            forms.push(ModelForm::parse(&name)?);
        }
        if forms.is_empty() {
            let message = "models is empty: name at least one, or ask for `auto`".to_owned();
            return Err(RequestError::Value { param: "models", message });
        }
    }
    if forms.is_empty() {
        let message = "model is missing: name one, or ask for `auto`".to_owned();
        return Err(RequestError::Value { param: "model", message });
    }
    Ok(forms)
}

fn route(wire: &Wire<'_>) -> Result<Route, RequestError> {
    let Some(raw) = wire.route else { return Ok(Route::default()) };
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    serde_path_to_error::deserialize(&mut deserializer).map(|Object(route)| route).map_err(|error| {
        let param = format!("route.{}", error.path());
        RequestError::Shape { message: format!("{param}: {}", error.into_inner()), param }
    })
}

fn options(route: Route) -> Result<RouteOptions, RequestError> {
    let bad = |param, what: &str| Err(RequestError::Value { param, message: format!("{param} {what}") });
    if route.tradeoff.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return bad("route.tradeoff", "must be between 0 (cheap) and 1 (best)");
    }
    if route.max_cost_usd.is_some_and(|c| !c.is_finite() || c < 0.0) {
        return bad("route.max_cost_usd", "must be zero or more");
    }
    if route.industry.as_ref().is_some_and(|tag| !is_tag(tag)) {
        return bad("route.industry", "must be a tag such as `legal`");
    }
    Ok(RouteOptions {
        task: route.task,
        industry: route.industry,
        strategy: route.strategy,
        tags: Vec::new(),
        key: None,
        tradeoff: route.tradeoff,
        max_cost: route.max_cost_usd.map(MicroUsd::from_dollars),
        max_latency_ms: route.max_latency_ms,
        require: route.require,
        only: route.only,
        ignore: route.ignore,
        local_only: route.local_only,
        session_id: route.session_id,
    })
}

/// What of the `metadata` speaks of routing.
#[derive(Default)]
struct Metadata {
    industry: Option<String>,
    user_id: Option<String>,
    tags: Vec<String>,
}

/// `metadata` belongs to the client: what is of another shape is none of our business.
fn metadata(wire: &Wire<'_>) -> Metadata {
    let Some(raw) = wire.metadata else { return Metadata::default() };
    let fields: serde_json::Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
    let tags =
        fields.get("tags").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tags = tags.iter().take(MAX_TAGS).filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
    Metadata {
        industry: text("industry").filter(|tag| is_tag(tag)),
        user_id: text("user_id").filter(|id| !id.is_empty()),
        tags,
    }
}

fn decode<'a, T: Deserialize<'a>>(raw: &'a RawValue, param: &str, expected: &str) -> Result<T, RequestError> {
    serde_json::from_str(raw.get()).map_err(|_| RequestError::Shape {
        param: param.to_owned(),
        message: format!("{param} must be {expected}"),
    })
}

fn is_empty(raw: &RawValue) -> bool {
    serde_json::from_str::<Vec<serde::de::IgnoredAny>>(raw.get()).is_ok_and(|list| list.is_empty())
}

fn wants_json(raw: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    serde_json::from_str::<Format<'_>>(raw.get())
        .is_ok_and(|f| matches!(f.r#type.as_ref(), "json_object" | "json_schema"))
}
