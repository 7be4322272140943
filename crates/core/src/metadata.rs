//! Metadata of things, and what lists are narrowed by: `plan=pro` is met by `{"plan": "pro"}`.
//!
//! Only members of the outermost object count. A number or a boolean is met by its JSON text, so that `seats=5` finds
//! what one program wrote as `5` and another as `"5"`. Knows nothing of how things are stored.

use serde_json::Value;

/// The most members that one list may be narrowed by.
pub const MEMBERS_MAX: usize = 8;
/// The longest name or value of one, in bytes.
pub const TEXT_MAX: usize = 200;

/// Members that metadata must have, all of them; none are met by everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataFilter(Vec<(String, String)>);

impl MetadataFilter {
    /// The filter of these names and values, or what is wrong with them.
    pub fn parse(members: Vec<(String, String)>) -> Result<Self, String> {
        if members.len() > MEMBERS_MAX {
            return Err(format!("names {} members of metadata: at most {MEMBERS_MAX} are allowed", members.len()));
        }
        let is_well = |(name, value): &(String, String)| {
            (1..=TEXT_MAX).contains(&name.len())
                && value.len() <= TEXT_MAX
                && !name.contains('\0')
                && !value.contains('\0')
        };
        if !members.iter().all(is_well) {
            return Err(format!("must be metadata.NAME=VALUE, each of at most {TEXT_MAX} bytes"));
        }
        Ok(Self(members))
    }

    /// True where the metadata has all of them.
    pub fn is_met_by(&self, metadata: &Value) -> bool {
        self.0.iter().all(|(name, wanted)| metadata.get(name).is_some_and(|value| says(value, wanted)))
    }

    /// One of them, for an engine that looks through texts before anything is read.
    pub fn first(&self) -> Option<(&str, &str)> {
        self.0.first().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Metadata in canonical form: an empty object is nothing.
pub fn canonical(metadata: Value) -> Value {
    if metadata.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { metadata }
}

fn says(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Number(_) | Value::Bool(_) => {
            let text = value.to_string();
            text == wanted
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn filter(members: &[(&str, &str)]) -> MetadataFilter {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        MetadataFilter::parse(members.collect()).unwrap()
    }

    #[test]
    fn all_members_must_be_there_and_only_outermost_ones_count() {
        let metadata =
            json!({"plan": "pro", "seats": 5, "beta": true, "old": null, "deep": {"tier": "x"}, "": "nameless"});
        for met in [vec![], vec![("plan", "pro")], vec![("plan", "pro"), ("seats", "5"), ("beta", "true")]] {
            assert!(filter(&met).is_met_by(&metadata), "{met:?}");
        }
        for unmet in [("plan", "Pro"), ("plan", ""), ("seats", "05"), ("old", "null"), ("tier", "x"), ("deep", "x")] {
            assert!(!filter(&[unmet]).is_met_by(&metadata), "{unmet:?}");
            assert!(!filter(&[("plan", "pro"), unmet]).is_met_by(&metadata), "{unmet:?}");
        }
        assert!(filter(&[]).is_met_by(&Value::Null) && !filter(&[("a", "b")]).is_met_by(&Value::Null));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let many = |count: usize| MetadataFilter::parse(vec![("a".to_owned(), "b".to_owned()); count]);
        assert!(many(MEMBERS_MAX).is_ok());
        assert!(many(MEMBERS_MAX + 1).unwrap_err().contains("at most 8"));
        let one = |name: usize, value: usize| MetadataFilter::parse(vec![("a".repeat(name), "b".repeat(value))]);
        assert!(one(TEXT_MAX, TEXT_MAX).is_ok() && one(1, 0).is_ok());
        for (name, value) in [(0, 1), (TEXT_MAX + 1, 1), (1, TEXT_MAX + 1)] {
            assert!(one(name, value).unwrap_err().contains("metadata.NAME=VALUE"));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_as_text_is_found(name in ".{1,20}", value in ".{0,20}") {
            if let Ok(filter) = MetadataFilter::parse(vec![(name.clone(), value.clone())]) {
                let written = json!({ name: value });
                prop_assert!(filter.is_met_by(&written));
            }
        }
    }
}
