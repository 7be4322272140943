//! `[login]`: what hashing a password costs here, how fast one network may guess, and which passwords are known from breaches.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use admit_core::limit::{Limit, Rate};
use admit_core::login::hash::Cost;

use super::raw::Reader;
use super::resolve::bytes;
use crate::login::breached;

/// How people sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// How many passwords are hashed at a time.
    pub hash_threads: usize,
    /// What one hash costs.
    pub cost: Cost,
    /// How many failed sign-ins of one source network are borne.
    pub network: Limit,
    /// A file of passwords that were stolen somewhere, as digests.
    pub breached_passwords: Option<PathBuf>,
}

/// The most threads; each takes the memory of a hash.
const THREADS_MAX: u32 = 64;
impl Default for Login {
    fn default() -> Self {
        Self {
            hash_threads: thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS_MAX as usize),
            cost: Cost::default(),
            network: Limit::from(Rate::per_minute(60)),
            breached_passwords: None,
        }
    }
}

/// Reads the section.
pub fn read(root: &mut Reader<'_>) -> Login {
    let mut login = Login::default();
    root.section("login", |section| {
        match section.number("hash_threads") {
            Some(count) if (1..=THREADS_MAX).contains(&count) => login.hash_threads = count as usize,
            Some(_) => section.problem("hash_threads", format!("must be 1 to {THREADS_MAX}")),
            None => {}
        }
        read_cost(section, &mut login.cost);
        if let Some(rate) = section.parsed::<Rate>("network") {
            login.network = Limit::from(rate);
        }
        let Some(file) = section.text("breached_passwords").map(PathBuf::from) else { return };
        match breached::check(&file) {
            Ok(()) => login.breached_passwords = Some(file),
            Err(why) => section.problem("breached_passwords", format!("{}: {why}", file.display())),
        }
    });
    login
}

fn read_cost(section: &mut Reader<'_>, cost: &mut Cost) {
    let mut wanted = *cost;
    match section.text("hash_memory").map(|text| bytes(&text).and_then(|size| u32::try_from(size >> 10).ok())) {
        Some(Some(kib)) => wanted.memory_kib = kib,
        Some(None) => section.problem("hash_memory", "must be a size between 7MiB and 128MiB, such as \"19MiB\""),
        None => {}
    }
    if let Some(passes) = section.number("hash_passes") {
        wanted.passes = passes;
    }
    match wanted.judge() {
        Ok(()) => *cost = wanted,
        Err((field, message)) => section.problem(&format!("hash_{field}"), message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    fn load(text: &str) -> Result<Login, Vec<String>> {
        let said = |problem: admit_core::policy::rule::Problem| format!("{}: {}", problem.path, problem.message);
        let config = Config::parse(&format!("[login]\n{text}"), &Overrides::default(), []);
        config.map(|config| config.login).map_err(|problems| problems.into_iter().map(said).collect())
    }

    #[test]
    fn pw_04_what_a_hash_costs_has_a_floor_and_a_ceiling() {
        assert_eq!(load("").unwrap(), Login::default());
        let costs = |text| load(text).map(|login| (login.cost.memory_kib, login.cost.passes, login.cost.lanes));
        assert_eq!(costs("hash_memory = '46MiB'\nhash_passes = 1"), Ok((46 << 10, 1, 1)));
        assert_eq!(costs("hash_memory = '7MiB'\nhash_passes = 5"), Ok((7 << 10, 5, 1)));
        for (text, key) in [
            ("hash_memory = '7MiB'\nhash_passes = 4", "login.hash_passes: is too few"),
            ("hash_memory = '7167KiB'", "login.hash_memory:"),
            ("hash_memory = '129MiB'", "login.hash_memory:"),
            ("hash_passes = 11", "login.hash_passes: must be"),
            ("hash_threads = 0", "login.hash_threads:"),
            ("hash_threads = 65", "login.hash_threads:"),
            ("network = 'many'", "login.network:"),
            ("breached_passwords = '/nowhere/list'", "login.breached_passwords: /nowhere/list:"),
        ] {
            let problems = load(text).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(key), "{text}: {problems:?}");
        }
    }
}
