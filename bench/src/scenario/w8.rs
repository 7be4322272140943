//! W8: refresh tokens that are good once, each successor on disk before it is answered, on SQLite and on PostgreSQL, beside
//! single rows that pgbench inserts in the same minutes.
//!
//! Each client has a chain of its own: it sends what it was given last, and gets an access token that ES256 signs.

use admit_core::secret::LookupKey;
use admit_core::time::Time;
use admit_store::{Location, Options, PostgresUrl, Store};
use serde_json::{Value, json};

use crate::admit::Admit;
use crate::bulk::{lookup_key, open};
use crate::histogram::Histogram;
use crate::machine;
use crate::postgres::Postgres;
use crate::refresh::{Chains, DOCUMENT, plant};
use crate::report::{Goal, median, show, table};
use crate::server::Server;
use crate::{Plan, ROUNDS, Result};

/// How many clients there are at most.
const MANY: usize = 64;
const CLIENT: &str = "in a browser";

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let postgres = Postgres::start()?;
    let url = postgres.url();
    let (on_file, of_file) = served(plan, "sqlite", None)?;
    let (on_database, of_database) = served(plan, "postgres", Some(&url))?;
    let mut lines = [
        Line::new("admit on SQLite", 1),
        Line::new("admit on SQLite", MANY),
        Line::new("admit on PostgreSQL", 1),
        Line::new("admit on PostgreSQL", MANY),
        Line::new("pgbench", 1),
        Line::new("pgbench", MANY),
    ];
    for chains in [&of_file, &of_database] {
        chains.turn(MANY, plan.warm_up)?;
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (number, line) in lines.iter_mut().enumerate() {
            let shown = match number {
                0 | 1 => of_file.turn(line.clients, plan.round)?,
                2 | 3 => of_database.turn(line.clients, plan.round)?,
                _ => {
                    line.rates.push(postgres.inserts_per_s(line.clients, plan.round)?);
                    continue;
                }
            };
            line.rates.push(shown.rate);
            line.times.add(&shown.times);
        }
    }
    drop((on_file, on_database));
    present(&machine, &lines)
}

/// A server with as many chains as there are clients.
fn served(plan: &Plan, name: &str, url: Option<&str>) -> Result<(Server, Chains)> {
    let settings: Vec<_> = url.map(|url| ("ADMIT__STORE__URL", url)).into_iter().collect();
    let admit = Admit::new(plan, &format!("refresh-{name}-{}", std::process::id()))?;
    let (server, _) = admit.serve(&settings)?;
    let file = admit.write("refresh.toml", DOCUMENT)?;
    admit.run(&["apply", "-f", &file])?;
    server.stop()?;
    let lookup: LookupKey = lookup_key(&admit.data())?;
    let store = match url {
        None => open(&admit.data())?,
        Some(url) => {
            let url = PostgresUrl::parse(url).map_err(|error| error.to_string())?;
            let opened = Store::open(&Options::at(Location::Postgres(url)), |_| {}, Time::default());
            opened.map_err(|error| error.to_string())?
        }
    };
    let (client, tokens) = plant(&store, &lookup, CLIENT, &["offline_access", "orders:read"], MANY)?;
    store.close();
    let (server, _) = admit.serve(&settings)?;
    let chains = Chains::new(server.address, &client, tokens);
    Ok((server, chains))
}

/// What so many clients of one of them had.
struct Line {
    name: &'static str,
    clients: usize,
    rates: Vec<f64>,
    times: Histogram,
}

impl Line {
    fn new(name: &'static str, clients: usize) -> Self {
        Self { name, clients, rates: Vec::new(), times: Histogram::new() }
    }

    fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn row(&self) -> Vec<String> {
        let us = |part| if self.times.all() == 0 { String::new() } else { self.times.percentile(part).to_string() };
        vec![self.name.to_owned(), self.clients.to_string(), format!("{:.0}", self.rate()), us(0.5), us(0.99)]
    }

    fn figures(&self) -> Value {
        json!({ "server": self.name, "clients": self.clients, "per_s": self.rate(), "per_s_of_each_round": self.rates })
    }
}

fn present(machine: &str, lines: &[Line]) -> Result<()> {
    let rows: Vec<_> = lines.iter().map(Line::row).collect();
    let rate = |number: usize| lines.get(number).map_or(f64::NAN, Line::rate);
    let goals = [
        Goal::at_least("64 clients of one, on SQLite", 4.0, rate(1) / rate(0)),
        Goal::at_least("of what pgbench inserts, on SQLite", 0.7, rate(1) / rate(5)),
        Goal::at_least("of what pgbench inserts, on PostgreSQL", 0.3, rate(3) / rate(5)),
    ];
    let head = ["server", "clients", "durable/s", "p50 µs", "p99 µs"];
    let figures: Vec<_> = lines.iter().map(Line::figures).collect();
    show("w8", machine, &table(&head, &rows), json!({ "servers": figures }), &goals)
}
