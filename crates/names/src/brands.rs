//! The brands of model weights: how each is written, and what kind of house it comes from.

/// How a brand's word and its version are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// `qwen2.5`.
    Close,
    /// `llama-3.1`.
    Apart,
}

/// Where models of a brand can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum House {
    /// Weights are published, in sizes: a name may leave the size open.
    Sizes,
    /// Weights are published, one size a line.
    Single,
    /// Only over an API: words such as `chat` or `reasoning` name a product.
    Hosted,
}

/// One brand.
#[derive(Debug)]
pub(crate) struct Brand {
    /// Its words at the start of a name.
    pub(crate) words: &'static [&'static str],
    /// How the line begins.
    pub(crate) line: &'static str,
    pub(crate) family: &'static str,
    pub(crate) join: Join,
    pub(crate) house: House,
}

macro_rules! brands {
    ($($words:expr => $line:literal, $family:literal, $join:ident, $house:ident;)*) => {
        /// Longer word sequences before their beginnings.
        pub(crate) const BRANDS: &[Brand] = &[
            $(Brand { words: &$words, line: $line, family: $family, join: Join::$join, house: House::$house },)*
        ];
    };
}

brands! {
    ["gpt", "oss"] => "gpt-oss", "gpt-oss", Apart, Sizes;
    ["chatgpt"] => "chatgpt", "gpt", Apart, Hosted;
    ["gpt"] => "gpt", "gpt", Apart, Hosted;
    ["text", "embedding"] => "text-embedding", "openai-embedding", Apart, Hosted;
    ["dall", "e"] => "dall-e", "dall-e", Apart, Hosted;
    ["dalle"] => "dall-e", "dall-e", Apart, Hosted;
    ["whisper"] => "whisper", "whisper", Apart, Single;
    ["o1"] => "o1", "o-series", Apart, Hosted;
    ["o3"] => "o3", "o-series", Apart, Hosted;
    ["o4"] => "o4", "o-series", Apart, Hosted;
    ["o5"] => "o5", "o-series", Apart, Hosted;
    ["claude"] => "claude", "claude", Apart, Hosted;
    ["gemini"] => "gemini", "gemini", Apart, Hosted;
    ["imagen"] => "imagen", "imagen", Apart, Hosted;
    ["veo"] => "veo", "veo", Apart, Hosted;
    ["text", "bison"] => "text-bison", "palm", Apart, Hosted;
    ["chat", "bison"] => "chat-bison", "palm", Apart, Hosted;
    ["text", "unicorn"] => "text-unicorn", "palm", Apart, Hosted;
    ["code", "bison"] => "code-bison", "palm", Apart, Hosted;
    ["codechat", "bison"] => "codechat-bison", "palm", Apart, Hosted;
    ["palm"] => "palm", "palm", Apart, Hosted;
    ["grok"] => "grok", "grok", Apart, Hosted;
    ["nova"] => "nova", "nova", Apart, Hosted;
    ["titan"] => "titan", "titan", Apart, Hosted;
    ["sonar"] => "sonar", "sonar", Apart, Hosted;
    ["command"] => "command", "command", Apart, Hosted;
    ["aya"] => "aya", "aya", Apart, Sizes;
    ["qwq"] => "qwq", "qwen", Apart, Single;
    ["qvq"] => "qvq", "qwen", Apart, Single;
    ["codeqwen"] => "codeqwen", "qwen", Close, Single;
    ["qwen"] => "qwen", "qwen", Close, Sizes;
    ["deepseek"] => "deepseek", "deepseek", Apart, Sizes;
    ["code", "qwen"] => "codeqwen", "qwen", Close, Single;
    ["code", "llama"] => "codellama", "llama", Apart, Sizes;
    ["codellama"] => "codellama", "llama", Apart, Sizes;
    ["llama"] => "llama", "llama", Apart, Sizes;
    ["mixtral"] => "mixtral", "mistral", Apart, Sizes;
    ["codestral"] => "codestral", "mistral", Apart, Single;
    ["ministral"] => "ministral", "mistral", Apart, Sizes;
    ["pixtral"] => "pixtral", "mistral", Apart, Single;
    ["devstral"] => "devstral", "mistral", Apart, Single;
    ["magistral"] => "magistral", "mistral", Apart, Single;
    ["mathstral"] => "mathstral", "mistral", Apart, Single;
    ["voxtral"] => "voxtral", "mistral", Apart, Single;
    ["mistral"] => "mistral", "mistral", Apart, Single;
    ["chatglm"] => "chatglm", "glm", Close, Single;
    ["codegeex"] => "codegeex", "glm", Close, Single;
    ["glm"] => "glm", "glm", Apart, Sizes;
    ["codegemma"] => "codegemma", "gemma", Apart, Sizes;
    ["embeddinggemma"] => "embeddinggemma", "gemma", Apart, Single;
    ["medgemma"] => "medgemma", "gemma", Apart, Sizes;
    ["shieldgemma"] => "shieldgemma", "gemma", Apart, Sizes;
    ["gemma"] => "gemma", "gemma", Apart, Sizes;
    ["phi"] => "phi", "phi", Apart, Sizes;
    ["yi"] => "yi", "yi", Apart, Sizes;
    ["granite"] => "granite", "granite", Apart, Sizes;
    ["moonshot"] => "moonshot", "kimi", Apart, Hosted;
    ["kimi"] => "kimi", "kimi", Apart, Single;
    ["minimax"] => "minimax", "minimax", Apart, Single;
    ["abab"] => "abab", "minimax", Apart, Hosted;
    ["nemotron"] => "nemotron", "nemotron", Apart, Sizes;
    ["jamba"] => "jamba", "jamba", Apart, Single;
    ["j2"] => "j2", "jurassic", Apart, Hosted;
    ["dbrx"] => "dbrx", "dbrx", Apart, Single;
    ["falcon"] => "falcon", "falcon", Close, Sizes;
    ["olmoe"] => "olmoe", "olmo", Apart, Sizes;
    ["olmo"] => "olmo", "olmo", Apart, Sizes;
    ["tulu"] => "tulu", "tulu", Apart, Sizes;
    ["molmo"] => "molmo", "molmo", Apart, Sizes;
    ["smollm"] => "smollm", "smollm", Close, Sizes;
    ["smolvlm"] => "smolvlm", "smollm", Close, Sizes;
    ["starcoder"] => "starcoder", "starcoder", Close, Sizes;
    ["starchat"] => "starchat", "starcoder", Apart, Sizes;
    ["vicuna"] => "vicuna", "vicuna", Apart, Sizes;
    ["wizardlm"] => "wizardlm", "wizardlm", Apart, Sizes;
    ["wizardcoder"] => "wizardcoder", "wizardlm", Apart, Sizes;
    ["wizard", "math"] => "wizard-math", "wizardlm", Apart, Sizes;
    ["solar"] => "solar", "solar", Apart, Single;
    ["openhermes"] => "openhermes", "hermes", Apart, Single;
    ["hermes"] => "hermes", "hermes", Apart, Sizes;
    ["dolphin"] => "dolphin", "dolphin", Apart, Sizes;
    ["zephyr"] => "zephyr", "zephyr", Apart, Sizes;
    ["openchat"] => "openchat", "openchat", Apart, Single;
    ["internlm"] => "internlm", "internlm", Close, Sizes;
    ["internvl"] => "internvl", "internvl", Close, Sizes;
    ["baichuan"] => "baichuan", "baichuan", Close, Sizes;
    ["ernie"] => "ernie", "ernie", Apart, Sizes;
    ["hunyuan"] => "hunyuan", "hunyuan", Apart, Sizes;
    ["hy"] => "hy", "hunyuan", Apart, Sizes;
    ["exaone"] => "exaone", "exaone", Apart, Sizes;
    ["seed"] => "seed", "seed", Apart, Hosted;
    ["doubao"] => "doubao", "seed", Apart, Hosted;
    ["seedream"] => "seedream", "seed", Apart, Hosted;
    ["step"] => "step", "step", Apart, Hosted;
    ["stablelm"] => "stablelm", "stablelm", Apart, Sizes;
    ["stable", "diffusion"] => "stable-diffusion", "stable-diffusion", Apart, Single;
    ["stable", "code"] => "stable-code", "stablelm", Apart, Single;
    ["sd"] => "stable-diffusion", "stable-diffusion", Apart, Single;
    ["sdxl"] => "sdxl", "stable-diffusion", Apart, Single;
    ["flux"] => "flux", "flux", Apart, Single;
    ["bakllava"] => "bakllava", "llava", Apart, Sizes;
    ["llava"] => "llava", "llava", Apart, Sizes;
    ["kokoro"] => "kokoro", "kokoro", Apart, Single;
    ["snowflake", "arctic", "embed"] => "snowflake-arctic-embed", "embed", Apart, Single;
    ["arctic", "embed"] => "snowflake-arctic-embed", "embed", Apart, Single;
    ["snowflake", "arctic"] => "snowflake-arctic", "arctic", Apart, Single;
    ["nomic", "embed"] => "nomic-embed", "embed", Apart, Single;
    ["mxbai", "embed"] => "mxbai-embed", "embed", Apart, Single;
    ["mxbai", "rerank"] => "mxbai-rerank", "embed", Apart, Single;
    ["all", "minilm"] => "all-minilm", "embed", Apart, Single;
    ["all", "mpnet"] => "all-mpnet", "embed", Apart, Single;
    ["paraphrase"] => "paraphrase", "embed", Apart, Single;
    ["multi", "qa"] => "multi-qa", "embed", Apart, Single;
    ["bge"] => "bge", "embed", Apart, Single;
    ["gte"] => "gte", "embed", Apart, Single;
    ["e5"] => "e5", "embed", Apart, Single;
    ["multilingual", "e5"] => "multilingual-e5", "embed", Apart, Single;
    ["jina"] => "jina", "embed", Apart, Single;
    ["voyage"] => "voyage", "embed", Apart, Hosted;
    ["rerank"] => "cohere-rerank", "embed", Apart, Single;
    ["cohere", "rerank"] => "cohere-rerank", "embed", Apart, Single;
    ["cohere", "embed"] => "cohere-embed", "embed", Apart, Single;
    ["embed"] => "cohere-embed", "embed", Apart, Single;
    ["uae"] => "uae", "embed", Apart, Single;
    ["m2", "bert"] => "m2-bert", "embed", Apart, Single;
    ["orca", "mini"] => "orca-mini", "orca-mini", Apart, Sizes;
    ["flan", "t5"] => "flan-t5", "flan-t5", Apart, Sizes;
    ["flan", "ul2"] => "flan-ul2", "flan-t5", Apart, Single;
    ["command", "a"] => "command-a", "command", Apart, Hosted;
}

