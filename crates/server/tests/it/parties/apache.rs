//! A wiki that mod_auth_openidc of a real Apache protects, and a person in front of a real browser: in, out from there, and
//! out from here, of which Apache is told.
//!
//! Nothing is set but where the issuer is, what the client is there, and PKCE, which the module leaves out of its own accord.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use admit::jobs::logout;
use admit::outbound::StandIn;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::TestApp;
use crate::browser::Tab;
use crate::program::{Program, free_address, tool};
use crate::tls::authority::{Made, make_named};

const HOST: &str = "wiki.test";
/// Where Debian keeps what Apache loads.
const MODULES: &str = "/usr/lib/apache2/modules";
const SITE: [(&str, &str); 3] = [
    ("pages/index.html", include_str!("apache/page.html")),
    ("pages/mallory.html", include_str!("apache/page.html")),
    ("bye.html", include_str!("apache/bye.html")),
];

/// A running Apache.
struct Wiki {
    address: SocketAddr,
    made: Made,
    _program: Program,
    folder: TempDir,
}

impl Wiki {
    async fn start(app: &TestApp) -> Self {
        tool("ADMIT_TEST_MOD_AUTH_OPENIDC", &format!("{MODULES}/mod_auth_openidc.so"));
        let (address, made, folder) = (free_address(), make_named(HOST), tempfile::tempdir().unwrap());
        let site = format!("{HOST}:{}", address.port());
        let at = |path: &str| format!("https://{site}{path}");
        let client = json!({"name": "Wiki", "type": "web", "redirect_uris": [at("/pages/redirect_uri")],
            "post_logout_redirect_uris": [at("/bye.html")],
            "backchannel_logout_uri": at("/pages/redirect_uri?logout=backchannel")});
        let client = app.manage("POST", "/v1/realms/default/clients", client).await.expect(201);
        lay_out(&folder, &made);
        let mut command = Command::new(tool("ADMIT_TEST_APACHE", "/usr/sbin/apache2"));
        command.arg("-f").arg(folder.path().join("httpd.conf")).arg("-DFOREGROUND");
        command.env("FOLDER", folder.path()).env("MODULES", MODULES);
        command.env("ADDRESS", address.to_string()).env("SITE", site).env("ISSUER", &app.url);
        command.env("CLIENT_ID", client["id"].as_str().unwrap());
        command.env("CLIENT_SECRET", client["secret"].as_str().unwrap());
        command.env("PASSPHRASE", "eleven lamps along the quay");
        let mut program = Program::start(&mut command, &folder.path().join("log"));
        program.wait_until_listening(address);
        Self { address, made, _program: program, folder }
    }

    fn at(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    /// Lets a server find it, and connect to it though it is on this machine.
    fn introduce(&self, app: &TestApp) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.made.der.clone())).unwrap();
        let resolve = Box::new(|_: &str| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        app.app.outbound.stand_in(StandIn { resolve, open: [self.address].into(), roots });
    }

    /// What Apache complained of.
    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

/// Everything that Apache reads; its workers run as another user where the test runs as root.
fn lay_out(folder: &TempDir, made: &Made) {
    let path = folder.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    made.write(path);
    fs::write(path.join("httpd.conf"), include_str!("apache/httpd.conf")).unwrap();
    fs::create_dir_all(path.join("site/pages")).unwrap();
    for (name, text) in SITE {
        fs::write(path.join("site").join(name), text).unwrap();
    }
}

/// Somebody in front of a browser that knows the wiki's certificate.
async fn open() -> Tab {
    let mut tab = Tab::open().await;
    tab.trust_every_certificate().await;
    tab
}

async fn sign_in(tab: &mut Tab, password: &str) {
    tab.fill("#identifier", "alice").await;
    tab.fill("#password", password).await;
    tab.click("#login").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_lets_in_whom_admit_names_and_is_told_when_he_has_left() {
    let (app, password) = TestApp::demo().await;
    let wiki = Wiki::start(&app).await;
    wiki.introduce(&app);
    let (page, login) = (wiki.at("/pages/index.html"), format!("{}/login", app.url));
    let alice = app.manage("GET", "/v1/realms/default/users/alice", Value::Null).await.expect(200);
    let mut tab = open().await;

    tab.go(&page).await;
    assert!(tab.url().await.starts_with(&login), "{}\n{}", tab.url().await, wiki.said());
    sign_in(&mut tab, &password).await;
    assert!(tab.text("h1").await.contains("Wiki"), "{}", tab.text("main").await);
    tab.click("#consent-allow").await;
    assert_eq!(tab.url().await, page, "{}", wiki.said());
    let shown = ["#user", "#sub", "#name", "#email", "#amr"];
    let mut told = Vec::new();
    for name in shown {
        told.push(tab.text(name).await);
    }
    let id = alice["id"].as_str().unwrap();
    assert_eq!(told, [&format!("{id}@{}", app.url), id, "alice", "alice@example.com", "pwd"]);
    let mallory = wiki.at("/pages/mallory.html");
    tab.go_expecting(&mallory, 401).await;

    // Out at the issuer: Apache hears of it.
    tab.go(&format!("{}/logout", app.url)).await;
    tab.click("#logout-confirm").await;
    until_told(&app, 1).await;
    tab.go(&page).await;
    assert!(tab.url().await.starts_with(&login), "the wiki's session is over: {}", tab.text("body").await);

    // In again, which takes no second yes, and out from the wiki.
    sign_in(&mut tab, &password).await;
    assert_eq!(tab.url().await, page, "{}", wiki.said());
    tab.click("#sign-out").await;
    assert_eq!(tab.url().await, wiki.at("/bye.html"), "{}", wiki.said());
    tab.go(&format!("{}/account", app.url)).await;
    assert!(tab.url().await.starts_with(&login), "the issuer's session is over: {}", tab.url().await);
    tab.go(&page).await;
    assert!(tab.url().await.starts_with(&login), "and the wiki's: {}", tab.url().await);
}

/// Waits until so many applications were told of a sign-out, and took it.
async fn until_told(app: &TestApp, count: u64) {
    for _ in 0..500 {
        if app.app.metrics.logout.told.get() == count {
            return;
        }
        logout::run(&app.app).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} were told, {} will be again", app.app.metrics.logout.told.get(), app.app.metrics.logout.retried.get());
}
