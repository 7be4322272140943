//! The parameter `scope` (RFC 6749 §3.3).

use crate::name::ScopeName;
use crate::scope::SCOPES_MAX;

/// Scopes that are for people only: they ask for what says who somebody is, and for acting while he is away.
const OF_PEOPLE: [&str; 2] = ["openid", "offline_access"];

/// Why a text names no scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadScope {
    /// Not names with one space between them.
    Malformed,
    /// More than a token may have.
    TooMany,
}

/// The scopes that a text names, each once, sorted. Letters count, order does not.
pub fn parse(text: &str) -> Result<Vec<ScopeName>, BadScope> {
    let names = text.split(' ').take(SCOPES_MAX + 1).map(ScopeName::parse);
    let mut scopes = names.collect::<Result<Vec<_>, _>>().map_err(|_| BadScope::Malformed)?;
    if scopes.len() > SCOPES_MAX {
        return Err(BadScope::TooMany);
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}

/// The scopes in the one line that answers and tokens have.
pub fn join(scopes: &[ScopeName]) -> String {
    let mut line = String::with_capacity(scopes.iter().map(|scope| scope.as_str().len() + 1).sum());
    for scope in scopes {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(scope.as_str());
    }
    line
}

/// True for what a client cannot have as itself.
pub fn is_of_people(scope: &ScopeName) -> bool {
    OF_PEOPLE.contains(&scope.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tk_05_a_scope_is_names_with_single_spaces() {
        let read = |text: &str| parse(text).map(|scopes| join(&scopes));
        assert_eq!(read("orders:write orders:read orders:write"), Ok("orders:read orders:write".to_owned()));
        for bad in ["", " ", " a", "a ", "a  b", "a\tb", "a\nb", "a\"b", "a\\b", "a,b", "é", "a\u{a0}b", "a\0"] {
            assert_eq!(read(bad), Err(BadScope::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn tk_21_so_many_scopes_and_no_more() {
        let many = |count: usize| parse(&(0..count).map(|number| format!("s{number}")).collect::<Vec<_>>().join(" "));
        assert_eq!(many(SCOPES_MAX).map(|scopes| scopes.len()), Ok(SCOPES_MAX));
        assert_eq!(many(SCOPES_MAX + 1), Err(BadScope::TooMany));
        assert_eq!(many(100_000), Err(BadScope::TooMany));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in prop::collection::btree_set("[a-z:.]{1,9}", 1..9)) {
            let scopes: Vec<_> = names.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
            prop_assert_eq!(parse(&join(&scopes)).unwrap(), scopes);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = parse(&text);
        }
    }
}
