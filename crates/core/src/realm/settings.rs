//! What a realm may set for itself: who may make an account, how long what people sign in with lives, what a hash costs.
//!
//! What it does not say is as by default. Every figure has limits, which hold where it is set and are looked over by
//! `doctor`. Sign-ins and links that are there already keep the life that they began with.

use serde::{Deserialize, Serialize};

use crate::login::hash::Cost;
use crate::login::session::Life;
use crate::policy::rule::Problem;
use crate::realm::Realm;
use crate::time::Span;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What a realm says; times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether anybody may make an account for himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_registration: Option<bool>,
    /// Whether people may choose another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_rename: Option<bool>,
    /// Whether applications may register themselves, with an initial access token (RFC 7591).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_registration: Option<bool>,
    /// How long a session lives without being used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_idle_s: Option<i64>,
    /// How long a session lives at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_absolute_s: Option<i64>,
    /// How long a browser is known after a sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_life_s: Option<i64>,
    /// How long a link to set a new password is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_life_s: Option<i64>,
    /// How long an invitation is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_life_s: Option<i64>,
    /// How long a link is good that shows whose an address is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation_life_s: Option<i64>,
    /// How long a refresh token lives without being used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_idle_s: Option<i64>,
    /// How long one lives at all, with those that follow it, of a client that proves who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_absolute_s: Option<i64>,
    /// The same of a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_public_absolute_s: Option<i64>,
    /// Memory of one password hash; stands together with the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_memory_kib: Option<u32>,
    /// How often that memory is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_passes: Option<u32>,
}

impl Settings {
    /// What of it cannot be, in the realm of operators or in any other.
    pub fn judge(&self, realm: &Realm) -> Vec<Problem> {
        let is_control = realm.is_control();
        let mut problems = Vec::new();
        let longest = |ordinary, control| if is_control { control } else { ordinary };
        for (name, value, least, most) in [
            ("session_idle_s", self.session_idle_s, 5 * MINUTE, longest(90 * DAY, 8 * HOUR)),
            ("session_absolute_s", self.session_absolute_s, 5 * MINUTE, longest(400 * DAY, 24 * HOUR)),
            ("device_life_s", self.device_life_s, DAY, 400 * DAY),
            ("reset_life_s", self.reset_life_s, 5 * MINUTE, HOUR),
            ("invitation_life_s", self.invitation_life_s, HOUR, 30 * DAY),
            ("confirmation_life_s", self.confirmation_life_s, 10 * MINUTE, 3 * DAY),
            ("refresh_idle_s", self.refresh_idle_s, HOUR, 400 * DAY),
            ("refresh_absolute_s", self.refresh_absolute_s, HOUR, 400 * DAY),
            ("refresh_public_absolute_s", self.refresh_public_absolute_s, HOUR, 90 * DAY),
        ] {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                problems.push(flaw(name, format!("must be {least} to {most} seconds")));
            }
        }
        let life = self.life(Life::of(&realm.name));
        if life.idle > life.absolute {
            let (idle, absolute) = (life.idle.as_ms() / 1000, life.absolute.as_ms() / 1000);
            let message =
                format!("is {idle}, longer than a session lives at all ({absolute}, session_absolute_s): set both");
            problems.push(flaw("session_idle_s", message));
        }
        for (name, value) in [
            ("self_registration", self.self_registration),
            ("self_rename", self.self_rename),
            ("client_registration", self.client_registration),
        ] {
            if is_control && value == Some(true) {
                problems.push(flaw(name, "cannot be on in the realm of operators".to_owned()));
            }
        }
        problems.extend(self.judge_cost());
        problems
    }

    fn judge_cost(&self) -> Option<Problem> {
        match (self.hash_memory_kib, self.hash_passes) {
            (None, None) => None,
            (Some(memory_kib), Some(passes)) => {
                let cost = Cost { memory_kib, passes, ..Cost::default() };
                let (field, message) = cost.judge().err()?;
                let name = if field == "passes" { "hash_passes" } else { "hash_memory_kib" };
                Some(flaw(name, message.to_owned()))
            }
            (Some(_), None) => Some(flaw("hash_passes", "is needed beside hash_memory_kib".to_owned())),
            (None, Some(_)) => Some(flaw("hash_memory_kib", "is needed beside hash_passes".to_owned())),
        }
    }

    /// How long sessions live, where nothing is said as long as `default`.
    fn life(&self, default: Life) -> Life {
        let or = |said: Option<i64>, default| said.map_or(default, Span::seconds);
        Life { idle: or(self.session_idle_s, default.idle), absolute: or(self.session_absolute_s, default.absolute) }
    }
}

