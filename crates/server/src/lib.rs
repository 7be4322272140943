//! The server and its command line.

pub mod cli;

// STUBS, dropped at merge.
/// Configuration.
pub mod config {
    use std::net::SocketAddr;
    use std::path::{Path, PathBuf};
    /// Stub.
    pub struct Config;
    /// Stub.
    #[derive(Default)]
    pub struct Overrides {
        /// Stub.
        pub data: Option<PathBuf>,
        /// Stub.
        pub listen: Option<SocketAddr>,
    }
    /// Stub.
    pub struct Problem {
        /// Stub.
        pub path: String,
        /// Stub.
        pub message: String,
    }
    impl Config {
        /// Stub.
        pub fn load(
            _: Option<&Path>,
            _: &Overrides,
            _: impl IntoIterator<Item = (String, String)>,
        ) -> Result<Self, Vec<Problem>> {
            Ok(Self)
        }
    }
}
/// Server.
pub mod serve {
    use std::net::SocketAddr;
    use std::path::PathBuf;
    /// Stub.
    pub struct ServeOptions {
        /// Stub.
        pub dev: bool,
        /// Stub.
        pub config: Option<PathBuf>,
        /// Stub.
        pub data: Option<PathBuf>,
        /// Stub.
        pub listen: Option<SocketAddr>,
    }
    /// Stub.
    pub async fn run(_: ServeOptions) -> Result<(), String> {
        Err("not here yet".to_owned())
    }
}
/// Gateways.
pub mod gateway {
    /// Stub.
    pub struct Gateway(String);
    impl Gateway {
        /// Stub.
        pub fn new(host: &str, upstream: &str, admit: &str, realm: Option<&str>, listen: &str) -> Result<Self, String> {
            Ok(Self(format!("{host} {upstream} {admit} {realm:?} {listen}")))
        }
    }
    /// Stub.
    pub mod nginx {
        /// Stub.
        pub fn config(gateway: &super::Gateway) -> String {
            format!("nginx {}\n", gateway.0)
        }
    }
    /// Stub.
    pub mod caddy {
        /// Stub.
        pub fn config(gateway: &super::Gateway) -> String {
            format!("caddy {}\n", gateway.0)
        }
    }
}
/// Generated texts.
pub mod generate {
    /// Stub.
    pub fn openapi() -> String {
        "{}\n".to_owned()
    }
}
