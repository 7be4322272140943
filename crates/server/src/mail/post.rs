//! The mails that wait: bounded in all and for each realm, taken by when they are due.

use std::time::Duration;

use admit_core::id::{RealmId, UserId};
use admit_core::time::{Span, Time};
use lettre::Address;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::catcher::{Catcher, Caught};
use super::throttle::Throttle;
use super::{About, Letter, Outcome};

/// The most that wait, and the most of one realm.
const WAITING_MAX: usize = 1000;
const REALM_MAX: usize = 250;
/// How soon a mail is tried again; each time three times as long, up to the most.
const FIRST_PAUSE: Span = Span::seconds(5);
const LAST_PAUSE: Span = Span::minutes(5);
/// How soon it is looked whether one is due, while some wait.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A mail on its way.
pub struct Waiting {
    pub(super) about: About,
    pub(super) to: Address,
    pub(super) letter: Letter,
    good_until: Time,
    due: Time,
    tries: u32,
}

impl Waiting {
    pub(super) fn new(
        realm: RealmId,
        to: Address,
        user: Option<UserId>,
        kind: &'static str,
        letter: Letter,
        good_until: Time,
        now: Time,
    ) -> Self {
        Self { about: About { realm, user, kind }, to, letter, good_until, due: now, tries: 0 }
    }

    /// When to try again after a failure; none where it would be of no use any more.
    pub(super) fn again(mut self, now: Time) -> Option<Self> {
        let pause = FIRST_PAUSE.as_ms().saturating_mul(3_i64.saturating_pow(self.tries)).min(LAST_PAUSE.as_ms());
        self.tries += 1;
        self.due = now + Span::ms(pause);
        (self.due < self.good_until).then_some(self)
    }

    /// Whether the link in it is still good.
    pub(super) fn is_worth_it(&self, now: Time) -> bool {
        now < self.good_until
    }
}

/// All mails of this node.
#[derive(Default)]
pub struct Post {
    waiting: Mutex<Vec<Waiting>>,
    arrived: Notify,
    catcher: Mutex<Catcher>,
    pub(super) throttle: Mutex<Throttle>,
}

impl Post {
    pub(super) fn put(&self, mail: Waiting) -> Outcome {
        let mut waiting = self.waiting.lock();
        let of_realm = waiting.iter().filter(|other| other.about.realm == mail.about.realm).count();
        if waiting.len() >= WAITING_MAX || of_realm >= REALM_MAX {
            return Outcome::Full;
        }
        waiting.push(mail);
        self.arrived.notify_one();
        Outcome::Queued
    }

    /// Puts one back that had a place already.
    pub(super) fn put_back(&self, mail: Waiting) {
        self.waiting.lock().push(mail);
    }

    /// The next that is due, once there is one.
    pub(super) async fn take(&self, now: impl Fn() -> Time) -> Waiting {
        loop {
            if let Some(mail) = self.take_due(now()) {
                return mail;
            }
            let is_empty = self.waiting.lock().is_empty();
            tokio::select! {
                () = self.arrived.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY), if !is_empty => {}
            }
        }
    }

    /// The one that was due first.
    pub(super) fn take_due(&self, now: Time) -> Option<Waiting> {
        let mut waiting = self.waiting.lock();
        let due = waiting.iter().enumerate().filter(|(_, mail)| mail.due <= now);
        let place = due.min_by_key(|(_, mail)| mail.due).map(|(place, _)| place)?;
        let mail = waiting.remove(place);
        if !waiting.is_empty() {
            self.arrived.notify_one();
        }
        Some(mail)
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting.lock().len()
    }

    pub(super) fn catch(&self, to: &Address, letter: Letter, now: Time) {
        self.catcher.lock().add(to, letter, now);
    }

    /// What `--dev` would have mailed, the newest first.
    pub fn caught(&self) -> Vec<Caught> {
        self.catcher.lock().all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;
    use admit_core::text::Language;

    fn mail(realm: u8, good_for: Span) -> Waiting {
        let letter = Letter::write(&Mail::PasswordChanged, Language::English, "x");
        let now = Time::from_unix_ms(0);
        let realm = RealmId::from_bytes([realm; 16]);
        Waiting::new(realm, "a@x.test".parse().unwrap(), None, "password-changed", letter, now + good_for, now)
    }

    #[test]
    fn one_realm_leaves_room_for_others_and_all_of_them_for_nobody() {
        let post = Post::default();
        for number in 0..REALM_MAX {
            assert_eq!(post.put(mail(1, Span::hours(1))), Outcome::Queued, "{number}");
        }
        assert_eq!(post.put(mail(1, Span::hours(1))), Outcome::Full);
        for realm in 2..=4 {
            for _ in 0..REALM_MAX {
                assert_eq!(post.put(mail(realm, Span::hours(1))), Outcome::Queued);
            }
        }
        assert_eq!(post.put(mail(5, Span::hours(1))), Outcome::Full);
        assert_eq!(post.count(), WAITING_MAX);
    }

    #[test]
    fn a_mail_is_tried_while_its_link_is_good() {
        let mut now = Time::from_unix_ms(0);
        let mut pauses = Vec::new();
        let mut next = Some(mail(1, Span::minutes(15)));
        while let Some(again) = next.take().and_then(|mail| mail.again(now)) {
            assert!(again.is_worth_it(now));
            pauses.push(again.due.since(now).as_ms() / 1000);
            now = again.due;
            next = Some(again);
        }
        assert_eq!(pauses, [5, 15, 45, 135, 300, 300], "and at 800 s there is no next time before 900 s");
    }

    #[tokio::test]
    async fn a_mail_waits_until_it_is_due() {
        let post = Post::default();
        let start = Time::from_unix_ms(0);
        post.put_back(mail(1, Span::hours(1)).again(start).unwrap());
        assert!(post.take_due(start + FIRST_PAUSE - Span::ms(1)).is_none());
        assert_eq!(post.take(|| start + FIRST_PAUSE).await.tries, 1);
    }
}
