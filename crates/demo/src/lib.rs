//! Simulated backends: three OpenAI-compatible servers on loopback that say they are simulated.