/// Brands that are one word, written like any other: family and line begin alike.
pub(crate) const PLAIN: &[&str] = &[
    "agnes",
    "airoboros",
    "alia",
    "allam",
    "alpaca",
    "amethyst",
    "apertus",
    "arcee",
    "athene",
    "aurora",
    "beam",
    "bielik",
    "bitnet",
    "bloom",
    "chronos",
    "codegen",
    "cogito",
    "coder",
    "cerebras",
    "deephermes",
    "dolly",
    "euryale",
    "everythinglm",
    "fimbulvetr",
    "firefunction",
    "fuyu",
    "gigachat",
    "goliath",
    "grape",
    "greennode",
    "inflection",
    "inkling",
    "intellect",
    "jais",
    "kat",
    "kling",
    "lfm",
    "ling",
    "longcat",
    "luminous",
    "lyria",
    "lumimaid",
    "magnum",
    "magicoder",
    "marco",
    "meditron",
    "mellum",
    "mercury",
    "mimo",
    "minicpm",
    "mochi",
    "moondream",
    "morph",
    "mpt",
    "muse",
    "mythalion",
    "mythomax",
    "mythomist",
    "neural",
    "neversleep",
    "noromaid",
    "notus",
    "notux",
    "nous",
    "opencoder",
    "openthinker",
    "opt",
    "orca",
    "palmyra",
    "pegasus",
    "persimmon",
    "phind",
    "pixart",
    "playground",
    "pplx",
    "pythia",
    "recraft",
    "redpajama",
    "reflection",
    "reka",
    "remm",
    "ring",
    "rnj",
    "rocinante",
    "rwkv",
    "saiga",
    "salamandra",
    "samantha",
    "sarvam",
    "sealion",
    "sailor",
    "skyfall",
    "snorkel",
    "sorcererlm",
    "sqlcoder",
    "stripedhyena",
    "swallow",
    "swe",
    "tinydolphin",
    "tinyllama",
    "toppy",
    "trinity",
    "tongyi",
    "typhoon",
    "unslopnemo",
    "viking",
    "weaver",
    "xwin",
    "yarn",
    "zamba",
];

