//! The admin routes: closed where no admin key is set.

use std::{path::PathBuf, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use pointsman_engine::ArtifactSource;
use pointsman_protocol::{ErrorBody, ErrorType};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::oneshot, time::Instant};

use super::{App, json, named};
use crate::errors::HttpError;

/// How long a sync on demand may take: longer than any single list.
const SYNC: Duration = Duration::from_mins(1);

/// Whether the request carries the admin key, as `Authorization: Bearer`.
fn allowed(app: &App, headers: &HeaderMap) -> Result<(), HttpError> {
    let refuse = |status, code, message: &str| {
        Err(HttpError::new(status, &ErrorBody::new(ErrorType::AuthenticationError, code, message)))
    };
    let Some(key) = &app.admin_key else {
        let why = "the admin routes are closed: POINTSMAN_ADMIN_KEY is not set";
        return refuse(StatusCode::FORBIDDEN, "admin_closed", why);
    };
    if key.opens(headers) {
        return Ok(());
    }
    refuse(StatusCode::UNAUTHORIZED, "bad_admin_key", "no admin key, or not the right one")
}

/// `GET /admin/v1/embedder`.
pub(super) async fn embedders(State(app): State<App>, headers: HeaderMap) -> Response {
    match allowed(&app, &headers) {
        Ok(()) => json(&json!({ "object": "list", "data": app.engine().embedders() })),
        Err(error) => error.into_response(),
    }
}

/// `POST /admin/v1/catalog/sync`: asks all backends now, and answers with what they are when the last has.
pub(super) async fn sync(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(error) = allowed(&app, &headers) {
        return error.into_response();
    }
    if let Err(error) = app.engine().sync_catalog(Instant::now() + SYNC).await {
        return HttpError::from(error).into_response();
    }
    let catalog = app.engine().catalog();
    json(&json!({ "models": catalog.models().len(), "backends": catalog.backends() }))
}

/// `GET /admin/v1/actors`: every actor and its mailbox.
pub(super) async fn actors(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(error) = allowed(&app, &headers) {
        return error.into_response();
    }
    let actors: Vec<_> = app.engine().queues().iter().map(|queue| json!({
        "name": &*queue.name, "depth": queue.depth, "capacity": queue.capacity, "handled": queue.handled,
        "rejected": queue.rejected, "restarts": queue.restarts,
    })).collect();
    json(&json!({ "object": "list", "data": actors }))
}

/// `POST /admin/v1/actors/{name}/restart`: kills an actor that is stuck; its supervisor brings it back.
pub(super) async fn restart_actor(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let name = match allowed(&app, &headers).and_then(|()| named(path)) {
        Ok(name) => name,
        Err(error) => return error.into_response(),
    };
    if app.engine().restart_actor(&name).await {
        json(&json!({ "restarted": name }))
    } else {
        HttpError::not_found(format!("there is no actor `{name}`; GET /admin/v1/actors lists them"))
            .into_response()
    }
}

/// `POST /admin/v1/reload`: the configuration is read again; the old one stays where the new one is bad.
pub(super) async fn reload(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(error) = allowed(&app, &headers) {
        return error.into_response();
    }
    let (answer, answered) = oneshot::channel();
    let asked = match &app.reload {
        Some(reload) => reload.send(answer).await.is_ok(),
        None => false,
    };
    match answered.await {
        Ok(Ok(())) if asked => json(&json!({ "reloaded": true })),
        Ok(Err(why)) => HttpError::bad_request("bad_configuration", why).into_response(),
        _ => HttpError::not_found("this server reads no configuration").into_response(),
    }
}

/// What `PUT /admin/v1/embedder` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Swap {
    /// A folder on the server, `default` or `default-deep`.
    artifact: String,
}

/// `PUT /admin/v1/embedder`.
pub(super) async fn swap(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let swapped = async {
        allowed(&app, &headers)?;
        let (body, _room) = app.read(&headers, body).await?;
        let Swap { artifact } = serde_json::from_slice(&body).map_err(|e| {
            HttpError::bad_request("invalid_body", format!("expected {{\"artifact\": ..}}: {e}"))
        })?;
        let source = match artifact.as_str() {
            "default" => ArtifactSource::BuiltIn,
            "default-deep" => ArtifactSource::BuiltInDeep,
            folder => ArtifactSource::Folder(PathBuf::from(folder)),
        };
        app.engine()
            .swap_embedder(source)
            .await
            .map_err(|e| HttpError::bad_request("bad_embedder", e.to_string()))
    };
    match swapped.await {
        Ok(info) => json(&json!({ "embedder": info })),
        Err(error) => error.into_response(),
    }
}
