//! Names that nobody has labelled: of the future, of nobody, of noise.

use pointsman_names::{Identity, Variant, identify};
use proptest::prelude::*;

#[test]
fn names_of_tomorrow_are_read_by_the_same_rules() {
    for (name, canonical, family) in [
        ("qwen4-coder:9b", "qwen4-coder-9b", "qwen"),
        ("Qwen/Qwen4.5-VL-14B-Instruct-FP8", "qwen4.5-vl-14b-instruct", "qwen"),
        ("openai/gpt-6-mini-2027-01-15", "gpt-6-mini", "gpt"),
        ("claude-opus-6-1-20270301", "claude-opus-6.1", "claude"),
        ("us.anthropic.claude-haiku-5-20270101-v1:0", "claude-haiku-5", "claude"),
        ("llama5.2", "llama-5.2", "llama"),
        ("meta-llama/Llama-5.2-90B-Vision-Instruct", "llama-5.2-90b-vision", "llama"),
        ("gemini/gemini-4.5-flash-lite-preview-03-25", "gemini-4.5-flash-lite-preview", "gemini"),
        ("deepseek-ai/DeepSeek-V5.1", "deepseek-v5.1", "deepseek"),
        ("mistral-medium-2703", "mistral-medium", "mistral"),
        ("google/gemma-5-12b-it:free", "gemma-5-12b-instruct", "gemma"),
        ("o5-mini", "o5-mini", "o-series"),
        ("gpt-oss-2:80b", "gpt-oss-2-80b", "gpt-oss"),
        ("moonshotai/kimi-k4-thinking", "kimi-k4-thinking", "kimi"),
        ("zai-org/GLM-6-Air-FP8", "glm-6-air", "glm"),
        ("phi-6-mini-instruct-Q5_K_M.gguf", "phi-6-mini-instruct", "phi"),
        ("grok-5-fast", "grok-5-fast", "grok"),
        ("ibm-granite/granite-5.0-8b-instruct", "granite-5.0-8b-instruct", "granite"),
        ("MiniMaxAI/MiniMax-M4", "minimax-m4", "minimax"),
        ("nvidia/Llama-5.1-Nemotron-Super-60B-v2", "llama-5.1-nemotron-super-v2-60b", "nemotron"),
    ] {
        let identity = identify(name);
        assert_eq!(
            (identity.canonical.as_str(), identity.family.as_deref()),
            (canonical, Some(family)),
            "{name}"
        );
    }
}

#[test]
fn every_part_of_a_name_is_kept() {
    let Identity { line, size, variant, quantisation, organisation, ambiguous, .. } =
        identify("hf.co/bartowski/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M");
    assert_eq!(
        (line.as_str(), size.as_deref(), variant),
        ("qwen2.5-coder", Some("7b"), Some(Variant::Instruct))
    );
    assert_eq!((quantisation.as_deref(), organisation.as_deref()), (Some("q4_k_m"), Some("bartowski")));
    assert!(!ambiguous);
    assert!(identify("llama3.1").ambiguous && !identify("gpt-4o").ambiguous);
    let open = identify("llama3.1:latest").with_size("8.0B");
    assert_eq!((open.canonical.as_str(), open.ambiguous), ("llama-3.1-8.0b", false));
    assert_eq!(identify("llama3.1:8b").key(), identify("meta-llama/Llama-3.1-8B-Instruct").key());
    let tuned = identify("ft:gpt-4o-mini-2024-07-18:acme::abc");
    assert!(tuned.fine_tuned && tuned.snapshot.as_deref() == Some("2024-07-18"));
    for (name, billions) in
        [("mixtral:8x7b", 56.0), ("qwen3:0.6b", 0.6), ("x-270m", 0.27), ("gemma3n:e4b", 4.0)]
    {
        assert_eq!(identify(name).billions(), Some(billions), "{name}");
    }
    let unknown = identify("my-finetune-v3");
    assert_eq!((unknown.family, unknown.canonical.as_str()), (None, "my-finetune-v3"));
}

proptest! {
    #[test]
    fn any_text_has_an_identity(text in ".{0,80}") {
        let _ = identify(&text);
    }

    #[test]
    fn texts_like_names_have_one_too(text in "[a-z0-9.:/@_ -]{0,60}") {
        let identity = identify(&text);
        prop_assert!(identity.canonical.starts_with(&identity.line));
        prop_assert!(identity.canonical.len() <= text.len() + 16, "{}", identity.canonical);
    }
}

#[test]
fn a_canonical_id_is_its_own() {
    for list in [include_str!("names.tsv"), include_str!("names_more.tsv")] {
        for row in list.lines().skip(1) {
            let canonical = row.split('\t').nth(2).unwrap_or_default();
            let again = identify(canonical).canonical;
            // where the rules do not know the brand, a word such as `chat` is part of its name
            assert_eq!(again, canonical, "{row}");
        }
    }
}

#[test]
fn a_megabyte_is_read_in_no_time() {
    let text = "qwen-2.5_".repeat(120_000);
    assert!(identify(&text).canonical.len() < 2000);
}
