//! What clients were told of their writes, and whether the server says the same afterwards.
//!
//! A client makes, revokes, rolls, disables and enables keys and changes its rule until it gets no answer any more. What it
//! was not answered is in doubt: both outcomes are right, but each is one of the two, stays so, and is done once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::program::{Program, send};

pub const KEYS: &str = "/v1/realms/default/keys";
const RULES: &str = "/v1/realms/default/rules";
const CLIENTS: usize = 4;

/// What a client was told of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Live,
    Ended,
    InDoubt,
}

#[derive(Debug, Clone)]
struct Made {
    id: String,
    secret: String,
    told: Told,
}

#[derive(Default)]
struct Notes {
    made: Vec<Made>,
    /// Names of keys whose creation was sent and not answered; each is its own `Idempotency-Key`.
    unanswered: BTreeSet<String>,
    /// For each client's rule the paths that it may have now: one, or two while a change is in doubt.
    paths: BTreeMap<usize, Vec<String>>,
    names: usize,
    /// How many writes were answered.
    answered: usize,
    rest: bool,
}

/// All that the clients were told.
#[derive(Default)]
pub struct History {
    notes: Arc<Mutex<Notes>>,
    /// What was looked at already, and how much of it when what was in doubt was last settled.
    checked: usize,
    settled: usize,
}

/// One who writes.
struct Client {
    number: usize,
    http: reqwest::Client,
    url: String,
    bearer: String,
    notes: Arc<Mutex<Notes>>,
}

/// What a new key is asked for with.
pub fn wanted(name: &str) -> Value {
    json!({"name": name, "api": "https://api.shop.test", "scopes": ["orders:read"]})
}

fn rule(number: usize, path: &str) -> Value {
    json!({"name": format!("r{number}"), "match": {"host": "shop.test", "methods": ["GET"], "path": format!("{path}/**")},
        "require": {"scopes": ["orders:read"]}})
}

impl Client {
    /// The answer; none where it was lost, or says that it cannot be known.
    async fn call(&self, method: &str, path: &str, once: Option<&str>, body: Value) -> Option<(u16, Value)> {
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend(once.map(|once| ("idempotency-key", once)));
        let reply = send(&self.http, &format!("{}{path}", self.url), method, &headers, body).await?;
        if reply.status == 503 {
            return None;
        }
        self.notes.lock().unwrap().answered += 1;
        Some((reply.status, reply.json()))
    }

    async fn change(&self, place: usize, method: &str, path: &str, body: Value, then: Told) -> Option<Value> {
        self.notes.lock().unwrap().made[place].told = Told::InDoubt;
        let (status, reply) = self.call(method, &format!("{KEYS}/{path}"), None, body).await?;
        assert!([200, 204].contains(&status), "{method} {path}: {status} {reply}");
        self.notes.lock().unwrap().made[place].told = then;
        Some(reply)
    }

    async fn make(&self) -> Option<(usize, String)> {
        let name = {
            let mut notes = self.notes.lock().unwrap();
            notes.names += 1;
            let name = format!("k{}", notes.names);
            notes.unanswered.insert(name.clone());
            name
        };
        let (status, key) = self.call("POST", KEYS, Some(&name), wanted(&name)).await?;
        assert_eq!(status, 201, "{key}");
        let mut notes = self.notes.lock().unwrap();
        notes.unanswered.remove(&name);
        Some((notes.add(&key), key["id"].as_str().unwrap().to_owned()))
    }

    async fn move_rule(&self) -> Option<()> {
        let path = {
            let mut notes = self.notes.lock().unwrap();
            notes.names += 1;
            let path = format!("/w{}", notes.names);
            notes.paths.entry(self.number).or_default().push(path.clone());
            path
        };
        let (status, reply) =
            self.call("PUT", &format!("{RULES}/r{}", self.number), None, rule(self.number, &path)).await?;
        assert_eq!(status, 200, "{reply}");
        self.notes.lock().unwrap().paths.insert(self.number, vec![path]);
        Some(())
    }

    async fn work(self) -> Option<()> {
        for turn in self.number.. {
            if self.notes.lock().unwrap().rest {
                return None;
            }
            let (place, id) = self.make().await?;
            match turn % 5 {
                0 => drop(self.change(place, "DELETE", &id, Value::Null, Told::Ended).await?),
                1 => {
                    let body = json!({"compromised": true});
                    let rolled = self.change(place, "POST", &format!("{id}/roll"), body, Told::Ended).await?;
                    self.notes.lock().unwrap().add(&rolled);
                }
                2 => drop(self.change(place, "POST", &format!("{id}/disable"), Value::Null, Told::Ended).await?),
                3 => {
                    self.change(place, "POST", &format!("{id}/disable"), Value::Null, Told::Ended).await?;
                    self.change(place, "POST", &format!("{id}/enable"), Value::Null, Told::Live).await?;
                }
                _ => self.move_rule().await?,
            }
        }
        None
    }
}

