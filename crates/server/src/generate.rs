//! Texts that are made from the program itself.

/// The description of the management API (OpenAPI 3.1), as JSON.
pub fn openapi() -> String {
    let description = crate::manage::open_api().into_openapi();
    description.to_pretty_json().unwrap_or_default()
}