/// Publishers whose name stands in front of a brand and says nothing more.
pub(crate) const PUBLISHERS: &[&str] = &[
    "meta",
    "databricks",
    "fw",
    "openai",
    "anthropic",
    "alibaba",
    "zai",
    "ai21",
    "nvidia",
    "c4ai",
    "doubao",
    "nous",
    "google",
    "ibm",
    "microsoft",
    "mistralai",
    "amazon",
    "cohere",
    "baidu",
    "tencent",
    "together",
    "ai",
    "snowflake",
    "bytedance",
    "xai",
    "textgeneration",
    "deepcogito",
];

/// Whether a word is a brand as it stands.
pub(crate) fn is_brand(word: &str) -> bool {
    BRANDS.iter().any(|brand| brand.words == [word])
}

/// The brand that words begin with, how many words it takes, and what is left of the last of them: `qwen2.5` is
/// `qwen` and `2.5`.
pub(crate) fn find(words: &[String]) -> Option<(&'static Brand, usize, &str)> {
    let fits = |brand: &&Brand| {
        let n = brand.words.len();
        let (Some((last, front)), Some(given)) = (brand.words.split_last(), words.get(..n)) else {
            return None;
        };
        let (tail, head) = given.split_last()?;
        if head.iter().zip(front).any(|(a, b)| a != b) {
            return None;
        }
        version_after(tail, last).map(|rest| (n, rest))
    };
    BRANDS
        .iter()
        .filter_map(|brand| fits(&brand).map(|(n, rest)| (brand, n, rest)))
        .max_by_key(|(_, n, _)| *n)
}

