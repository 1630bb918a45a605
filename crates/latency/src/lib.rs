//! One latency actor per backend: HDR histograms in rotating windows, published as cells.

mod settings;

pub use settings::LatencySettings;
