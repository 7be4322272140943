//! PW-01: whether the time of a refused sign-in tells if there is such a person.
//!
//! One request at a time over one connection, the kinds of people in turn and each time in another order, everybody asked for
//! once and from a network of his own: so no guess is slowed down for the one before. Answers are compared, too. Accounts
//! that are locked are refused without a hash, those of nobody like those of somebody: they are compared with each other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::admit::Admit;
use crate::load::on_one_thread;
use crate::machine;
use crate::open::Line;
use crate::people::{self, PASSWORD, Person, State, sign_in};
use crate::population::Numbers;
use crate::report::{Goal, median, show, table};
use crate::server::Server;
use crate::{Plan, Result};

/// As long as that of everybody.
const WRONG: &str = "vivid otter cancels thursday";
/// So many failures in a row lock an account.
const FAILURES: usize = 100;
/// How far two medians may lie apart.
const APART_MS: f64 = 2.0;

/// A kind of people, and what is tried of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Known,
    Nobody,
    Disabled,
    NoPassword,
    LockedKnown,
    LockedNobody,
}

impl Arm {
    const ALL: [Self; 6] =
        [Self::Known, Self::Nobody, Self::Disabled, Self::NoPassword, Self::LockedKnown, Self::LockedNobody];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "somebody, a wrong password",
            Self::Nobody => "nobody",
            Self::Disabled => "somebody switched off, the right password",
            Self::NoPassword => "somebody without a password",
            Self::LockedKnown => "somebody locked, the right password",
            Self::LockedNobody => "nobody, locked",
        }
    }

    /// What it must look like.
    const fn like(self) -> Self {
        match self {
            Self::Known | Self::Nobody | Self::Disabled | Self::NoPassword => Self::Known,
            Self::LockedKnown | Self::LockedNobody => Self::LockedNobody,
        }
    }

    /// Somebody for one sample; those that are locked always the same.
    fn name(self, number: usize) -> String {
        match self {
            Self::Known => format!("known-{number:06}"),
            Self::Nobody => format!("empty-{number:06}"),
            Self::Disabled => format!("ended-{number:06}"),
            Self::NoPassword => format!("keyed-{number:06}"),
            Self::LockedKnown => "known-locked".to_owned(),
            Self::LockedNobody => "empty-locked".to_owned(),
        }
    }

    const fn password(self) -> &'static str {
        match self {
            Self::Known | Self::Nobody | Self::NoPassword => WRONG,
            Self::Disabled | Self::LockedKnown | Self::LockedNobody => PASSWORD,
        }
    }
}

/// What one arm showed.
#[derive(Default)]
struct Samples {
    ms: Vec<f64>,
    /// Answers without what differs in any two: the id of the request and the date.
    answers: BTreeSet<String>,
}

/// Runs it and shows the table.
pub fn run(plan: &Plan) -> Result<()> {
    let machine = machine::describe();
    let admit = Admit::new(plan, &format!("pw01-{}", std::process::id()))?;
    let (server, _) = admit.serve(&[])?;
    people::make(&admit, &server, &everybody(plan.samples))?;
    let all = on_one_thread(ask_all(&server, plan.samples))?;
    drop(server);
    let _ = std::fs::remove_dir_all(admit.folder());
    present(&machine, plan.samples, &all)
}

fn everybody(samples: usize) -> Vec<Person> {
    let states = [(Arm::Known, State::Usual), (Arm::Disabled, State::Disabled), (Arm::NoPassword, State::NoPassword)];
    let of = |number| states.map(|(arm, state)| Person { name: arm.name(number), state });
    let locked = Person { name: Arm::LockedKnown.name(0), state: State::Usual };
    (0..samples).flat_map(of).chain([locked]).collect()
}

