//! The vocabulary of Pointsman: ids, units, labels, model and request descriptions, decisions, observations.
//!
//! Owns no behaviour beyond parsing and arithmetic on its own values. No I/O, no clock, no async.
//! Every other crate speaks in these words; a concept has exactly one name and it is here.

mod classification;
mod decision;
mod form;
mod ids;
mod labels;
mod latency;
mod model;
mod observation;
mod origin;
mod request;
mod units;

pub use classification::{Classification, Distribution, Tier};
pub use decision::{Decision, NoRoute, Ranked, Removal, Removed, RouteReason, Settled, Terms};
pub use form::{FormError, ModelForm, is_tag};
pub use ids::{BackendId, ModelId, RequestId};
pub use labels::{Capability, Industry, ParseLabelError, Strategy, Task};
pub use latency::LatencyView;
pub use model::{
    BackendKind, BackendState, Capabilities, Endpoint, Health, Load, ModelKind, ModelSpec, Quality,
};
pub use observation::{Observation, Outcome};
pub use origin::{About, Document, Fact, Origin, Origins};
pub use request::{Priority, RequestFeatures, RouteOptions, RouteRequest};
pub use units::{MicroUsd, Price, Score, Tokens};
