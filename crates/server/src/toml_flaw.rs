//! What is wrong with a text that is no TOML, told by its place alone.
//!
//! The parser's own rendering shows the line that it stumbled over. A file that was meant otherwise may hold a secret there.

/// `line 3, column 8: duplicate key`.
pub fn tell(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    // Inside a letter of several bytes no text ends: the letters before it are what is counted.
    let before = String::from_utf8_lossy(text.as_bytes().get(..start).unwrap_or(text.as_bytes()));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> Option<String> {
        text.parse::<toml::Table>().err().map(|error| tell(text, &error))
    }

    #[test]
    fn the_place_is_named_in_letters_and_nothing_of_the_line_is() {
        assert_eq!(told("a = 1\nclé = 2\n"), Some("line 2, column 3: ".to_owned()).map(|at| at + WRONG_KEY));
        let secret = admit_core::secret::write("admit", &[5; 32]);
        let key = told(&format!("{}\n", secret.expose())).unwrap();
        assert!(key.starts_with("line 1, column ") && !key.contains(secret.expose()), "{key}");
    }

    const WRONG_KEY: &str = "invalid unquoted key, expected letters, numbers, `-`, `_`";

    proptest! {
        /// Whatever is read, no word of it comes back.
        #[test]
        fn any_text_is_told_of_by_its_place(before in "[a=\\[\\]\"'\n{} é]{0,12}", after in "[a=\\[\\]\"'\n{} é]{0,12}") {
            if let Some(said) = told(&format!("{before}S3CR3T{after}")) {
                prop_assert!(said.starts_with("line ") && !said.contains("S3CR3T"), "{}", said);
            }
        }
    }
}
