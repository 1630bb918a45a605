//! `POST /v1/classify`: what the classifier makes of texts.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::State, response::Response};
use http::HeaderMap;
use pointsman_types::Classification;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, failed, json};
use crate::errors::HttpError;

/// The most texts in one request.
const MAX_INPUTS: usize = 2048;
/// For all of them.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Request {
    input: Input,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
struct Answer {
    object: &'static str,
    data: Vec<Item>,
    embedder: Arc<str>,
    elapsed_us: u64,
}

#[derive(Serialize)]
struct Item {
    index: usize,
    #[serde(flatten)]
    classification: Arc<Classification>,
}

pub(super) async fn classify(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let response = match answer(&app, &headers, body).await {
        Ok(answer) => json(&answer),
        Err(error) => failed(&app.engine().request_id(), error),
    };
    app.engine().metrics().request("classify", response.status().as_u16());
    response
}

async fn answer(app: &App, headers: &HeaderMap, body: Body) -> Result<Answer, HttpError> {
    let started = Instant::now();
    let (body, _room) = app.read(headers, body).await?;
    let request: Request = serde_json::from_slice(&body).map_err(|error| {
        HttpError::bad_request(
            "invalid_input",
            format!("expected {{\"input\": string or [string]}}: {error}"),
        )
    })?;
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        return Err(HttpError::bad_request(
            "invalid_input",
            format!("input must hold 1 to {MAX_INPUTS} texts"),
        ));
    }
    let classified = app.engine().classify(&texts, started + DEADLINE).await?;
    let embedder = classified.first().map_or_else(|| Arc::from(""), |c| Arc::clone(&c.embedder));
    let data = classified.into_iter().enumerate();
    Ok(Answer {
        object: "list",
        data: data.map(|(index, classification)| Item { index, classification }).collect(),
        embedder,
        elapsed_us: started.elapsed().as_micros() as u64,
    })
}
