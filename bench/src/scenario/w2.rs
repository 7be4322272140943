//! W2: `/check` with the cookie of a session, beside a server that decides nothing and one that looks a session up.
//!
//! The cookie is that of a protected host, as a gateway passes it on. Ends slide: a use that is worth a write is written, and
//! whether any was is looked up in the store afterwards.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admit_core::login::cookie::Cookie;
use admit_core::name::RealmName;
use admit_core::secret;
use admit_core::time::Time;

use super::w1::random;
use crate::admit::{API, Admit, LIMITED};
use crate::contender::{Contender, compete, table};
use crate::load::Course;
use crate::population::Population;
use crate::question::Question;
use crate::report::{Goal, show};
use crate::server::{Server, status};
use crate::{Plan, Result, better_auth, machine, sessions};

/// Whose copies the people are.
const PATTERN: &str = "pattern";
const HOST: &str = "shop.test";
/// How old a store may be that was kept: sessions end when nobody uses them for a week.
const KEPT_FOR: Duration = Duration::from_secs(5 * 86_400);

/// A million sessions of people with names and addresses take more room than a cache has that nobody spoke about.
const CACHE: [(&str, &str); 1] = [("ADMIT__CACHE__MAX_BYTES", "1GiB")];

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let population = Arc::new(Population::sessions(plan.many));
    let admit = stocked(plan, &population)?;
    let (latest, _) = sessions::last_uses(&admit.data(), Time::default())?;
    let mut contenders = vec![hello(&population)?, known(&admit, &population)?];
    let (server, theirs) = better_auth::serve(plan, better_auth::What::Sessions)?;
    let question = Question::get_session(better_auth::COOKIE, theirs.key_len());
    contenders.push(Contender::new("better-auth", vec![server], question, random(theirs)));
    compete(plan, &mut contenders)?;
    let (shown, mut figures) = table(&contenders);
    let goals = match contenders.as_slice() {
        [hello, admit, better_auth] => vec![
            Goal::at_most("CPU of hello's", 2.2, admit.cpu_us() / hello.cpu_us()),
            Goal::at_least("cheaper than better-auth", 100.0, better_auth.cpu_us() / admit.cpu_us()),
        ],
        _ => Vec::new(),
    };
    // The server has to be gone before its store is opened.
    drop(contenders);
    let (_, written) = sessions::last_uses(&admit.data(), latest)?;
    if written == 0 {
        return Err(
            "no use of any session was written: nothing slid, and what was measured is not the whole".to_owned()
        );
    }
    let looked_at = sessions::LOOKED_AT;
    let words = format!("Of {looked_at} sessions that were looked at, {written} had a use written meanwhile\n");
    figures["uses_written"] = serde_json::json!({ "of": looked_at, "written": written });
    show("w2", &machine, &format!("{shown}\n{words}"), figures, &goals)
}

/// What the cookie of the host is called.
fn cookie() -> Result<String> {
    let realm = RealmName::parse("default").map_err(|error| error.to_string())?;
    Ok(Cookie::Site.name(&realm, true))
}

fn hello(population: &Arc<Population>) -> Result<Contender> {
    let question = Question::check_cookie(&cookie()?, population.key_len());
    Ok(Contender::new("hello", vec![Arc::new(Server::reference("hello")?)], question, random(population.clone())))
}

/// Admit with all of them, each asked for once.
fn known(admit: &Admit, population: &Arc<Population>) -> Result<Contender> {
    let (server, _) = admit.serve(&CACHE)?;
    let question = Question::check_cookie(&cookie()?, population.key_len());
    let ask = |value: &str| status(server.address, question.clone().with(value).bytes());
    let stranger = secret::write("admit_ss", &[7; 32]);
    match (ask(population.key(population.len() - 1))?, ask(stranger.expose())?) {
        (200, 401) => {}
        (known, unknown) => {
            return Err(format!("a known session gets {known}, an unknown one {unknown}: 200 and 401 expected"));
        }
    }
    let name = format!("admit, {} sessions", population.len());
    let mut contender = Contender::new(name, vec![Arc::new(server)], question, random(population.clone()));
    let start = Instant::now();
    contender.run(&Course::Each(population.clone()))?;
    eprintln!("asked for each of {} sessions once in {:.1} s", population.len(), start.elapsed().as_secs_f64());
    Ok(contender)
}

/// A folder with an API, a role, a rule, and people who hold that role and are signed in.
fn stocked(plan: &Plan, population: &Population) -> Result<Admit> {
    let name = format!("sessions-{}", population.len());
    let admit = Admit::new(plan, &name)?;
    let done = admit.folder().join("stocked");
    if is_young(&done) {
        return Ok(admit);
    }
    fs::remove_dir_all(admit.folder())
        .map_err(|error| format!("cannot remove {}: {error}", admit.folder().display()))?;
    let admit = Admit::new(plan, &name)?;
    let start = Instant::now();
    let (server, _) = admit.serve(&[])?;
    let file = admit.write("people.toml", &document())?;
    admit.run(&["apply", "-f", &file])?;
    admit.rule(LIMITED)?;
    server.stop()?;
    sessions::insert(&admit.data(), population, PATTERN, HOST)?;
    admit.write("stocked", "")?;
    eprintln!("a store with {} sessions was made in {:.1} s", population.len(), start.elapsed().as_secs_f64());
    Ok(admit)
}

fn is_young(file: &std::path::Path) -> bool {
    let modified = fs::metadata(file).and_then(|facts| facts.modified()).ok();
    modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age < KEPT_FOR)
}

fn document() -> String {
    format!(
        "[[api]]\nuri = \"{API}\"\nhosts = [\"{HOST}\"]\nscopes = {{ \"orders:read\" = \"Read orders\" }}\n\n\
         [[role]]\nname = \"reader\"\nrights = {{ \"{API}\" = [\"orders:read\"] }}\n\n\
         [[user]]\nname = \"{PATTERN}\"\nemail = \"{PATTERN}@shop.test\"\nroles = [\"reader\"]\n"
    )
}
