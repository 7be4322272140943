//! What an issuer says of itself, to anybody.

mod jwks;
mod metadata;
mod resource;
