//! How the command line calls what a request to the management API calls otherwise.
//!
//! The server speaks of members; whoever typed flags never saw one. What has no flag keeps its name.

/// For each resource of the API, its members and the flags of the commands that send them.
const FLAGS: &[(&str, &[(&str, &str)])] = &[
    (
        "apis",
        &[
            ("name", "--name"),
            ("scopes", "--scope"),
            ("hosts", "--host"),
            ("token_format", "--token-format"),
            ("token_lifetime_s", "--token-lifetime"),
            ("token_alg", "--token-alg"),
            ("token_typ", "--token-typ"),
            ("external_id", "--external-id"),
            ("metadata", "--metadata"),
        ],
    ),
    (
        "clients",
        &[
            ("name", "--name"),
            ("id", "--id"),
            ("type", "--type"),
            ("rights", "--api"),
            ("roles", "--role"),
            ("redirect_uris", "--redirect-uri"),
            ("post_logout_redirect_uris", "--post-logout-redirect-uri"),
            ("origins", "--origin"),
            ("token_endpoint_auth_method", "--auth-method"),
            ("jwks", "--jwks-file"),
            ("jwks_uri", "--jwks-uri"),
            ("backchannel_logout_uri", "--backchannel-logout-uri"),
            ("id_token_signed_response_alg", "--id-token-alg"),
            ("require_pkce", "--require-pkce"),
            ("require_pushed_authorization_requests", "--require-par"),
            ("rotate_refresh_tokens", "--rotate-refresh-tokens"),
            ("default_max_age", "--default-max-age"),
            ("client_uri", "--client-uri"),
            ("policy_uri", "--policy-uri"),
            ("tos_uri", "--tos-uri"),
            ("first_party", "--first-party"),
            ("external_id", "--external-id"),
            ("metadata", "--metadata"),
        ],
    ),
    (
        "keys",
        &[
            ("name", "--name"),
            ("owner", "--owner"),
            ("api", "--api"),
            ("scopes", "--scope"),
            ("expires_in_s", "--expires"),
            ("never_expires", "--expires"),
            ("ip", "--ip"),
            ("limit", "--rate"),
            ("pattern", "--pattern"),
            ("external_id", "--external-id"),
            ("metadata", "--metadata"),
        ],
    ),
    (
        "realms",
        &[
            ("name", "--name"),
            ("prefix", "--prefix"),
            ("host", "--host"),
            ("settings", "--setting"),
            ("metadata", "--metadata"),
        ],
    ),
    ("roles", &[("name", "--name"), ("description", "--description"), ("rights", "--api")]),
    ("roll", &[("overlap_s", "--overlap")]),
    (
        "rules",
        &[
            ("name", "--name"),
            ("match.host", "--host"),
            ("match.methods", "--method"),
            ("match.path", "--path"),
            ("require.authenticated", "--authenticated"),
            ("require.api", "--api"),
            ("require.scopes", "--scope"),
            ("require.roles", "--role"),
            ("require.credentials", "--credential"),
            ("require.self", "--self"),
            ("public", "--public"),
            ("deny", "--deny"),
            ("audience", "--audience"),
            ("login", "--login"),
            ("limit.rate", "--limit"),
            ("limit.burst", "--burst"),
            ("limit.per", "--per"),
            ("limit", "--limit"),
            ("priority", "--priority"),
        ],
    ),
    ("secrets", &[("expires_in_s", "--expires")]),
    ("signing-keys", &[("algorithm", "--algorithm"), ("purpose", "--purpose")]),
    ("tokens", &[("client", "--client"), ("api", "--api"), ("scopes", "--scope")]),
    (
        "users",
        &[
            ("name", "--name"),
            ("email", "--email"),
            ("roles", "--role"),
            ("external_id", "--external-id"),
            ("metadata", "--metadata"),
        ],
    ),
];

/// What the command line calls a member of a request to this path: `redirect_uris[0]` is `--redirect-uri`, `rights.URI` is
/// `--api URI`. None where it has no flag for it.
pub fn of(url_path: &str, member: &str) -> Option<String> {
    let (_, members) = FLAGS.iter().find(|(resource, _)| *resource == resource_of(url_path))?;
    let member = member.split('[').next().unwrap_or_default();
    let flag = |name: &str| members.iter().find(|(known, _)| *known == name).map(|(_, flag)| *flag);
    if let Some(flag) = flag(member) {
        return Some(flag.to_owned());
    }
    let (name, part) = member.split_once('.')?;
    Some(format!("{} {part}", flag(name)?))
}

/// `secrets` of `/v1/realms/default/clients/shop/secrets`: the last word of a path that is no name of a thing.
fn resource_of(url_path: &str) -> &str {
    let mut words: Vec<_> = url_path.trim_start_matches('/').split('/').skip(1).collect();
    if words.len() > 2 {
        words.drain(..2);
    }
    match words[..] {
        [resource] | [resource, _] | [_, _, resource] | [_, _, resource, _] => resource,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_member_is_called_as_it_was_typed() {
        let realm = |rest: &str| format!("/v1/realms/idem/{rest}");
        for (path, member, told) in [
            (realm("keys"), "expires_in_s", Some("--expires")),
            (realm("keys/ci"), "limit", Some("--rate")),
            (realm("keys/ci/roll"), "overlap_s", Some("--overlap")),
            (realm("rules"), "limit", Some("--limit")),
            (realm("rules"), "match.path", Some("--path")),
            (realm("clients"), "redirect_uris[1]", Some("--redirect-uri")),
            (realm("clients/shop"), "rights.https://api.test", Some("--api https://api.test")),
            (realm("clients/shop/secrets"), "expires_in_s", Some("--expires")),
            (realm("users/alice"), "email", Some("--email")),
            (realm("users/alice/invite"), "email", None),
            ("/v1/realms/idem".to_owned(), "settings.hash_passes", Some("--setting hash_passes")),
            ("/v1/realms".to_owned(), "prefix", Some("--prefix")),
            (realm("apply"), "rule \"a\": match.path", None),
            (realm("rules/test"), "case[0].request", None),
            (realm("apis"), "uri", None),
        ] {
            assert_eq!(of(&path, member).as_deref(), told, "{path} {member}");
        }
    }

    #[test]
    fn every_flag_is_one_of_the_command_line() {
        fn walk(command: &clap::Command, known: &mut BTreeSet<String>) {
            known.extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned));
            command.get_subcommands().for_each(|command| walk(command, known));
        }
        let mut known = BTreeSet::new();
        walk(&Cli::command(), &mut known);
        for (_, flag) in FLAGS.iter().flat_map(|(_, members)| *members) {
            assert!(known.contains(flag.trim_start_matches("--")), "{flag}");
        }
    }
}
