//! `admit serve`: from a configuration to a running server, and gracefully down again.

pub mod demo;
mod first;
mod listeners;
pub mod ops;
pub mod pages;
mod person;
pub mod restore;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use admit_core::policy::rule::Problem;
use admit_core::secret::{self, Secret};
use admit_core::time::Span;
use admit_store::{Location, News, Options, Store};
use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{self, App, Clock, Parts};
use crate::authn::directory::Directory;
use crate::authn::epoch::Epochs;
use crate::authn::revoked::Revoked;
use crate::config::{Config, Listen, Overrides};
use crate::http::certificate::{self, Pair, Wrong};
use crate::http::limits::Limits;
use crate::http::{Hall, Purpose, listen};
use crate::login::hashing::Hashing;
use crate::login::visit;
use crate::{jobs, manage, master, oauth, pages as views, realm};

pub use first::{Begun, console};
pub use listeners::{Listeners, Places, open_files};

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
    pub listen: Option<Listen>,
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

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        vec![Problem { path: format!("tls.{}", wrong.key), message: wrong.message }].into()
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
    let pair = config.tls.as_ref().map(|tls| Pair::read(tls)?.judge(tls, clock.now())).transpose()?;
    make_folder(&config.data)?;
    // A file is not made for a key that cannot be used. Whether a database has a key already, only it knows.
    let early_ring = match &config.store {
        Location::Sqlite(file) => Some(master::source::load(&config.master_key, !file.exists())?),
        Location::Postgres(_) => None,
    };
    let (epochs, directory) = (Arc::<Epochs>::default(), Arc::<Directory>::default());
    let revoked = Arc::<Revoked>::default();
    let (fed_epochs, fed_directory, fed_revoked) = (epochs.clone(), directory.clone(), revoked.clone());
    let fed_clock = clock.clone();
    let feed = move |news: News<'_>| match news {
        News::Changes(changes) => {
            // First: whoever finds in the epochs that nothing has changed relies on it.
            fed_revoked.learn(changes, fed_clock.now());
            fed_epochs.apply(changes);
            fed_directory.mark(changes);
        }
        News::Reset => {
            fed_revoked.forget();
            fed_epochs.forget();
            fed_directory.forget();
        }
    };
    let store = Store::open(&Options::at(config.store.clone()), feed, clock.now())?;
    first::check_mark(&store, &config, dev)?;
    let ring = match early_ring {
        Some(ring) => ring,
        None => master::source::load(&config.master_key, master::is_unset(&store)?)?,
    };
    let master = master::check(&store, ring.derive(), &config.master_key)?;
    restore::check(&store, &config)?;
    let begun = first::begin(&store, clock.now())?;
    realm::bring_up(&store, begun.operators, clock.now(), &mut app::random)?;
    directory.load(&store)?;
    let hashing = Hashing::start(config.login.hash_threads, config.login.cost)
        .map_err(|error| Failure(format!("cannot start the threads that hash passwords: {error}")))?;
    let operator_key = secret::write("admit_op", &app::random());
    let parts = Parts {
        config,
        store,
        epochs,
        directory,
        revoked,
        master,
        hashing,
        operator_key: operator_key.clone(),
        operators: begun.operators,
        default_realm: begun.default_realm,
        dev,
        clock,
    };
    let app = App::new(parts);
    pair.into_iter().for_each(|pair| certificate::use_pair(&app, pair));
    Ok(Server { app, begun, operator_key })
}

/// A server that accepts connections until it is stopped.
pub struct Running {
    /// Where it listens.
    pub places: Places,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    app: App,
}

