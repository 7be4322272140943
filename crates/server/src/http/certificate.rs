//! The certificate and its key: read from two files, judged, and replaced while connections come in.
//!
//! A pair that cannot be used never replaces one that can. Who is named by the certificate is not our question: clients
//! judge that. Nothing depends on the name that a client asks for (SNI): there is one certificate.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use admit_core::certificate::Validity;
use admit_core::time::{Span, Time};
use arc_swap::ArcSwapOption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::limits::Limits;
use crate::app::App;
use crate::config::Tls;

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// How soon an end is worth a word. Certificates are renewed 30 days before, by custom.
pub const SOON: Span = Span::days(14);

/// What is wrong with a pair, under the key of the configuration that names the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// `cert_file` or `key_file`.
    pub key: &'static str,
    /// One sentence that names the file.
    pub message: String,
}

/// A certificate with its chain and the key that fits it.
#[derive(Debug)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    validity: Validity,
    /// True where everybody on this machine can read the key.
    pub is_key_open: bool,
}

impl Pair {
    /// Reads both files. Whether the time is right is another question: [`Pair::judge`].
    pub fn read(tls: &Tls) -> Result<Self, Wrong> {
        let (cert, key) = (tls.cert_file.display(), tls.key_file.display());
        let of_cert = |message: String| Wrong { key: "cert_file", message };
        let of_key = |message: String| Wrong { key: "key_file", message };

        let text = read_file(&tls.cert_file).map_err(of_cert)?;
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|error| of_cert(format!("{cert} is no good PEM: {error}")))?;
        let Some(validity) = chain.first().map(|leaf| Validity::of_der(leaf)) else {
            return Err(of_cert(format!("{cert} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")));
        };
        let validity = validity.ok_or_else(|| of_cert(format!("{cert}: the first certificate cannot be read")))?;

        let text = read_file(&tls.key_file).map_err(of_key)?;
        let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| of_key(no_key(&tls.key_file, &error)))?;
        let certified = CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of_key(format!("{key} is not the key of the first certificate in {cert}"))
            }
            rustls::Error::InvalidCertificate(_) => of_cert(format!("{cert}: the first certificate cannot be read")),
            error => of_key(format!("{key} holds a key that cannot be used: {error}")),
        })?;
        let is_key_open = std::fs::metadata(&tls.key_file).is_ok_and(|metadata| metadata.mode() & 0o007 != 0);
        Ok(Self { certified: Arc::new(certified), validity, is_key_open })
    }

    /// The pair, where the moment lies between the certificate's beginning and end.
    pub fn judge(self, tls: &Tls, now: Time) -> Result<Self, Wrong> {
        let (cert, Validity { begins_at, ends_at }) = (tls.cert_file.display(), self.validity);
        let message = if now > ends_at {
            format!("{cert} ended at {ends_at}: renew it")
        } else if now < begins_at {
            format!("{cert} begins at {begins_at} only: is the clock of this machine right?")
        } else {
            return Ok(self);
        };
        Err(Wrong { key: "cert_file", message })
    }

    /// When the certificate ends.
    pub fn ends_at(&self) -> Time {
        self.validity.ends_at
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    match size.and_then(|size| if size > FILE_MAX { Ok(None) } else { std::fs::read(path).map(Some) }) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(format!("{} is longer than {FILE_MAX} bytes", path.display())),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn no_key(path: &Path, error: &PemError) -> String {
    match error {
        PemError::NoItemsFound => format!(
            "{} holds no private key in PEM (-----BEGIN PRIVATE KEY-----); one with a password must be decrypted: \
             openssl pkey -in FILE",
            path.display()
        ),
        // The text of other errors could hold a line of the key.
        _ => format!("{} is no good PEM", path.display()),
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The pair in use; none where nothing speaks TLS.
#[derive(Debug, Default)]
pub struct Live(ArcSwapOption<Pair>);

impl Live {
    /// What is in use.
    pub fn get(&self) -> Option<Arc<Pair>> {
        self.0.load_full()
    }

    /// Uses this one for every handshake from now on.
    pub fn set(&self, pair: Pair) {
        self.0.store(Some(Arc::new(pair)));
    }
}

/// Reads the pair of the configuration and uses it; what is wrong is logged, and the old one stays.
pub fn reload(app: &App) -> Result<(), Wrong> {
    let config = app.config.load();
    let Some(tls) = &config.tls else { return Ok(()) };
    let pair = Pair::read(tls).and_then(|pair| pair.judge(tls, app.now()))?;
    use_pair(app, pair);
    Ok(())
}

/// Uses a pair that was judged.
pub fn use_pair(app: &App, pair: Pair) {
    if let Some(tls) = &app.config.load().tls {
        if pair.is_key_open {
            let file = tls.key_file.display();
            tracing::warn!("everybody on this machine can read {file}. Next: chmod 600 {file}");
        }
        tracing::info!(ends_at = %pair.ends_at(), "the TLS certificate {} is in use", tls.cert_file.display());
    }
    app.certificate.set(pair);
}

/// Uses the files as they change, until `stop` turns true.
pub async fn watch(app: App, limits: Limits, mut stop: watch::Receiver<bool>) {
    let mut seen = stamp(&app).await;
    let mut said = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits.certificate) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let now = stamp(&app).await;
        // A pair that was wrong is tried again: both files may have changed between two looks at the clock.
        if now == seen && said.is_none() {
            continue;
        }
        seen = now;
        let wrong = reload(&app).err();
        if let Some(wrong) = &wrong
            && said.as_ref() != Some(wrong)
        {
            tracing::error!(key = format!("tls.{}", wrong.key), "the old certificate stays: {}", wrong.message);
        }
        said = wrong;
    }
}

type Stamp = Option<[Option<(i64, i64, u64, u64)>; 2]>;

/// What changes when one of the files does. Follows links, as tools that renew certificates move those.
async fn stamp(app: &App) -> Stamp {
    let tls = app.config.load().tls.clone()?;
    let look = move || {
        [&tls.cert_file, &tls.key_file].map(|file| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino()))
        })
    };
    tokio::task::spawn_blocking(look).await.ok()
}

/// Answers handshakes with whatever pair is in use then: TLS 1.2 and 1.3, the library's own choice of suites, HTTP/1.1,
/// sessions resumed by tickets, no early data.
pub fn acceptor(app: &App) -> Result<TlsAcceptor, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(provider())).with_protocol_versions(&[&TLS13, &TLS12])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Current(app.clone())));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Current(App);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the certificate in use")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certificate.get().map(|pair| pair.certified.clone())
    }
}
