//! Short turns that go on with what was asked before: "yes", "go on", "shorter please".

use pointsman_types::{Classification, Task, Tokens};

/// A turn of so many tokens or fewer may be all follow-up, one of `LONG` or more is none.
const SHORT: f32 = 5.0;
const LONG: f32 = 20.0;

/// Whether a turn of this length may be a follow-up: then it is worth to classify the turn before as well.
pub fn may_follow_up(length: Tokens) -> bool {
    (length.0 as f32) < LONG
}

/// The share that the turn before has in the class of a turn of this length, 0..1: the more the shorter it is,
/// and the less it names a task of its own. "yes" is small talk by itself and nearly all follow-up;
/// "translate that to French" is as short and none.
pub fn follow_up_share(length: Tokens, own: &Classification) -> f32 {
    let brevity = ((LONG - length.0 as f32) / (LONG - SHORT)).clamp(0.0, 1.0);
    let (task, confidence) = own.top_task();
    let names_none = if task == Task::Chat { confidence } else { 1.0 - confidence };
    brevity * names_none
}
