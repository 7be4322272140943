//! Alice, who signs in to whatever asks her to, and lets it do what it asks for.

use super::Browser;

/// The most pages on the way to an application.
const PAGES_MAX: usize = 5;

/// What she presses, on the pages that want something of her.
const BUTTONS: [&str; 5] = ["login", "consent-allow", "device-code", "device-confirm", "logout-confirm"];

/// In front of her browser.
pub struct Alice {
    pub browser: Browser,
    password: String,
    /// What the device shows her that she connects.
    pub user_code: String,
    /// What she pressed, in order.
    pub pressed: Vec<&'static str>,
}

impl Alice {
    /// Not signed in yet.
    pub fn new(issuer: &str, password: &str) -> Self {
        let (browser, password) = (Browser::new(issuer), password.to_owned());
        Self { browser, password, user_code: String::new(), pressed: Vec::new() }
    }

    /// Goes to an address and says yes to all that is asked on the way. Where she ends: at an application, else on a page
    /// that asks nothing.
    #[track_caller]
    pub fn visit(&mut self, url: &str) -> String {
        // A device shows its code; here it is read in the address of its QR code.
        if let Some((_, code)) = url.split_once("user_code=") {
            code.clone_into(&mut self.user_code);
        }
        self.browser.go(url);
        self.say_yes()
    }

    /// Presses a button of the page that is open, and says yes to all that is asked then.
    #[track_caller]
    pub fn press(&mut self, button: &str) -> String {
        self.browser.press(button, &[]);
        self.say_yes()
    }

    /// Whether the session of her browser is still one.
    pub fn is_signed_in(&mut self) -> bool {
        let account = format!("{}/account", self.browser.site);
        self.browser.go(&account);
        self.browser.at == account
    }

    #[track_caller]
    fn say_yes(&mut self) -> String {
        for _ in 0..PAGES_MAX {
            let Some(button) = BUTTONS.into_iter().find(|button| self.browser.shows(button)) else {
                return self.browser.at.clone();
            };
            assert!(!self.browser.shows("error"), "{}: {}", self.browser.at, self.browser.page);
            let typed = match button {
                "login" => vec![("identifier", "alice"), ("password", self.password.as_str())],
                "device-code" | "device-confirm" => vec![("code", self.user_code.as_str())],
                _ => vec![],
            };
            self.browser.press(button, &typed);
            self.pressed.push(button);
        }
        panic!("no end of pages at {}", self.browser.at);
    }
}