fn flaw(name: &str, message: String) -> Problem {
    Problem::new(format!("settings.{name}"), message)
}

impl Realm {
    /// Whether anybody may make an account for himself here.
    pub fn lets_register(&self) -> bool {
        self.settings.self_registration == Some(true) && !self.is_control() && self.disabled_at.is_none()
    }

    /// Whether people may choose another name here.
    pub fn lets_rename(&self) -> bool {
        self.settings.self_rename == Some(true) && !self.is_control()
    }

    /// Whether applications may register themselves here.
    pub fn lets_clients_register(&self) -> bool {
        self.settings.client_registration == Some(true) && !self.is_control() && self.disabled_at.is_none()
    }

    /// How long refresh tokens live here without being used.
    pub fn refresh_idle(&self) -> Span {
        self.settings.refresh_idle_s.map_or(Span::days(14), Span::seconds)
    }

    /// How long refresh tokens live here at all: of clients that prove who they are, or of public ones.
    pub fn refresh_absolute(&self, is_confidential: bool) -> Span {
        match is_confidential {
            true => self.settings.refresh_absolute_s.map_or(Span::days(90), Span::seconds),
            false => self.settings.refresh_public_absolute_s.map_or(Span::days(30), Span::seconds),
        }
    }

    /// How long sessions live here.
    pub fn session_life(&self) -> Life {
        self.settings.life(Life::of(&self.name))
    }

    /// How long a browser is known here.
    pub fn device_life(&self) -> Span {
        self.settings.device_life_s.map_or(Span::days(90), Span::seconds)
    }

    /// How long a link to set a new password is good here.
    pub fn reset_life(&self) -> Span {
        self.settings.reset_life_s.map_or(Span::minutes(15), Span::seconds)
    }

    /// How long an invitation is good here.
    pub fn invitation_life(&self) -> Span {
        self.settings.invitation_life_s.map_or(Span::hours(72), Span::seconds)
    }

    /// How long a link is good here that shows whose an address is.
    pub fn confirmation_life(&self) -> Span {
        self.settings.confirmation_life_s.map_or(Span::hours(1), Span::seconds)
    }

    /// What a hash costs here, where nothing is said as much as everywhere on the server.
    pub fn hash_cost(&self, everywhere: Cost) -> Cost {
        match (self.settings.hash_memory_kib, self.settings.hash_passes) {
            (Some(memory_kib), Some(passes)) => Cost { memory_kib, passes, ..everywhere },
            _ => everywhere,
        }
    }

