//! The commands that a message names, made to speak of the realm that the one who reads it speaks of.
//!
//! The management API and the commands themselves say `admit client list`; typed as it stands, that is about the realm
//! `default`. Knows the nouns that have a realm, and leaves a command alone that names one already.

use std::borrow::Cow;

use admit_core::realm::DEFAULT;
use admit_core::shell;

/// What speaks of one realm.
const OF_A_REALM: [&str; 17] = [
    "api",
    "key",
    "client",
    "user",
    "role",
    "rule",
    "session",
    "grant",
    "signing-key",
    "token",
    "login",
    "apply",
    "diff",
    "export",
    "check",
    "why",
    "events",
];
const PROGRAM: &str = "admit";

/// The text, with ` --realm NAME` in each of its commands that needs it.
pub fn in_realm<'t>(text: &'t str, realm: &str) -> Cow<'t, str> {
    if realm == DEFAULT {
        return Cow::Borrowed(text);
    }
    let flag = shell::flag("realm", realm);
    let mut told = String::with_capacity(text.len() + flag.len());
    for line in text.split_inclusive('\n') {
        let starts = commands(line);
        told.push_str(&line[..starts.first().copied().unwrap_or(line.len())]);
        for (place, start) in starts.iter().enumerate() {
            let command = &line[*start..starts.get(place + 1).copied().unwrap_or(line.len())];
            let rest = &command[PROGRAM.len()..];
            let needs_it = is_of_a_realm(rest) && !rest.contains("--realm");
            told.extend([PROGRAM, if needs_it { &flag } else { "" }, rest]);
        }
    }
    Cow::Owned(told)
}

fn is_of_a_realm(rest: &str) -> bool {
    let is_of_a_word = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let noun = rest.trim_start();
    let end = noun.find(|letter| !is_of_a_word(letter)).unwrap_or(noun.len());
    OF_A_REALM.contains(&&noun[..end])
}

/// Where commands begin: at the program's name as a word of its own, outside the quoted words of a command before it.
fn commands(line: &str) -> Vec<usize> {
    let mut starts: Vec<usize> = Vec::new();
    for (start, _) in line.match_indices(PROGRAM) {
        let is_first = line[..start].chars().next_back().is_none_or(|before| " \t\n(`".contains(before));
        let is_word = line[start + PROGRAM.len()..].starts_with(' ');
        let since = starts.last().map_or("", |last| &line[*last..start]);
        let is_quoted = since.replace("\\'", "").matches('\'').count() % 2 == 1;
        if is_first && is_word && !is_quoted {
            starts.push(start);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use proptest::prelude::*;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_command_of_a_realm_names_it_and_no_other() {
        for (said, told) in [
            ("Next: admit client list", "Next: admit --realm idem client list"),
            ("admit serve, then: admit key list", "admit serve, then: admit --realm idem key list"),
            (
                "admit client secret list x, then admit client secret revoke x SECRET",
                "admit --realm idem client secret list x, then admit --realm idem client secret revoke x SECRET",
            ),
            ("admit key roll k --realm acme", "admit key roll k --realm acme"),
            ("Work in it: admit --realm acme api create URI", "Work in it: admit --realm acme api create URI"),
            ("(admit signing-key list), or not", "(admit --realm idem signing-key list), or not"),
            ("See `admit events`.\nadmit why", "See `admit --realm idem events`.\nadmit --realm idem why"),
            ("There is no key \"admit key list\".", "There is no key \"admit key list\"."),
            ("admit key show 'an admit key'", "admit --realm idem key show 'an admit key'"),
            ("admit key show 'bob'\\''s admit key'", "admit --realm idem key show 'bob'\\''s admit key'"),
            ("admit keys, admit-data, readmit key x", "admit keys, admit-data, readmit key x"),
            (
                "admit realm show idem; admit doctor; admit config check",
                "admit realm show idem; admit doctor; admit config check",
            ),
        ] {
            assert_eq!(in_realm(said, "idem"), told);
            assert_eq!(in_realm(said, DEFAULT), said);
        }
    }

    #[test]
    fn every_command_has_a_realm_or_has_none() {
        const OF_NONE: [&str; 13] = [
            "serve",
            "realm",
            "audit",
            "doctor",
            "gateway-config",
            "scan",
            "backup",
            "restore",
            "master-key",
            "config",
            "completions",
            "version",
            "generate",
        ];
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(OF_A_REALM.contains(&name) != OF_NONE.contains(&name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_of_a_text_is_touched(text in "(admit |key |'|`|\"|--realm x|\n|é| ){0,12}") {
            prop_assert_eq!(in_realm(&text, "idem").replace(" --realm idem", ""), text);
        }
    }
}
