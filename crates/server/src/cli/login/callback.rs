//! The redirect to this machine (RFC 8252 §7.3): listens where it leads, hears one answer, and says so to the browser.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::failure::Failure;

/// The longest request that is read, in bytes.
const REQUEST_MAX: usize = 16 << 10;
/// How long one connection may take to send it.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// What the browser shows at the end.
const HEARD: &str = "The answer arrived. Close this tab and go back to the terminal.\n";
const NOTHING: &str = "Nothing is here.\n";

/// Where answers are heard.
pub struct Listener {
    listener: TcpListener,
    redirect_uri: String,
    path: String,
}

impl Listener {
    /// Listens where a redirect leads; where it may have any port, at a free one.
    pub async fn bind(registered: &str, has_any_port: bool) -> Result<Self, Failure> {
        let no = |why: &dyn std::fmt::Display| Failure::failed(format!("cannot listen at {registered}: {why}"));
        let mut url = Url::parse(registered).map_err(|error| no(&error))?;
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let host = if host == "localhost" { "127.0.0.1".to_owned() } else { host };
        let port = if has_any_port { 0 } else { url.port_or_known_default().unwrap_or(80) };
        let address: SocketAddr = match host.contains(':') {
            true => format!("[{host}]:{port}").parse().map_err(|error| no(&error))?,
            false => format!("{host}:{port}").parse().map_err(|error| no(&error))?,
        };
        let listener = TcpListener::bind(address).await.map_err(|error| no(&error))?;
        if has_any_port {
            let port = listener.local_addr().map_err(|error| no(&error))?.port();
            url.set_port(Some(port)).map_err(|()| no(&"it has no port"))?;
        }
        // What is registered is compared letter by letter: it is sent as it stands.
        let redirect_uri = if has_any_port { url.to_string() } else { registered.to_owned() };
        Ok(Self { listener, redirect_uri, path: url.path().to_owned() })
    }

    /// What the request names.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The query of the first request for it; none where there is none in time. Browsers ask for more than that; it is not heard.
    pub async fn wait(self, patience: Duration) -> Option<String> {
        let heard = async {
            loop {
                let Ok((stream, _)) = self.listener.accept().await else { continue };
                let heard = tokio::time::timeout(REQUEST_PATIENCE, self.hear(stream)).await;
                if let Ok(Some(query)) = heard {
                    return query;
                }
            }
        };
        tokio::time::timeout(patience, heard).await.ok()
    }

    async fn hear(&self, mut stream: TcpStream) -> Option<String> {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut part = [0; 1024];
            let count = stream.read(&mut part).await.ok()?;
            if count == 0 || request.len() > REQUEST_MAX {
                return None;
            }
            request.extend_from_slice(&part[..count]);
        }
        let query = self.query(&String::from_utf8_lossy(&request));
        let (status, text) = if query.is_some() { ("200 OK", HEARD) } else { ("404 Not Found", NOTHING) };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
        let _ = stream.shutdown().await;
        query
    }

    fn query(&self, request: &str) -> Option<String> {
        let target = request.strip_prefix("GET ")?.split(' ').next()?;
        let (path, query) = target.split_once('?')?;
        (path == self.path).then(|| query.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(address: SocketAddr, target: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn rfc_8252_7_3_one_answer_is_heard_at_a_free_port_and_nothing_else() {
        let listener = Listener::bind("http://127.0.0.1/callback", true).await.unwrap();
        let address = listener.listener.local_addr().unwrap();
        assert_eq!(listener.redirect_uri(), format!("http://{address}/callback"));
        let browser = async {
            assert!(ask(address, "/favicon.ico").await.starts_with("HTTP/1.1 404"));
            assert!(ask(address, "/callback").await.starts_with("HTTP/1.1 404"), "without an answer");
            let told = ask(address, "/callback?code=a&state=b").await;
            assert!(told.starts_with("HTTP/1.1 200") && told.ends_with(HEARD) && !told.contains("code=a"), "{told}");
        };
        let (query, ()) = tokio::join!(listener.wait(Duration::from_secs(10)), browser);
        assert_eq!(query.unwrap(), "code=a&state=b");
    }

    #[tokio::test]
    async fn a_registered_port_is_the_one_and_where_it_is_taken_it_is_said() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/cb", taken.local_addr().unwrap());
        let refused = Listener::bind(&uri, false).await.err().unwrap();
        assert!(refused.message.contains(&uri), "{}", refused.message);
        drop(taken);
        assert_eq!(Listener::bind(&uri, false).await.ok().unwrap().redirect_uri(), uri);
        let late = Listener::bind("http://127.0.0.1/", true).await.unwrap().wait(Duration::from_millis(10)).await;
        assert_eq!(late, None, "nobody came");
    }
}