/// Begins to accept connections.
pub async fn start(server: &Server, listeners: Listeners, limits: Limits) -> Result<Running, Failure> {
    let app = server.app.clone();
    app.revoked.load(&app.store, app.now()).await?;
    let places = listeners.places()?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = jobs::start(&app, &stopped);
    let acceptor = match app.certificate.get() {
        Some(_) => Some(certificate::acceptor(&app).map_err(|error| Failure(format!("cannot prepare TLS: {error}")))?),
        None => None,
    };
    let Listeners { main, main_has_tls, tls, local, ops } = listeners;
    let hall = Hall::new(app.clone(), router(&app), Purpose::Public, &limits);
    let of_main = acceptor.clone().filter(|_| main_has_tls);
    tasks.spawn(listen::serve(hall.clone(), main, of_main, limits.clone(), stopped.clone()));
    if let Some(listener) = tls {
        tasks.spawn(listen::serve(hall, listener.into(), acceptor, limits.clone(), stopped.clone()));
    }
    // The operator gets through, however full the others are.
    let small = Limits::small();
    if let Some(listener) = local {
        let hall = Hall::new(app.clone(), router(&app), Purpose::Local, &small);
        tasks.spawn(listen::serve(hall, listener.into(), None, small.clone(), stopped.clone()));
    }
    if let Some(listener) = ops {
        let hall = Hall::new(app.clone(), ops::router(&app), Purpose::Ops, &small);
        tasks.spawn(listen::serve(hall, listener.into(), None, small, stopped.clone()));
    }
    tasks.spawn(pages::large_when_they_pay(app.clone(), stopped.clone()));
    tasks.spawn(certificate::watch(app.clone(), limits, stopped));
    Ok(Running { places, stop, tasks, app })
}

/// Everything that is not `/check/*`.
fn router(app: &App) -> Router {
    let router = Router::new().merge(manage::router(app)).merge(ops::health());
    let router = router.merge(views::router(app)).merge(visit::routes()).merge(oauth::router(app));
    let router = if app.dev { router.merge(demo::router()) } else { router };
    router.with_state(app.clone())
}

impl Running {
    /// Lets requests under way finish, writes what they left and closes the store.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        jobs::finish(&self.app).await;
        let store = self.app.store.clone();
        drop(self.app);
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}

/// `admit serve`, until SIGTERM or SIGINT.
pub async fn run(options: ServeOptions) -> Result<(), Failure> {
    let overrides = Overrides { data: options.data.clone(), listen: options.listen.clone(), dev: options.dev };
    let file = Config::file(options.config.as_deref(), Path::new(""));
    let config = Config::load(file.as_deref(), &overrides, std::env::vars())?;
    crate::log::start(config.log);
    if options.dev && !config.listen.tcp().is_some_and(|address| address.ip().is_loopback()) {
        return Err(Failure("--dev listens on loopback only; for anything else: admit serve".to_owned()));
    }
    let listeners = Listeners::bind(&config).await?;
    let mut server = prepare(config, options.dev, Clock::default())?;
    let demo = if options.dev { Some(demo::prepare(&server.app).await?) } else { None };
    let limits = Limits::default().within_open_files(open_files());
    let running = start(&server, listeners, limits).await?;
    let signals = Signals::listen().map_err(|error| Failure(format!("signals cannot be waited for: {error}")))?;
    // Written last: who finds the folder complete finds every listener up, and a stop heard.
    write_access(&server, &running.places)?;
    let console = first::console(&server.app).await?;
    first::say_ready(&server, &running.places, &console, demo.as_ref());
    server.operator_key = Secret::new("");
    signals.wait(&server.app, file.as_deref(), &overrides).await;
    tracing::info!("stopping: requests under way may finish");
    let data = server.app.config.load().data.clone();
    drop(server);
    running.stop().await;
    let _ = std::fs::remove_file(data.join("server.json"));
    let _ = std::fs::remove_file(data.join("operator.key"));
    Ok(())
}

/// The signals that the server listens to from then on; before, each of them ends it.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal to stop; SIGHUP reads the configuration again.
    async fn wait(mut self, app: &App, file: Option<&Path>, overrides: &Overrides) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => reload(app, file, overrides),
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
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
            let reloaded = app.clone();
            tokio::spawn(async move { master::reload(&reloaded).await.map(drop) });
            if let Err(wrong) = certificate::reload(app) {
                tracing::error!(key = format!("tls.{}", wrong.key), "the old certificate stays: {}", wrong.message);
            }
        }
        Err(problems) => {
            for problem in problems {
                tracing::error!(key = problem.path, "the old configuration stays: {}", problem.message);
            }
        }
    }
}

/// `server.json` and `operator.key`, readable by their owner only: where the command line finds server and key.
fn write_access(server: &Server, places: &Places) -> Result<(), Failure> {
    let config = server.app.config.load();
    let url = format!("http://{}", places.local);
    let description = serde_json::json!({ "url": url, "pid": std::process::id(), "started_at": server.app.now() });
    write_private(&config.data.join("operator.key"), &format!("{}\n", server.operator_key.expose()))?;
    write_private(&config.data.join("server.json"), &format!("{description}\n"))
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
