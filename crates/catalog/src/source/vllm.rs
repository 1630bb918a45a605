//! vLLM: its OpenAI list, and how busy it is from its metrics.

use pointsman_types::Load;

use super::{ListError, Listing, http::Asker, openai};

pub(super) async fn list(asker: &Asker<'_>) -> Result<Listing, ListError> {
    let mut listing = openai::list(asker).await?;
    for model in &mut listing.models {
        // guided decoding makes any of its models write JSON
        model.capabilities.json = Some(true);
    }
    // the list is what counts: metrics may be behind another port, or off
    if let Ok(text) = asker.bytes(&asker.beside("/metrics")).await {
        listing.load = load(&String::from_utf8_lossy(&text));
    }
    Ok(listing)
}

/// Sums over the engines and models of the process; the cache of the fullest.
fn load(text: &str) -> Option<Load> {
    let values = |names: &[&str]| {
        let of = |line: &str| {
            let name = line.split(['{', ' ']).next()?;
            let value = line.rsplit(' ').next()?.parse::<f64>().ok()?;
            (names.contains(&name) && value.is_finite() && value >= 0.0).then_some(value)
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(of).collect::<Vec<_>>()
    };
    let running = values(&["vllm:num_requests_running"]);
    let waiting = values(&["vllm:num_requests_waiting"]);
    let cache = values(&["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"]);
    (!running.is_empty()).then(|| Load {
        running: running.iter().sum(),
        waiting: waiting.iter().sum(),
        cache: cache.into_iter().reduce(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_summed() {
        let text = "# HELP vllm:num_requests_running x\nvllm:num_requests_running{engine=\"0\"} 8.0\n\
                    vllm:num_requests_running{engine=\"1\"} 1\nvllm:num_requests_waiting{engine=\"0\"} 2.0\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.4\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.6\nx 1";
        assert_eq!(load(text), Some(Load { running: 9.0, waiting: 2.0, cache: Some(0.6) }));
        assert_eq!(load("<html>"), None);
        assert_eq!(load("vllm:num_requests_running NaN"), None);
    }
}
