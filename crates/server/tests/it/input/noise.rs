//! Two thousand requests of nonsense over raw sockets: no 5xx, no panic, and the server goes on (HT-10, O17).

use super::wire::exchange;
use crate::app::TestApp;

const REQUESTS: u64 = 2000;

/// xorshift64*: the same nonsense in every run, so that a failure can be looked at.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }

    /// Bytes that now and then look like something.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let (length, kind) = (self.below(most), self.below(4));
        let letters = b"/%2e2fF5c?#;:@&=.\\\"'{}[]<>,~ \t$_-aZ09";
        (0..length)
            .map(|_| match kind {
                0 => u8::try_from(self.next() & 0xff).unwrap(),
                1 => 0x20 + u8::try_from(self.next() % 95).unwrap(),
                _ => letters[self.below(letters.len())],
            })
            .collect()
    }

    fn field(&mut self) -> Vec<u8> {
        let mut value = self.bytes(60);
        value.retain(|byte| !matches!(byte, b'\r' | b'\n'));
        value
    }

    fn request(&mut self) -> Vec<u8> {
        const METHODS: [&str; 9] = ["GET", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "G\u{e9}T"];
        const PATHS: [&str; 14] = [
            "/check/nginx",
            "/check/nginx",
            "/check/forward",
            "/check/traefik",
            "/realms/default/check/nginx",
            "/realms/%64efault/check/nginx",
            "/v1/realms",
            "/v1/realms/default/keys",
            "/v1/realms/default/rules",
            "/v1/check",
            "/v1/realms/default/apply",
            "/v1/leaked",
            "/v1/docs",
            "/",
        ];
        const NAMES: [&str; 18] = [
            "X-Original-URI",
            "X-Original-Method",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-For",
            "X-Forwarded-Uri",
            "X-Forwarded-Method",
            "Authorization",
            "X-API-Key",
            "Cookie",
            "Origin",
            "Access-Control-Request-Method",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "User-Agent",
            "Sec-Fetch-Mode",
            "Admit-Subject",
        ];
        const VALUES: [&str; 16] = [
            "GET",
            "POST",
            "shop.test",
            "https",
            "203.0.113.9",
            "/orders/1",
            "/orders/%2e%2e/x",
            "Bearer x",
            "Basic eDp5",
            "application/json",
            "*",
            "\"v1\"",
            "203.0.113.9, 10.0.0.1",
            "/%ff",
            "http",
            "null",
        ];
        let mut text = format!("{} {}", self.pick(&METHODS), self.pick(&PATHS)).into_bytes();
        if self.below(3) == 0 {
            text.extend(self.field());
        }
        text.extend(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for _ in 0..self.below(10) {
            text.extend(self.pick(&NAMES).as_bytes());
            text.extend(b": ");
            if self.below(3) == 0 {
                text.extend(self.field())
            } else {
                text.extend(self.pick(&VALUES).as_bytes())
            }
            text.extend(b"\r\n");
        }
        let body = self.bytes(200);
        if self.below(3) == 0 {
            text.extend(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        text.extend(b"\r\n");
        text.extend(body);
        text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ht_10_nonsense_is_refused_and_never_a_fault() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let mut noise = Noise(0x5eed_0001);
    let mut answered = 0;
    for number in 0..REQUESTS {
        let mut request = noise.request();
        if number % 4 == 0 {
            // With a real credential the nonsense gets further.
            let with = format!(
                "HTTP/1.1\r\nAuthorization: Bearer {}\r\n",
                if number % 8 == 0 { app.operator() } else { &key }
            );
            let text = String::from_utf8_lossy(&request).replacen("HTTP/1.1\r\n", &with, 1);
            request = text.into_bytes();
        }
        let answer = exchange(app.address, &request).await;
        // nginx is told 403, with the true status beside it.
        let true_status = answer.header("admit-status").first().map_or(answer.status, |status| status.parse().unwrap());
        assert!(true_status < 500, "request {number}: {}\n{}", String::from_utf8_lossy(&request), answer.text);
        answered += u64::from(answer.status > 0);
    }
    assert!(answered > REQUESTS / 2, "only {answered} were answered at all");
    assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200);
}
