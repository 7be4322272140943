//! `admit serve`: from a configuration to a running server, and gracefully down again.

pub mod demo;
mod first;
mod master;
pub mod ops;
pub mod restore;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit_core::policy::rule::Problem;
use admit_core::secret::{self, Secret};
use admit_core::time::Span;
use admit_store::{Location, News, Options, Store};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{self, App, Clock, Parts};
use crate::authn::directory::Directory;
use crate::authn::epoch::Epochs;
use crate::config::{Config, Overrides};
use crate::http::listen;
use crate::{jobs, manage};

pub use first::Begun;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// `--dev`
    pub dev: bool,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
}

/// Why the server does not start, with what to do about it.
#[derive(Debug)]
pub struct Failure(pub String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<admit_store::Error> for Failure {
    fn from(error: admit_store::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        let lines: Vec<_> = problems.iter().map(|problem| format!("  {}: {}", problem.path, problem.message)).collect();
        Self(format!("the configuration cannot be used:\n{}", lines.join("\n")))
    }
}

/// A server that is ready to accept connections.
pub struct Server {
    /// Its state.
    pub app: App,
    /// What it made at its first start, for the messages.
    pub begun: Begun,
    /// The operator key of this start.
    pub operator_key: Secret,
}

/// Opens the store, makes what a first start makes, and draws a new operator key.
pub fn prepare(config: Config, dev: bool, clock: Clock) -> Result<Server, Failure> {
    make_folder(&config.data)?;
    // A file is not made for a key that cannot be used. Whether a database has a key already, only it knows.
    let early_key = match &config.store {
        Location::Sqlite(file) => Some(master::load(&config, !file.exists())?),
        Location::Postgres(_) => None,
    };
    let (epochs, directory) = (Arc::<Epochs>::default(), Arc::<Directory>::default());
    let (fed_epochs, fed_directory) = (epochs.clone(), directory.clone());
    let feed = move |news: News<'_>| match news {
        News::Changes(changes) => {
            fed_epochs.apply(changes);
            fed_directory.mark(changes);
        }
        News::Reset => {
            fed_epochs.forget();
            fed_directory.forget();
        }
    };
    let store = Store::open(&Options::at(config.store.clone()), feed, clock.now())?;
    first::check_mark(&store, &config, dev)?;
    let master_key = match early_key {
        Some(key) => key,
        None => master::load(&config, master::is_unset(&store)?)?,
    };
    master::check(&store, &master_key)?;
    restore::check(&store, &config)?;
    let begun = first::begin(&store, clock.now())?;
    directory.load(&store)?;
    let operator_key = secret::write("admit_op", &app::random());
    let parts = Parts {
        config,
        store,
        epochs,
        directory,
        master_key,
        operator_key: operator_key.clone(),
        operators: begun.operators,
        default_realm: begun.default_realm,
        dev,
        clock,
    };
    Ok(Server { app: App::new(parts), begun, operator_key })
}

/// A server that accepts connections until it is stopped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    app: App,
}

/// Begins to accept connections.
pub async fn start(server: &Server, listener: TcpListener) -> Result<Running, Failure> {
    let app = server.app.clone();
    let address = listener.local_addr().map_err(|error| Failure(format!("the listener has no address: {error}")))?;
    let (stop, stopped) = watch::channel(false);
    let router = router(&app);
    let mut tasks = jobs::start(&app, &stopped);
    if let Some(ops) = app.config.load().ops_listen {
        let listener = bind(ops).await?;
        tasks.spawn(ops::serve(app.clone(), listener, stopped.clone()));
    }
    tasks.spawn(listen::serve(app.clone(), listener, router, stopped));
    Ok(Running { address, stop, tasks, app })
}

/// Everything that is not `/check/*`.
fn router(app: &App) -> Router {
    let router = Router::new().merge(manage::router(app)).merge(ops::health());
    let router = if app.dev { router.merge(demo::router()) } else { router };
    router.with_state(app.clone())
}

impl Running {
    /// Lets requests under way finish, writes the last counters and closes the store.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        let store = self.app.store.clone();
        drop(self.app);
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}

/// `admit serve`, until SIGTERM or SIGINT.
pub async fn run(options: ServeOptions) -> Result<(), Failure> {
    let overrides = Overrides { data: options.data.clone(), listen: options.listen, dev: options.dev };
    let file = options.config.clone().or_else(|| Some(PathBuf::from("admit.toml")).filter(|file| file.exists()));
    let config = Config::load(file.as_deref(), &overrides, std::env::vars())?;
    crate::log::start(config.log);
    if options.dev && !config.listen.ip().is_loopback() {
        return Err(Failure("--dev listens on loopback only; for anything else: admit serve".to_owned()));
    }
    let listener = bind(config.listen).await?;
    let mut server = prepare(config, options.dev, Clock::default())?;
    let demo = if options.dev { Some(demo::prepare(&server.app).await?) } else { None };
    let running = start(&server, listener).await?;
    // Written last: who finds the folder complete finds every listener up.
    write_access(&server, running.address)?;
    first::say_ready(&server, running.address, demo.as_ref());
    server.operator_key = Secret::new("");
    wait(&server.app, file.as_deref(), &overrides).await;
    tracing::info!("stopping: requests under way may finish");
    let data = server.app.config.load().data.clone();
    restore::note(&server.app).await;
    drop(server);
    running.stop().await;
    let _ = std::fs::remove_file(data.join("server.json"));
    let _ = std::fs::remove_file(data.join("operator.key"));
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let next = SocketAddr::new(address.ip(), address.port().saturating_add(1));
        Failure(format!("cannot listen on {address}: {error}. Another address: admit serve --listen {next}"))
    })
}

/// Waits for a signal to stop; SIGHUP reads the configuration again.
async fn wait(app: &App, file: Option<&Path>, overrides: &Overrides) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::hangup()), signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be waited for");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(app, file, overrides),
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
        }
    }
}

fn reload(app: &App, file: Option<&Path>, overrides: &Overrides) {
    match Config::load(file, overrides, std::env::vars()) {
        Ok(config) => {
            for key in app.config.load().needs_restart(&config) {
                tracing::warn!(key, "changed, and needs a restart to take effect");
            }
            app.config.store(Arc::new(config));
            tracing::info!("the configuration was read again");
        }
        Err(problems) => {
            for problem in problems {
                tracing::error!(key = problem.path, "the old configuration stays: {}", problem.message);
            }
        }
    }
}

/// `server.json` and `operator.key`, readable by their owner only: where the command line finds server and key.
fn write_access(server: &Server, address: SocketAddr) -> Result<(), Failure> {
    let config = server.app.config.load();
    let url = format!("http://{}", reachable(address));
    let description = serde_json::json!({ "url": url, "pid": std::process::id(), "started_at": server.app.now() });
    write_private(&config.data.join("operator.key"), &format!("{}\n", server.operator_key.expose()))?;
    write_private(&config.data.join("server.json"), &format!("{description}\n"))
}

/// The address by which this machine reaches the listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// Creates a folder for its owner only.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure(format!("cannot create {}: {error}", folder.display())))
}

/// Writes a file that only its owner may read, all of it or nothing.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("new");
    let write = || {
        let _ = std::fs::remove_file(&draft);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))
}

/// How long a key made at start may be used by the demo.
const DEMO_KEY_LIFE: Span = Span::days(7);
