//! `/check/*` and `/v1/check`.

mod nginx;
pub mod table;
