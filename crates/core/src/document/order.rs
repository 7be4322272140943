//! Where rules stand after a document is applied.
//!
//! The rules of a document stand in its order. A rule that the document does not name stays behind the one of its priority
//! that it followed before. Who applies the same document twice moves nothing.

use std::collections::{HashMap, HashSet};

use crate::policy::rule::{DEFAULT_PRIORITY, RawRule};

/// Every rule that there will be with its place, in the order of judgement, and the names of those that move among the
/// others of their priority.
pub fn places(
    current: &[(RawRule, i64)],
    wanted: Option<&[RawRule]>,
    prune: bool,
) -> (Vec<(String, i64)>, HashSet<String>) {
    let mut sequence = sequence(current, wanted, prune);
    sequence.sort_by_key(|one| one.priority);
    let mut last: HashMap<i64, i64> = HashMap::new();
    let mut places = Vec::with_capacity(sequence.len());
    for one in &sequence {
        let last = last.entry(one.priority).or_insert(0);
        *last = one.place.filter(|place| *place > *last).unwrap_or(*last + 1);
        places.push((one.name.clone(), *last));
    }
    (places, moved(current, &sequence))
}

/// One rule on its way to its place.
struct One {
    name: String,
    priority: i64,
    place: Option<i64>,
}

fn name_of(rule: &RawRule) -> String {
    super::rule_name(rule)
}

fn priority_of(rule: &RawRule) -> i64 {
    rule.priority.unwrap_or_else(|| i64::from(DEFAULT_PRIORITY))
}

/// All rules one behind the other, before priorities count.
fn sequence(current: &[(RawRule, i64)], wanted: Option<&[RawRule]>, prune: bool) -> Vec<One> {
    let one = |rule: &RawRule, place| One { name: name_of(rule), priority: priority_of(rule), place };
    let Some(wanted) = wanted else { return current.iter().map(|(rule, place)| one(rule, Some(*place))).collect() };
    let named: HashMap<String, i64> = wanted.iter().map(|rule| (name_of(rule), priority_of(rule))).collect();
    let stood: HashMap<String, i64> = current.iter().map(|(rule, place)| (name_of(rule), *place)).collect();
    let (mut sequence, mut behind): (Vec<One>, HashMap<String, Vec<One>>) = (Vec::new(), HashMap::new());
    let mut leaders: HashMap<i64, String> = HashMap::new();
    for (rule, place) in current {
        let (name, priority) = (name_of(rule), priority_of(rule));
        if let Some(wanted) = named.get(&name) {
            // One that goes to another priority leads nobody there.
            if *wanted == priority {
                leaders.insert(priority, name);
            }
        } else if !prune {
            let follower = one(rule, Some(*place));
            match leaders.get(&priority) {
                Some(leader) => behind.entry(leader.clone()).or_default().push(follower),
                None => sequence.push(follower),
            }
        }
    }
    for rule in wanted {
        let name = name_of(rule);
        let followers = behind.remove(&name).unwrap_or_default();
        sequence.push(One { place: stood.get(&name).copied(), ..one(rule, None) });
        sequence.extend(followers);
    }
    sequence
}

/// Of the rules that stay and keep their priority, those that stand elsewhere among them.
fn moved(current: &[(RawRule, i64)], sequence: &[One]) -> HashSet<String> {
    let before: HashMap<String, i64> = current.iter().map(|(rule, _)| (name_of(rule), priority_of(rule))).collect();
    let after: Vec<&One> = sequence.iter().filter(|one| before.get(&one.name) == Some(&one.priority)).collect();
    let kept: HashSet<&str> = after.iter().map(|one| one.name.as_str()).collect();
    let stood = current.iter().map(|(rule, _)| name_of(rule)).filter(|name| kept.contains(name.as_str()));
    stood.zip(&after).filter(|(before, after)| *before != after.name).map(|(_, after)| after.name.clone()).collect()
}
