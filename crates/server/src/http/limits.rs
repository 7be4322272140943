//! What strangers may take: places, and time. One struct, so that tests can be in a hurry.

use std::time::Duration;

/// Bounds of one listener and its connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most connections at a time.
    pub connections: usize,
    /// The most of them that peers other than trusted proxies may have: the rest is kept for gateways.
    pub stranger_connections: usize,
    /// The most of them from one address (IPv6: one /64). Trusted proxies are not counted.
    pub address_connections: usize,
    /// The most requests under way behind the router. `/check` is answered at once and not counted.
    pub requests: usize,
    /// The most of them from one address that is no trusted proxy's.
    pub address_requests: usize,
    /// How often connections are looked at: how exact the times below are.
    pub look_every: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take from its first byte.
    pub head: Duration,
    /// How long a connection may be quiet in both directions while no request is under way.
    pub idle: Duration,
    /// How long a body may take in all.
    pub body: Duration,
    /// After how long a body must have come at [`Self::rate`].
    pub body_grace: Duration,
    /// After how long an answer must have been taken at [`Self::rate`].
    pub answer: Duration,
    /// The slowest that a client may send or read, in bytes per second.
    pub rate: u64,
    /// How long the router may take for a request, its body included.
    pub request: Duration,
    /// How long a stop waits for requests under way.
    pub stop: Duration,
    /// How often the files of the certificate are looked at.
    pub certificate: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            stranger_connections: 6144,
            address_connections: 2048,
            requests: 1024,
            address_requests: 256,
            look_every: Duration::from_secs(1),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(60),
            body_grace: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            rate: 1000,
            request: Duration::from_secs(60),
            stop: Duration::from_secs(10),
            certificate: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// For a listener that only a few programs of the operator use.
    pub fn small() -> Self {
        let connections = 256;
        Self { connections, stranger_connections: connections, address_connections: connections, ..Self::default() }
    }

    /// No more connections than the process may have open files, less those that it needs itself.
    pub fn within_open_files(self, open_files: u64) -> Self {
        const OWN: u64 = 256;
        let most = usize::try_from(open_files.saturating_sub(OWN)).unwrap_or(usize::MAX).max(16);
        if most >= self.connections {
            return self;
        }
        let part = |count: usize| (count * most / self.connections).max(1);
        Self {
            connections: most,
            stranger_connections: part(self.stranger_connections),
            address_connections: part(self.address_connections),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_few_files_may_be_open_the_shares_shrink_too() {
        let limits = Limits::default().within_open_files(1024);
        assert_eq!((limits.connections, limits.stranger_connections, limits.address_connections), (768, 576, 192));
        assert_eq!(Limits::default().within_open_files(1 << 20).connections, 8192);
        assert_eq!(Limits::default().within_open_files(100).connections, 16);
    }
}
