//! Cuts Rust source into code, string literals and comments: enough to look for words where they count.
//!
//! No parser: it knows strings, raw strings, character literals and comments, and nothing else of the language.

/// One piece of source, with the line it begins on.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub kind: Kind,
    pub line: usize,
    pub text: &'a str,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Code,
    Literal,
    Comment,
}

/// The pieces of a file in order. Together they are the file.
pub fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut code_from, mut at, mut line) = (0, 0, 1);
    while at < source.len() {
        let Some((kind, length)) = piece_at(source, at) else {
            at += source[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        push(&mut pieces, Kind::Code, &source[code_from..at], &mut line);
        push(&mut pieces, kind, &source[at..at + length], &mut line);
        at += length;
        code_from = at;
    }
    push(&mut pieces, Kind::Code, &source[code_from..], &mut line);
    pieces
}

fn push<'a>(pieces: &mut Vec<Piece<'a>>, kind: Kind, text: &'a str, line: &mut usize) {
    if text.is_empty() {
        return;
    }
    pieces.push(Piece { kind, line: *line, text });
    *line += text.matches('\n').count();
}

/// The literal or comment that begins at `at`, if one does, and its length.
fn piece_at(source: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &source[at..];
    let is_word_before = source[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    if rest.starts_with("//") {
        return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2)));
    }
    if let Some(body) = rest.strip_prefix('"') {
        return Some((Kind::Literal, 1 + string_end(body)));
    }
    if rest.starts_with('\'') {
        return character(rest).map(|length| (Kind::Literal, length));
    }
    if is_word_before {
        return None;
    }
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let marks = raw.bytes().take_while(|byte| *byte == b'#').count();
    let body = raw[marks..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(marks));
    let end = body.find(&close).map_or(body.len(), |end| end + close.len());
    Some((Kind::Literal, rest.len() - body.len() + end))
}

/// How far a string reaches, its closing quote included.
fn string_end(body: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// The length of a character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1);
    let (_, first) = letters.next()?;
    if first == '\\' {
        letters.next()?;
        return rest[3..].find('\'').map(|end| 3 + end + 1);
    }
    let (at, second) = letters.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<(Kind, &str)> {
        pieces(source).into_iter().map(|piece| (piece.kind, piece.text)).collect()
    }

    #[test]
    fn literals_and_comments_are_told_from_code() {
        assert_eq!(
            kinds("let a = \"x\\\"y\"; // \"no\"\nb"),
            [
                (Kind::Code, "let a = "),
                (Kind::Literal, "\"x\\\"y\""),
                (Kind::Code, "; "),
                (Kind::Comment, "// \"no\""),
                (Kind::Code, "\nb"),
            ]
        );
    }

    #[test]
    fn raw_strings_end_at_their_own_marks() {
        assert_eq!(kinds("r#\"a\"b\"# c"), [(Kind::Literal, "r#\"a\"b\"#"), (Kind::Code, " c")]);
        assert_eq!(kinds("for\"x\""), [(Kind::Code, "for"), (Kind::Literal, "\"x\"")]);
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(kinds("&'a str"), [(Kind::Code, "&'a str")]);
        assert_eq!(kinds("'\"' x"), [(Kind::Literal, "'\"'"), (Kind::Code, " x")]);
        assert_eq!(kinds("'\\'' x"), [(Kind::Literal, "'\\''"), (Kind::Code, " x")]);
        assert_eq!(kinds("'…' x"), [(Kind::Literal, "'…'"), (Kind::Code, " x")]);
    }

    #[test]
    fn lines_are_counted_through_every_piece() {
        let lines: Vec<_> = pieces("a\n\"b\nc\"\n// d").iter().map(|piece| piece.line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }

    #[test]
    fn broken_source_ends() {
        for source in ["\"", "r#\"", "/*", "'", "'\\", "r", "'\\'", "\"\\"] {
            assert_eq!(pieces(source).iter().map(|piece| piece.text).collect::<String>(), source);
        }
    }
}
