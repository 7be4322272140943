//! The line to a database elsewhere is encrypted, to a server that proves its name.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use admit_store::{End, Error, Store};

use crate::cluster::Cluster;
use crate::fixture::{NOW, options_of};

fn openssl(folder: &Path, line: &str) {
    let mut command = Command::new("openssl");
    command.args(line.split(' ')).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "openssl {line}");
}

/// An authority and a certificate by it for `localhost`, the key readable by its owner and the group of the server only.
fn certify(folder: &Path) {
    let request = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {request} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"));
    openssl(folder, &format!("req {request} -keyout server.key -out server.csr -subj /CN=localhost"));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE").unwrap();
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    let own = |arguments: &[&str]| {
        assert!(Command::new(arguments[0]).args(&arguments[1..]).current_dir(folder).status().unwrap().success())
    };
    own(&["chmod", "755", "."]);
    own(&["chmod", "600", "server.key"]);
    let id = Command::new("id").arg("--user").output().unwrap();
    if id.stdout.trim_ascii() == b"0" {
        own(&["chown", "postgres", "server.key"]);
    }
}

#[test]
fn a_server_elsewhere_is_reached_by_tls_and_only_if_it_proves_its_name() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let cluster = Cluster::start(&[
        "listen_addresses='127.0.0.1'",
        &format!("port={port}"),
        "ssl=on",
        &format!("ssl_cert_file='{}'", file("server.pem")),
        &format!("ssl_key_file='{}'", file("server.key")),
    ]);
    let open = |host: &str, query: &str| {
        let url = format!("postgres://admit@{host}:{port}/postgres?{query}");
        Store::open(&options_of(&url), |_| {}, NOW)
    };
    let store = open("localhost", &format!("sslmode=verify-full&sslrootcert={}", file("ca.pem"))).unwrap();
    assert_eq!(store.write_blocking(|tx| tx.insert_meta("a", b"b").map(End::Commit)), Ok(true));
    let lines = "SELECT COUNT(pid) || ' ' || COUNT(CASE WHEN s.ssl THEN 1 END) FROM pg_stat_ssl AS s
        JOIN pg_stat_activity AS a USING (pid) WHERE a.application_name = 'admit'";
    let told = cluster.sql_at(port, "postgres", lines);
    let (all, encrypted) = told.split_once(' ').unwrap();
    assert!(all == encrypted && all != "0", "{told}");

    let refused = |host: &str, query: &str, why: &str| match open(host, query) {
        Err(error @ (Error::Unavailable(_) | Error::Unfit { .. })) => {
            assert!(error.to_string().contains(why), "{error}");
        }
        other => panic!("{:?}", other.err()),
    };
    refused("127.0.0.1", &format!("sslmode=require&sslrootcert={}", file("ca.pem")), "certificate");
    refused("localhost", "sslmode=require", "certificate");
    refused("localhost", &format!("sslmode=require&sslrootcert={}", file("nothing.pem")), "nothing.pem");
    assert!(open("localhost", "sslmode=disable").is_ok(), "the server would have taken a plain line");
}
