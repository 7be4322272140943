//! What lists are narrowed by, beside where their page begins.
//!
//! A parameter that a list does not know is refused: whoever sent it would take everything for what he sought.

use admit_core::metadata::MetadataFilter;
use admit_store::Filter;
use axum::extract::{FromRequestParts, Query};
use http::Uri;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::page::{Ignored, Parameters};
use crate::http::problem::Problem;

const PREFIX: &str = "metadata.";

/// Nothing but the page and what is looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// A part of what something is called.
    pub q: Option<String>,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

/// The id of another system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    external_id: Option<String>,
    /// A part of what something is called.
    pub q: Option<String>,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

/// Query parameters among which `metadata.<name>=<value>` may stand, several of which are all demanded.
#[derive(Debug)]
pub struct WithMetadata<T> {
    /// The others.
    pub parameters: T,
    /// Those.
    pub metadata: MetadataFilter,
}

impl From<WithMetadata<Elsewhere>> for Filter {
    fn from(asked: WithMetadata<Elsewhere>) -> Self {
        Self { external_id: asked.parameters.external_id, metadata: asked.metadata, sought: None }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for WithMetadata<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri)
    }
}

fn read<T: DeserializeOwned>(uri: &Uri) -> Result<WithMetadata<T>, Problem> {
    let segments = uri.query().unwrap_or_default().split('&');
    let (metadata, others): (Vec<&str>, Vec<&str>) = segments.partition(|segment| segment.starts_with(PREFIX));
    let pairs: Vec<(String, String)> = parse(&metadata)?;
    let members = pairs.into_iter().map(|(name, value)| (name[PREFIX.len()..].to_owned(), value));
    let metadata = MetadataFilter::parse(members.collect())
        .map_err(|wrong| Problem::new(400, "invalid_request", format!("The query {wrong}.")))?;
    let Parameters(parameters) = Parameters::read(&query(&others)?)
        .map_err(|problem| problem.with_next("metadata.NAME=VALUE narrows by a member of the metadata"))?;
    Ok(WithMetadata { parameters, metadata })
}

fn parse<T: DeserializeOwned>(segments: &[&str]) -> Result<T, Problem> {
    Query::try_from_uri(&query(segments)?).map(|Query(read)| read).map_err(|_| unreadable())
}

fn query(segments: &[&str]) -> Result<Uri, Problem> {
    format!("/?{}", segments.join("&")).parse().map_err(|_| unreadable())
}

fn unreadable() -> Problem {
    Problem::new(400, "invalid_request", "The query cannot be read.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ask(query: &str) -> Result<Filter, Problem> {
        read::<Elsewhere>(&format!("/?{query}").parse().unwrap()).map(Filter::from)
    }

    #[test]
    fn metadata_stands_among_the_other_parameters() {
        let filter = ask("limit=7&metadata.plan=pro%26more&external_id=cus_42&metadata.a%20b=&cursor=x").unwrap();
        assert_eq!(filter.external_id.as_deref(), Some("cus_42"));
        assert!(filter.metadata.is_met_by(&json!({"plan": "pro&more", "a b": ""})));
        assert!(!filter.metadata.is_met_by(&json!({"plan": "pro&more"})));
        assert_eq!(ask("").unwrap(), Filter::default());
    }

    #[test]
    fn what_no_list_knows_is_refused_with_what_it_knows() {
        for (query, parts) in [
            ("externalid=x", ["`externalid`", "`external_id`", "metadata.NAME=VALUE"]),
            ("metadata=x", ["`metadata`", "`limit`", "metadata.NAME=VALUE"]),
            ("metadata.=x", ["metadata.NAME=VALUE", "200 bytes", "query"]),
            ("external_id=x&external_id=y", ["duplicate", "external_id", "query"]),
        ] {
            let problem = ask(query).unwrap_err();
            assert_eq!((problem.status(), problem.code()), (400, "invalid_request"));
            assert!(parts.iter().all(|part| problem.detail().contains(part)), "{query}: {}", problem.detail());
        }
        let whole = Parameters::<Whole>::read(&"/?metadata.a=b".parse().unwrap()).unwrap_err();
        assert!(
            whole.detail().contains("unknown field `metadata.a`, expected one of `q`, `limit`, `cursor`"),
            "{}",
            whole.detail()
        );
    }

    proptest! {
        #[test]
        fn any_query_is_read_or_refused(query in "(metadata\\.)?[ -~&&[^#<> \"`{}|^\\\\]]{0,60}") {
            if let Ok(uri) = format!("/?{query}").parse::<Uri>() {
                let _ = read::<Elsewhere>(&uri);
            }
        }
    }
}