    /// Everything that holds here, said or not: what people are shown.
    pub fn effective_settings(&self, everywhere: Cost) -> Settings {
        let (life, cost) = (self.session_life(), self.hash_cost(everywhere));
        let seconds = |span: Span| Some(span.as_ms() / 1000);
        Settings {
            self_registration: Some(self.settings.self_registration == Some(true) && !self.is_control()),
            self_rename: Some(self.lets_rename()),
            client_registration: Some(self.settings.client_registration == Some(true) && !self.is_control()),
            session_idle_s: seconds(life.idle),
            session_absolute_s: seconds(life.absolute),
            device_life_s: seconds(self.device_life()),
            reset_life_s: seconds(self.reset_life()),
            invitation_life_s: seconds(self.invitation_life()),
            confirmation_life_s: seconds(self.confirmation_life()),
            refresh_idle_s: seconds(self.refresh_idle()),
            refresh_absolute_s: seconds(self.refresh_absolute(true)),
            refresh_public_absolute_s: seconds(self.refresh_absolute(false)),
            hash_memory_kib: Some(cost.memory_kib),
            hash_passes: Some(cost.passes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RealmId;
    use crate::realm::OPERATORS;
    use crate::secret::Prefix;
    use crate::time::Time;

    fn realm(name: &str, settings: Settings) -> Realm {
        let (name, prefix) = (name.parse().unwrap(), Prefix::parse("acme").unwrap());
        Realm { settings, ..Realm::new(RealmId::from_bytes([1; 16]), name, prefix, Time::from_unix_ms(0)) }
    }

    fn flaws(name: &str, json: &str) -> Vec<String> {
        let settings: Settings = serde_json::from_str(json).unwrap();
        let found = settings.judge(&realm(name, Settings::default()));
        found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn nothing_said_is_as_by_default() {
        let acme = realm("acme", Settings::default());
        assert_eq!(acme.session_life(), Life { idle: Span::days(7), absolute: Span::days(30) });
        assert!(!acme.lets_register() && !acme.lets_rename());
        let shown = acme.effective_settings(Cost::default());
        assert_eq!((shown.reset_life_s, shown.invitation_life_s), (Some(900), Some(259_200)));
        assert!(shown.judge(&acme).is_empty(), "what holds by default may be set");
        assert_eq!(serde_json::to_string(&Settings::default()).unwrap(), "{}");
    }

    #[test]
    fn every_figure_has_its_limits() {
        for (name, least, most) in [
            ("session_idle_s", 300, 2_592_000),
            ("session_absolute_s", 604_800, 34_560_000),
            ("device_life_s", 86_400, 34_560_000),
            ("reset_life_s", 300, 3_600),
            ("invitation_life_s", 3_600, 2_592_000),
            ("confirmation_life_s", 600, 259_200),
            ("refresh_idle_s", 3_600, 34_560_000),
            ("refresh_absolute_s", 3_600, 34_560_000),
            ("refresh_public_absolute_s", 3_600, 7_776_000),
        ] {
            let at = |value: i64| flaws("acme", &format!("{{\"{name}\": {value}}}"));
            assert_eq!((at(least), at(most)), (vec![], vec![]), "{name}");
            assert!(at(least - 1)[0].starts_with("settings.") && at(most + 1)[0].starts_with("settings."), "{name}");
        }
        let idle = flaws("acme", r#"{"session_idle_s": 7200, "session_absolute_s": 3600}"#);
        assert!(idle[0].contains("longer than a session lives"), "{idle:?}");
    }

    #[test]
    fn pw_04_a_hash_costs_neither_too_little_nor_too_much() {
        assert_eq!(flaws("acme", r#"{"hash_memory_kib": 47104, "hash_passes": 1}"#), Vec::<String>::new());
        for (json, path) in [
            (r#"{"hash_memory_kib": 47104}"#, "settings.hash_passes"),
            (r#"{"hash_passes": 2}"#, "settings.hash_memory_kib"),
            (r#"{"hash_memory_kib": 7168, "hash_passes": 4}"#, "settings.hash_passes"),
            (r#"{"hash_memory_kib": 131073, "hash_passes": 2}"#, "settings.hash_memory_kib"),
            (r#"{"hash_memory_kib": 19456, "hash_passes": 11}"#, "settings.hash_passes"),
        ] {
            let found = flaws("acme", json);
            assert!(found.len() == 1 && found[0].starts_with(path), "{json}: {found:?}");
        }
    }

    #[test]
    fn pw_16_operators_are_never_made_by_themselves() {
        let found = flaws(
            OPERATORS,
            r#"{"self_registration": true, "self_rename": true, "client_registration": true, "session_idle_s": 28801}"#,
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(flaws(OPERATORS, r#"{"session_idle_s": 28800}"#).is_empty());
        let on = Some(true);
        let open = Settings { self_registration: on, self_rename: on, client_registration: on, ..Settings::default() };
        let row = realm(OPERATORS, open.clone());
        assert!(!row.lets_register() && !row.lets_rename() && !row.lets_clients_register(), "whatever a row says");
        let acme = realm("acme", open);
        assert!(acme.lets_register() && acme.lets_clients_register());
    }
}