/// A word and the version that is written close to it (`guard3`), or a version and the word (`2.5vl`).
pub(crate) fn apart(piece: &str) -> (&str, Option<&str>) {
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit())
    };
    let letters = piece.bytes().take_while(u8::is_ascii_alphabetic).count();
    if let (Some(word), Some(number)) = (piece.get(..letters), piece.get(letters..))
        && letters >= 4
        && is_number(number)
        && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !is_brand(word)
        && !PLAIN.contains(&word)
    {
        return (word, Some(number));
    }
    let digits = piece.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    if let (Some(number), Some(word)) = (piece.get(..digits), piece.get(digits..))
        && is_number(number)
        && number.contains('.')
        && word.len() >= 2
        && word.bytes().all(|b| b.is_ascii_alphabetic())
    {
        return (number, Some(word));
    }
    (piece, None)
}

/// What is written close behind `brand` in `word`: a version, or nothing. `None` where the word is another one.
pub(crate) fn version_after<'a>(word: &'a str, brand: &str) -> Option<&'a str> {
    let rest = word.strip_prefix(brand)?;
    let digits = rest.strip_prefix(['v', '.']).unwrap_or(rest);
    // `e5` and `o3` are whole words: what follows a digit is no version
    let open = !brand.ends_with(|c: char| c.is_ascii_digit());
    let version = open && digits.starts_with(|c: char| c.is_ascii_digit());
    (rest.is_empty() || version).then(|| rest.trim_start_matches('.'))
}
