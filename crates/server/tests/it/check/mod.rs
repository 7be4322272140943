//! `/check/*` and `/v1/check`.

mod nginx;
