//! The wire: OpenAI shapes read leniently, server-sent events, error bodies, usage.
