//! How weights are stored: words that say so.

/// Whether a piece of a name says how weights are stored: `q4_k_m`, `awq`, `fp8`, `4bit`.
pub(crate) fn is_quantisation(piece: &str) -> bool {
    const WHOLE: [&str; 27] = [
        "awq", "gptq", "gguf", "exl2", "exl3", "hqq", "bnb", "mlx", "qat", "fp4", "fp8", "fp16", "fp32",
        "bf16", "f16", "f32", "nf4", "nvfp4", "mxfp4", "int2", "int3", "int4", "int8", "w4a16", "w8a8",
        "w8a16", "aqlm",
    ];
    if WHOLE.contains(&piece) {
        return true;
    }
    let bits = piece.strip_suffix("bit").or_else(|| piece.strip_suffix("bits"));
    if bits.is_some_and(|n| !n.is_empty() && n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit())) {
        return true;
    }
    // q4, q4_0, q4_k_m, iq3_xxs, tq1_0
    let Some(rest) = ["iq", "tq", "q"].iter().find_map(|start| piece.strip_prefix(start)) else {
        return false;
    };
    let mut parts = rest.split('_');
    let level = parts.next().is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    level
        && parts.all(|part| {
            matches!(part, "0" | "1" | "k" | "s" | "m" | "l" | "xs" | "xxs" | "xl" | "nl" | "4" | "8")
        })
}

/// Several words as one: a container such as `gguf` only where nothing says more.
pub(crate) fn most_specific(words: &[String]) -> Option<String> {
    let container = |word: &&String| matches!(word.as_str(), "gguf" | "mlx");
    let specific: Vec<&str> = words.iter().filter(|w| !container(w)).map(String::as_str).collect();
    match (specific.is_empty(), words.first()) {
        (true, None) => None,
        (true, Some(word)) => Some(word.clone()),
        (false, _) => Some(specific.join("-")),
    }
}
