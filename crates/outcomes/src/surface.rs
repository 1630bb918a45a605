//! What is seen of a prompt without understanding it: length, digits, formulas, choices. It tells hard from easy where
//! the embedding tells one topic from another.

/// How many there are.
pub const SURFACE: usize = 18;

/// The features of a prompt, on scales of their own.
pub fn surface(text: &str) -> [f32; SURFACE] {
    let chars = text.chars().count().max(1) as f32;
    let share = |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count() as f32 / chars;
    let has = |mark: &str| f32::from(u8::from(text.contains(mark)));
    let words: Vec<&str> = text.split_whitespace().collect();
    let word_chars: usize = words.iter().map(|word| word.chars().count()).sum();
    let options: Vec<usize> = text.lines().filter_map(option_length).collect();
    let option_mean = options.iter().sum::<usize>() as f32 / options.len().max(1) as f32;
    let question = text.split("\nA").next().unwrap_or(text).chars().count() as f32;
    let digits = share(char::is_numeric);
    [
        chars.ln(),
        (1.0 + words.len() as f32).ln(),
        digits,
        share(char::is_uppercase),
        share(|c| !c.is_alphanumeric() && !c.is_whitespace()),
        (1.0 + text.matches('\n').count() as f32).ln(),
        options.len() as f32,
        has("$"),
        has("\\"),
        has("="),
        (1.0 + digits * chars).ln(),
        word_chars as f32 / words.len().max(1) as f32,
        share(|c| !c.is_ascii()),
        has("?"),
        f32::from(u8::from(words.contains(&"not"))),
        has("_"),
        (1.0 + question).ln(),
        option_mean.sqrt(),
    ]
}

/// Characters of a line such as `B. the second answer`, the letter left out.
fn option_length(line: &str) -> Option<usize> {
    let rest = line.strip_prefix(|c: char| ('A'..='J').contains(&c))?;
    let rest = rest.strip_prefix(['.', ')'])?;
    Some(rest.trim().chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_formulas_and_nothing_at_all() {
        let s = surface("Is $x=2$ not so?\nA. yes\nB. no, never");
        assert_eq!((s[6], s[7], s[9], s[13], s[14]), (2.0, 1.0, 1.0, 1.0, 1.0));
        assert!((s[17] - (6.0_f32).sqrt()).abs() < 1e-6, "3 and 9 characters");
        assert!(surface("").iter().all(|v| v.is_finite()));
    }
}
