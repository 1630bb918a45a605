//! What the router needs to know of the `messages`, gathered in one pass.

use std::{borrow::Cow, fmt};

use pointsman_types::Tokens;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::object::Object;
/// Tokens assumed for an image: a 1024 x 1024 picture costs 765 at OpenAI, up to 1,600 at Anthropic.
pub const IMAGE_TOKENS: u64 = 1000;
/// Tokens that the chat template adds to each message.
const TEMPLATE_TOKENS: u64 = 4;

/// A user turn of so many bytes of JSON or less is passed over by who looks for what a conversation is about.
const SAYS_LITTLE: usize = 24;

/// A digest of the conversation.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// How many messages there are.
    pub turns: usize,
    /// Estimated tokens of all messages.
    pub tokens: Tokens,
    /// An image is among the parts.
    pub has_images: bool,
    /// The last message is the result of a tool: a tool loop is in progress.
    pub in_tool_loop: bool,
    /// The contents of the first message, and of the first with the role `user`, raw.
    head: [Option<&'a RawValue>; 2],
    /// The content of the last message with the role `user`, raw.
    last_user: Option<&'a RawValue>,
    /// That of the one before it which says more than "go on"; else of the one before.
    earlier_user: Option<&'a RawValue>,
}

impl Conversation<'_> {
    /// How it begins: the contents of the first message and of the first user turn, as they stand in the body.
    pub fn head(&self) -> [&str; 2] {
        self.head.map(|content| content.map_or("", RawValue::get))
    }

    /// The text of the last user turn, its parts joined by line breaks; empty where there is none.
    pub fn last_user_text(&self) -> Cow<'_, str> {
        text_of(self.last_user)
    }

    /// The text of the user turn that a short last one follows up on; empty where there is none.
    pub fn earlier_user_text(&self) -> Cow<'_, str> {
        text_of(self.earlier_user)
    }

    fn add<'a>(&mut self, message: &Message<'a>) -> Option<&'a RawValue> {
        self.turns += 1;
        self.in_tool_loop = matches!(message.role.0.as_ref(), "tool" | "function");
        self.tokens = self.tokens + Tokens(TEMPLATE_TOKENS);
        for raw in [message.content, message.tool_calls].into_iter().flatten() {
            if raw.get().starts_with('[') {
                self.add_parts(raw);
            } else {
                self.tokens = self.tokens + Tokens::estimate(raw.get());
            }
        }
        message.content.filter(|_| message.role.0 == "user")
    }

    fn add_parts(&mut self, raw: &RawValue) {
        let parts: Vec<Object<Part>> = serde_json::from_str(raw.get()).unwrap_or_default();
        for Object(part) in parts {
            if part.is_image() {
                self.has_images = true;
                self.tokens = self.tokens + Tokens(IMAGE_TOKENS);
            }
            for text in [part.text.as_ref().map(|t| t.0.as_ref()), part.function.map(RawValue::get)] {
                self.tokens = self.tokens + text.map_or(Tokens(0), Tokens::estimate);
            }
        }
    }
}

fn text_of(content: Option<&RawValue>) -> Cow<'_, str> {
    let Some(raw) = content else { return Cow::Borrowed("") };
    if let Ok(Text(text)) = serde_json::from_str::<Text>(raw.get()) {
        return text;
    }
    let parts: Vec<Object<Part>> = serde_json::from_str(raw.get()).unwrap_or_default();
    let texts: Vec<_> = parts.into_iter().filter_map(|part| part.0.text).collect();
    Cow::Owned(texts.iter().map(|t| t.0.as_ref()).collect::<Vec<_>>().join("\n"))
}

/// Only the fields that are read; any others pass.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Text<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
}

/// One part of a content array, or one tool call.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    function: Option<&'a RawValue>,
    #[serde(default)]
    image_url: Option<IgnoredAny>,
}

impl Part<'_> {
    fn is_image(&self) -> bool {
        let named = self
            .r#type
            .as_ref()
            .is_some_and(|t| matches!(t.0.as_ref(), "image_url" | "input_image" | "image"));
        named || self.image_url.is_some()
    }
}

/// A string that borrows where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Conversation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Messages;
        impl<'de> Visitor<'de> for Messages {
            type Value = Conversation<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Conversation<'de>, A::Error> {
                let mut conversation = Conversation::default();
                while let Some(Object(message)) = seq.next_element::<Object<Message<'de>>>()? {
                    if conversation.turns == 0 {
                        conversation.head[0] = message.content;
                    }
                    if let Some(content) = conversation.add(&message) {
                        conversation.head[1].get_or_insert(content);
                        let before = conversation.last_user.replace(content);
                        let says_more = before.is_some_and(|raw| raw.get().len() > SAYS_LITTLE);
                        if says_more || conversation.earlier_user.is_none() {
                            conversation.earlier_user = before;
                        }
                    }
                }
                Ok(conversation)
            }
        }
        deserializer.deserialize_seq(Messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Conversation<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn takes_the_last_user_turn() {
        let c = read(
            r#"[{"role":"system","content":"s"},{"role":"user","content":"one"},
                {"role":"user","content":"tab\tand \"quotes\""},{"role":"assistant","content":null,"tool_calls":
                [{"id":"1","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"42"}]"#,
        );
        assert_eq!(c.last_user_text(), "tab\tand \"quotes\"");
        assert_eq!((c.turns, c.in_tool_loop, c.has_images), (5, true, false));
    }

    #[test]
    fn takes_the_turn_that_a_follow_up_follows() {
        for (json, earlier) in [
            (r#"[{"role":"user","content":"only one"}]"#, ""),
            (r#"[{"role":"user","content":"hi"},{"role":"user","content":"go on"}]"#, "hi"),
            (
                r#"[{"role":"user","content":"hi"},{"role":"user","content":"write a parser for CSV in Rust"},
                    {"role":"assistant","content":"done"},{"role":"user","content":"go on"},
                    {"role":"assistant","content":"done"},{"role":"user","content":"thanks, more"}]"#,
                "write a parser for CSV in Rust",
            ),
        ] {
            assert_eq!(read(json).earlier_user_text(), earlier);
        }
    }

    #[test]
    fn joins_parts_and_counts_images_not_their_bytes() {
        let image = "A".repeat(400_000);
        let json = format!(
            r#"[{{"role":"user","content":[{{"type":"text","text":"what is"}},
               {{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}},{{"type":"text","text":"this?"}}]}}]"#
        );
        let c = read(&json);
        assert_eq!(c.last_user_text(), "what is\nthis?");
        assert!(c.has_images);
        assert!((1000..1100).contains(&c.tokens.0), "{}", c.tokens);
    }

    #[test]
    fn odd_contents_are_read_as_no_text() {
        for json in [
            r#"[{"role":"user","content":7}]"#,
            r#"[{"role":"user","content":[1,2]}]"#,
            r#"[{"role":"user"}]"#,
            "[]",
        ] {
            assert_eq!(read(json).last_user_text(), "");
        }
    }
}