async fn ask_all(server: &Server, samples: usize) -> std::io::Result<[Samples; 6]> {
    let mut line = Line::new(server.address);
    let mut network = 0;
    let mut ask = async |name: &str, password: &str| {
        let request = sign_in(server.address, network, name, password);
        network += 1;
        let sent = Instant::now();
        line.ask(request.as_bytes()).await?;
        Ok::<_, std::io::Error>((sent.elapsed(), constant_part(line.answer())))
    };
    for _ in 0..FAILURES {
        for arm in [Arm::LockedKnown, Arm::LockedNobody] {
            ask(&arm.name(0), WRONG).await?;
        }
    }
    let mut all: [Samples; 6] = Default::default();
    let (mut order, mut numbers) = ([0, 1, 2, 3, 4, 5], Numbers::new(1));
    for number in 0..samples {
        // Each time anew: who comes after a hash finds the processor's caches cold, and that should be everybody at times.
        (1..order.len()).for_each(|last| order.swap(last, numbers.below(last + 1)));
        for place in order {
            let arm = Arm::ALL[place];
            let (took, answer) = ask(&arm.name(number), arm.password()).await?;
            all[place].ms.push(ms(took));
            all[place].answers.insert(answer);
        }
        // A moment, so that what one left to be done is not done in the time of the next.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(all)
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// An answer without the id of its request and the date.
fn constant_part(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let is_constant = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("date:") && !line.starts_with("admit-request-id:")
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head: Vec<_> = head.lines().filter(is_constant).collect();
    let mut body: Value = serde_json::from_str(body).unwrap_or_else(|_| body.into());
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
        fields.remove("instance");
    }
    format!("{}\n\n{body}", head.join("\n"))
}

fn present(machine: &str, samples: usize, all: &[Samples; 6]) -> Result<()> {
    let of = |arm: Arm| &all[Arm::ALL.iter().position(|other| *other == arm).unwrap_or_default()];
    let middle = |arm| median(of(arm).ms.clone());
    for arm in Arm::ALL {
        if of(arm).answers != of(arm.like()).answers || of(arm).answers.len() != 1 {
            let (one, other) = (&of(arm).answers, &of(arm.like()).answers);
            return Err(format!(
                "{:?} is told {one:#?}, where {:?} is told {other:#?}",
                arm.as_str(),
                arm.like().as_str()
            ));
        }
    }
    let rows = Arm::ALL.map(|arm| {
        let apart = middle(arm) - middle(arm.like());
        let mut sorted = of(arm).ms.clone();
        sorted.sort_by(f64::total_cmp);
        let late = sorted.get(sorted.len() * 19 / 20).copied().unwrap_or_default();
        vec![arm.as_str().to_owned(), format!("{:.3}", middle(arm)), format!("{apart:+.3}"), format!("{late:.3}")]
    });
    let goals = Arm::ALL.into_iter().filter(|arm| *arm != arm.like()).map(|arm| {
        let what = format!("ms between {} and {}", arm.as_str(), arm.like().as_str());
        Goal::at_most(what, APART_MS, (middle(arm) - middle(arm.like())).abs())
    });
    let figures: Vec<_> = Arm::ALL
        .into_iter()
        .map(|arm| json!({ "arm": arm.as_str(), "median_ms": middle(arm), "apart_ms": middle(arm) - middle(arm.like()) }))
        .collect();
    let words =
        format!("{samples} samples each; all answers to those that are compared were the same, word for word\n");
    let head = ["refused", "median ms", "apart ms", "p95 ms"];
    let all = json!({ "samples": samples, "arms": figures });
    show("pw01", machine, &format!("{}\n{words}", table(&head, &rows)), all, &goals.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_in_any_two_answers_is_left_out() {
        let answer = |id: &str, code: &str| {
            let head = format!("HTTP/1.1 401 Unauthorized\r\nDate: {id}\r\nadmit-request-id: {id}\r\nA: b\r\n\r\n");
            constant_part(format!("{head}{{\"code\":\"{code}\",\"request_id\":\"{id}\"}}").as_bytes())
        };
        assert_eq!(answer("1", "x"), answer("2", "x"));
        assert_ne!(answer("1", "x"), answer("1", "y"));
    }

    #[test]
    fn names_of_all_kinds_are_of_one_length() {
        assert!(Arm::ALL.iter().all(|arm| arm.name(7).len() == 12));
    }
}
