//! To come.
use crate::check::code::Reason;
/// To come.
pub struct Path<'a>(&'a str);
impl<'a> Path<'a> {
    /// To come.
    pub fn parse(text: &'a str) -> Result<Self, Reason> {
        Ok(Self(text))
    }
    /// To come.
    pub fn as_str(&self) -> &str {
        self.0
    }
}
