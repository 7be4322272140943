//! The one SQL text with named parameters, in the numbers of PostgreSQL.

/// A text with `$1 …` in place of names, and the names in the order of their numbers, `$` included. What stands in quotes
/// is left alone.
pub(super) fn number(sql: &'static str) -> (String, Vec<&'static str>) {
    let mut text = String::with_capacity(sql.len());
    let mut names: Vec<&'static str> = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find(['$', '\'']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let length = if from.starts_with('$') { name_length(from) } else { literal_length(from) };
        let (piece, behind) = from.split_at(length);
        if from.starts_with('$') {
            let place = names.iter().position(|name| *name == piece).unwrap_or_else(|| {
                names.push(piece);
                names.len() - 1
            });
            text.push_str(&format!("${}", place + 1));
        } else {
            text.push_str(piece);
        }
        rest = behind;
    }
    text.push_str(rest);
    (text, names)
}

fn name_length(from: &str) -> usize {
    let end = from[1..].find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    end.map_or(from.len(), |end| end + 1)
}

fn literal_length(from: &str) -> usize {
    from[1..].find('\'').map_or(from.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_in_the_order_of_their_first_use() {
        let (text, names) = number("UPDATE a SET b = $now WHERE c = $id AND d < $now_ms AND $now > e AND f = $id");
        assert_eq!(text, "UPDATE a SET b = $1 WHERE c = $2 AND d < $3 AND $1 > e AND f = $2");
        assert_eq!(names, ["$now", "$id", "$now_ms"]);
    }

    #[test]
    fn what_stands_in_quotes_is_no_parameter() {
        let (text, names) = number("SELECT '$a', 'it''s $b', $c FROM d");
        assert_eq!((text.as_str(), names), ("SELECT '$a', 'it''s $b', $1 FROM d", vec!["$c"]));
        assert_eq!(number("COMMIT"), ("COMMIT".to_owned(), vec![]));
    }
}
