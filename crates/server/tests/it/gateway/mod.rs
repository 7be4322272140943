//! The real gateways, with exactly the configurations that `admit gateway-config` prints, in front of a real server or of
//! an impostor, and an application behind them that tells what reached it.

mod away;
mod caddy;
mod echo;
mod fake;
mod nginx;
mod pass;
mod raw;
mod refuse;
mod sign_in;
mod spoof;
mod table;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use admit::gateway;
use tempfile::TempDir;

use crate::app::TestApp;
use crate::program::{Program, free_address};
pub use echo::Echo;
pub use raw::{Answer, Ask};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
}

/// A running gateway for `shop.test`; gone when dropped.
pub struct Gateway {
    pub kind: Kind,
    pub address: SocketAddr,
    program: Program,
    _folder: TempDir,
}

impl Gateway {
    /// With the configuration that we ship.
    pub fn start(kind: Kind, upstream: SocketAddr, admit: SocketAddr) -> Self {
        let address = free_address();
        let (upstream, admit) = (format!("http://{upstream}"), format!("http://{admit}"));
        let shop = gateway::Gateway::new("shop.test", &upstream, &admit, None, &address.to_string()).unwrap();
        let config = match kind {
            Kind::Nginx => gateway::nginx::config(&shop),
            Kind::Caddy => gateway::caddy::config(&shop),
        };
        Self::with(kind, &config, address)
    }

    /// With a configuration that listens at the address.
    pub fn with(kind: Kind, config: &str, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Workers run as another user where the test runs as root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("configuration");
        fs::write(&file, config).unwrap();
        let mut command = match kind {
            Kind::Nginx => nginx::command(folder.path(), &file),
            Kind::Caddy => caddy::command(folder.path(), &file),
        };
        let mut program = Program::start(&mut command, &folder.path().join("log"));
        program.wait_until_listening(address);
        Self { kind, address, program, _folder: folder }
    }

    /// Both kinds.
    pub fn both(upstream: SocketAddr, admit: SocketAddr) -> [Self; 2] {
        [Kind::Nginx, Kind::Caddy].map(|kind| Self::start(kind, upstream, admit))
    }

    /// Sends a request over a connection of its own.
    pub async fn ask(&self, ask: &Ask) -> Answer {
        raw::ask(self.address, ask).await
    }

    /// What the gateway printed, for the messages of failed tests.
    pub fn printed(&self) -> String {
        self.program.printed()
    }
}

/// A server with an API on `shop.test`, both gateways, and the application.
pub struct Shop {
    pub app: TestApp,
    pub echo: Echo,
    pub gateways: [Gateway; 2],
    /// A key that may read orders.
    pub reader: String,
}

impl Shop {
    pub async fn open() -> Self {
        let (app, echo) = (TestApp::new().await, Echo::new().await);
        app.shop().await;
        let reader = app.shop_key("reader", &["orders:read"]).await;
        let gateways = Gateway::both(echo.address, app.address);
        Self { app, echo, gateways, reader }
    }
}

/// Whether `spoof` stands anywhere in what the application tells.
fn is_spoofed(answer: &Answer) -> bool {
    raw::find(&answer.body.to_ascii_lowercase(), b"spoof").is_some()
}

#[tokio::test]
async fn the_examples_run_as_they_are() {
    let shop = Shop::open().await;
    let examples = [
        (Kind::Nginx, include_str!("../../../../../examples/nginx.conf")),
        (Kind::Caddy, include_str!("../../../../../examples/Caddyfile")),
    ];
    for (kind, example) in examples {
        let address = free_address();
        let ports = [("9000", shop.echo.address), ("8420", shop.app.address), ("8080", address)];
        let config = ports.iter().fold(example.to_owned(), |text, (written, free)| {
            assert!(text.contains(written), "{kind:?} without {written}");
            text.replace(written, &free.port().to_string())
        });
        let gateway = Gateway::with(kind, &config, address);
        let seen = shop.echo.seen();
        let admitted = gateway.ask(&Ask::new("GET /orders/42").key(&shop.reader).with("Admit-Subject", "spoof")).await;
        assert_eq!(admitted.status, 200, "{kind:?}\n{}", gateway.printed());
        assert_eq!(admitted.json()["headers"]["admit-name"], serde_json::json!(["reader"]), "{kind:?}");
        assert!(!is_spoofed(&admitted), "{kind:?}");
        let nobody = gateway.ask(&Ask::new("GET /orders/42").with("Admit-Subject", "spoof")).await;
        assert_eq!((nobody.status, nobody.code().as_str()), (401, "missing_credential"), "{kind:?}");
        assert_eq!(shop.echo.seen(), seen + 1, "{kind:?}");
    }
}
