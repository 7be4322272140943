//! What somebody looks for in a list: a part of a name or an address, ASCII case aside.
//!
//! One meaning for what is compared here and for what an engine compares ([`Search::pattern`]). Knows no list.

/// The longest text that is looked for, in bytes.
pub const SEARCH_MAX: usize = 200;

/// A text to be found in others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search(String);

impl Search {
    /// The search for a text; for none where there is nothing in it. What is wrong with it, else.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.len() > SEARCH_MAX || text.contains('\0') {
            return Err(format!("must have at most {SEARCH_MAX} bytes, and no NUL"));
        }
        Ok((!text.is_empty()).then(|| Self(text.to_ascii_lowercase())))
    }

    /// The text in small letters, as far as they are ASCII.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether one of these texts has it.
    pub fn is_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        texts.into_iter().any(|text| text.to_ascii_lowercase().contains(&self.0))
    }

    /// For `LIKE … ESCAPE '!'` over texts in small letters (SQL:2023 §8.5): each letter of the text stands for itself.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.0.len() + 2);
        pattern.push('%');
        for letter in self.0.chars() {
            if matches!(letter, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(text: &str) -> Search {
        Search::parse(text).unwrap().unwrap()
    }

    #[test]
    fn a_part_is_found_case_aside_and_every_letter_is_one() {
        assert!(search(" ORD ").is_in(["x", "my orders"]) && !search("ord").is_in(["or d"]));
        assert!(search("Ä").is_in(["Ärzte"]), "as it is written");
        assert_eq!(search("50%_!a").pattern(), "%50!%!_!!a%");
        assert_eq!(Search::parse("  "), Ok(None));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(Search::parse(&"a".repeat(SEARCH_MAX)).is_ok());
        assert!(Search::parse(&"a".repeat(SEARCH_MAX + 1)).is_err() && Search::parse("a\0").is_err());
    }

    proptest! {
        #[test]
        fn a_text_is_found_in_what_has_it(before in ".{0,9}", text in "\\S.{0,9}", after in ".{0,9}") {
            if let Ok(Some(search)) = Search::parse(&text) {
                let whole = format!("{before}{text}{after}");
                prop_assert!(search.is_in([whole.as_str()]));
            }
        }
    }
}