impl Notes {
    fn add(&mut self, key: &Value) -> usize {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        self.made.push(Made { id: text("id"), secret: text("key"), told: Told::Live });
        self.made.len() - 1
    }
}

impl History {
    /// Of a server that has the shop; makes the rules that are changed later.
    pub async fn begin(program: &Program) -> Self {
        let history = Self::default();
        for number in 0..CLIENTS {
            let path = format!("/w-{number}");
            program.manage("POST", RULES, rule(number, &path)).await.expect(201);
            history.notes.lock().unwrap().paths.insert(number, vec![path]);
        }
        history
    }

    /// Sets the clients to work, until they get no answer or are to rest.
    pub fn write(&self, program: &Program) -> JoinSet<Option<()>> {
        self.notes.lock().unwrap().rest = false;
        let client = |number| Client {
            number,
            http: reqwest::Client::new(),
            url: program.url.clone(),
            bearer: format!("Bearer {}", program.operator),
            notes: self.notes.clone(),
        };
        (0..CLIENTS).map(|number| client(number).work()).collect()
    }

    /// Waits until so many more writes were answered: on a slow machine as much is done as on a fast one.
    pub async fn answered(&self, more: usize) {
        let count = || self.notes.lock().unwrap().answered;
        let (wanted, begun) = (count() + more, Instant::now());
        while count() < wanted {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} of {wanted} writes were answered", count());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the clients end what they are at.
    pub fn rest(&self) {
        self.notes.lock().unwrap().rest = true;
    }

    /// What was acknowledged since the last look and is not so, and what was in doubt and is neither the one nor the other.
    pub async fn lost(&mut self, program: &Program) -> Vec<String> {
        let mut lost = self.send_again(program).await;
        // What was in doubt before the last end of a server is in doubt no more: nothing of that time is under way.
        for place in self.settled..self.checked {
            let made = self.notes.lock().unwrap().made[place].clone();
            if made.told == Told::InDoubt {
                let is_live = program.ask("GET", "/orders/1", &made.secret).await.status == 200;
                self.notes.lock().unwrap().made[place].told = if is_live { Told::Live } else { Told::Ended };
            }
        }
        self.settled = self.checked;
        let fresh = self.notes.lock().unwrap().made[self.checked..].to_vec();
        lost.extend(untrue(program, &fresh).await);
        self.checked += fresh.len();
        if let Some(live) = fresh.iter().find(|made| made.told == Told::Live) {
            lost.extend(self.moved(program, &live.secret).await);
        }
        lost
    }

    /// The same of everything.
    pub async fn lost_of_all(&mut self, program: &Program) -> Vec<String> {
        (self.checked, self.settled) = (0, 0);
        self.lost(program).await
    }

    /// How many secrets were told to be live, and how many to have ended.
    pub fn counts(&self) -> (usize, usize) {
        let made = &self.notes.lock().unwrap().made;
        let count = |told| made.iter().filter(|made| made.told == told).count();
        (count(Told::Live), count(Told::Ended))
    }

    /// Creations that were not answered are sent again: each is there once then.
    async fn send_again(&self, program: &Program) -> Vec<String> {
        let bearer = format!("Bearer {}", program.operator);
        let mut wrong = Vec::new();
        let unanswered = std::mem::take(&mut self.notes.lock().unwrap().unanswered);
        for name in unanswered {
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", &name)];
            let again = program.try_send("POST", KEYS, &headers, wanted(&name)).await.unwrap();
            match (again.status, again.code().as_str()) {
                (201, _) => drop(self.notes.lock().unwrap().add(&again.json())),
                (409, "secret_already_shown") => {}
                _ => wrong.push(format!("{name} was sent again: {} {}", again.status, again.text)),
            }
            // A name that stands for two keys is refused.
            let found = program.manage("GET", &format!("{KEYS}/{name}"), Value::Null).await;
            if found.status != 200 {
                wrong.push(format!("{name} is not there once: {} {}", found.status, found.text));
            }
        }
        wrong
    }

    async fn moved(&self, program: &Program, key: &str) -> Option<String> {
        let paths = self.notes.lock().unwrap().paths.clone();
        for (number, allowed) in paths {
            let shown = program.manage("GET", &format!("{RULES}/r{number}"), Value::Null).await.expect(200);
            let path = shown["match"]["path"].as_str().unwrap().trim_end_matches("/**").to_owned();
            let judged = program.ask("GET", &path, key).await.status;
            if !allowed.contains(&path) || judged != 200 {
                return Some(format!("rule r{number} is at {path} ({judged}) and was told to be at {allowed:?}"));
            }
            self.notes.lock().unwrap().paths.insert(number, vec![path]);
        }
        None
    }
}

async fn untrue(program: &Program, made: &[Made]) -> Vec<String> {
    let mut untrue = Vec::new();
    for made in made.iter().filter(|made| made.told != Told::InDoubt) {
        let status = program.ask("GET", "/orders/1", &made.secret).await.status;
        if (status == 200) != (made.told == Told::Live) {
            untrue.push(format!("{} was told {:?} and answers {status}", made.id, made.told));
        }
    }
    untrue
}
