//! Seals: what makes a change of the audit show.
//!
//! A seal holds for each of its events `number ‖ tag`, the tag being a keyed digest of the event's columns, and a keyed
//! digest over these, the seal's number and the seal before it. Whoever can write rows but does not have the master key
//! can change, delete, add or move none unseen. What he does before an event is sealed does not show.
//!
//! The tag covers a keyed digest of `detail`, not the detail: where a person is forgotten, the digest takes its place
//! ([`Keys::erase`]) and the event still verifies. Knows nothing of rows and SQL. See [`super::verify`] for the other half.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::HEXLOWER;

use crate::id::{EventId, RealmId};
use crate::secret::MasterKey;
use crate::time::Time;

/// The most events of one seal.
pub const EVENTS_MAX: u32 = 1000;

const TAG_BYTES: usize = 16;
const ROW_BYTES: usize = 8 + TAG_BYTES;
/// What begins and ends a detail of which only the digest is left.
const ERASED: (&str, &str) = (r#"{"erased":""#, r#""}"#);

/// A keyed digest over a seal; that before the first one is all zero.
pub type Mac = [u8; 32];

/// An event as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order of insertion.
    pub number: i64,
    /// The seal that it says to be in.
    pub seal: Option<i64>,
    /// Everything else; none where a column is not of its form, which only a stranger's hand can bring about.
    pub columns: Option<Columns>,
}

/// What an event says, letter for letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Its id.
    pub id: EventId,
    /// Where it happened.
    pub realm: Option<RealmId>,
    /// When.
    pub at: Time,
    /// What.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// What it was done to.
    pub target: String,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The request that did it.
    pub request_id: Option<String>,
    /// The text of the detail as it is stored.
    pub detail: Option<String>,
}

/// A seal as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// From 1 on, without gaps.
    pub number: i64,
    /// The first event's number.
    pub first_event: i64,
    /// The last event's number.
    pub last_event: i64,
    /// How many events.
    pub event_count: i64,
    /// Which master key it was made with.
    pub key_number: i64,
    /// `number ‖ tag` of each event.
    pub tags: Vec<u8>,
    /// The seal before.
    pub previous_mac: Vec<u8>,
    /// The keyed digest over all of this.
    pub mac: Vec<u8>,
    /// When.
    pub sealed_at: Time,
}

/// A keyed digest over an event.
pub type Tag = [u8; TAG_BYTES];

/// The last of the seals that were deleted because they were old: where the chain begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub mac: Mac,
    /// When it was made.
    pub sealed_at: Time,
}

/// The keys that one master key gives for the audit.
#[derive(Clone)]
pub struct Keys {
    number: i64,
    event: hmac::Key,
    detail: hmac::Key,
    seal: hmac::Key,
    anchor: hmac::Key,
}

impl Keys {
    /// Those of the master key of this number.
    pub fn new(master: &MasterKey, number: i64) -> Self {
        let key = |purpose: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, master.derive(purpose).as_slice());
        Self {
            number,
            event: key(b"audit event"),
            detail: key(b"audit detail"),
            seal: key(b"audit seal"),
            anchor: key(b"audit anchor"),
        }
    }

    /// Which master key they come from.
    pub const fn number(&self) -> i64 {
        self.number
    }

    /// Seals events behind the seal before them; none where there are no events, or more than [`EVENTS_MAX`].
    pub fn seal(&self, before: Option<&Seal>, events: &[Entry], sealed_at: Time) -> Option<Seal> {
        let (first, last) = (events.first()?.number, events.last()?.number);
        if events.len() > EVENTS_MAX as usize {
            return None;
        }
        let mut tags = Vec::with_capacity(events.len() * ROW_BYTES);
        for event in events {
            tags.extend_from_slice(&event.number.to_be_bytes());
            tags.extend_from_slice(&self.tag(event));
        }
        let mut seal = Seal {
            number: before.map_or(1, |seal| seal.number.saturating_add(1)),
            first_event: first,
            last_event: last,
            event_count: i64::try_from(events.len()).ok()?,
            key_number: self.number,
            tags,
            previous_mac: before.map_or_else(|| vec![0; 32], |seal| seal.mac.clone()),
            mac: Vec::new(),
            sealed_at,
        };
        seal.mac = self.mac(&seal).to_vec();
        Some(seal)
    }

    /// The keyed digest over an event, whatever its number. One that cannot be read has none that anything else has.
    pub fn tag(&self, event: &Entry) -> Tag {
        let Some(columns) = &event.columns else { return [0; TAG_BYTES] };
        let mut context = hmac::Context::with_key(&self.event);
        let at = columns.at.unix_ms().to_be_bytes();
        let detail = columns.detail.as_deref().map(|detail| self.detail_digest(columns.id, detail));
        let fields: [Option<&[u8]>; 9] = [
            Some(columns.id.bytes()),
            columns.realm.as_ref().map(|realm| realm.bytes().as_slice()),
            Some(&at),
            Some(columns.kind.as_bytes()),
            Some(columns.actor.as_bytes()),
            Some(columns.target.as_bytes()),
            columns.reason.as_deref().map(str::as_bytes),
            columns.request_id.as_deref().map(str::as_bytes),
            detail.as_ref().map(|digest| digest.as_slice()),
        ];
        fields.into_iter().for_each(|field| feed(&mut context, field));
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_BYTES]);
        tag
    }

    /// What may stand in the place of an event's detail once that has to go: the event still verifies.
    pub fn erase(&self, id: EventId, detail: &str) -> String {
        format!("{}{}{}", ERASED.0, HEXLOWER.encode(&self.detail_digest(id, detail)), ERASED.1)
    }

    /// Whether a detail is what [`Self::erase`] leaves.
    pub fn is_erased(detail: &str) -> bool {
        erased(detail).is_some()
    }

    /// Bound to the event, so that equal details are not seen to be equal. That of an erased detail is what stands there.
    fn detail_digest(&self, id: EventId, detail: &str) -> Mac {
        if let Some(digest) = erased(detail) {
            return digest;
        }
        let mut context = hmac::Context::with_key(&self.detail);
        context.update(id.bytes());
        context.update(detail.as_bytes());
        mac_of(context)
    }

    /// The keyed digest that a seal should have.
    pub fn mac(&self, seal: &Seal) -> Mac {
        let mut context = hmac::Context::with_key(&self.seal);
        for number in [
            seal.number,
            seal.first_event,
            seal.last_event,
            seal.event_count,
            seal.key_number,
            seal.sealed_at.unix_ms(),
        ] {
            context.update(&number.to_be_bytes());
        }
        feed(&mut context, Some(&seal.previous_mac));
        feed(&mut context, Some(&seal.tags));
        mac_of(context)
    }

    /// The anchor that takes the place of a seal and of all before it.
    pub fn anchor(&self, seal: &Seal) -> Vec<u8> {
        let body = [
            &self.number.to_be_bytes()[..],
            &seal.number.to_be_bytes(),
            &seal.sealed_at.unix_ms().to_be_bytes(),
            &seal.mac,
        ]
        .concat();
        let mac = hmac::sign(&self.anchor, &body);
        [&body, mac.as_ref()].concat()
    }
}

/// Reads an anchor; none where none of these keys made it.
pub fn read_anchor(keys: &[Keys], anchor: &[u8]) -> Option<Anchor> {
    let (body, shown) = anchor.split_at_checked(8 + 8 + 8 + 32)?;
    let number_at = |at: usize| body[at..at + 8].try_into().map(i64::from_be_bytes).ok();
    let keys = find(keys, number_at(0)?)?;
    hmac::verify(&keys.anchor, body, shown).ok()?;
    let sealed_at = Time::from_unix_ms(number_at(16)?);
    Some(Anchor { number: number_at(8)?, mac: body[24..].try_into().ok()?, sealed_at })
}

/// What an anchor says of itself, verified or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorPlace {
    /// Which master key it was made with.
    pub key: i64,
    /// The number of the seal that it stands for.
    pub seal: i64,
}

/// Where an anchor says to be; none where it is too short to say so.
pub fn anchor_place(anchor: &[u8]) -> Option<AnchorPlace> {
    let (numbers, _) = anchor.as_chunks::<8>();
    let [key, seal, ..] = numbers else { return None };
    Some(AnchorPlace { key: i64::from_be_bytes(*key), seal: i64::from_be_bytes(*seal) })
}

/// The keys of a number.
pub fn find(keys: &[Keys], number: i64) -> Option<&Keys> {
    keys.iter().find(|keys| keys.number == number)
}

impl Seal {
    /// Number and tag of each event; none where the column is no list of them.
    pub fn rows(&self) -> Option<impl ExactSizeIterator<Item = (i64, Tag)>> {
        let (rows, rest) = self.tags.as_chunks::<ROW_BYTES>();
        let read = |row: &[u8; ROW_BYTES]| {
            let (mut number, mut tag) = ([0; 8], [0; TAG_BYTES]);
            number.copy_from_slice(&row[..8]);
            tag.copy_from_slice(&row[8..]);
            (i64::from_be_bytes(number), tag)
        };
        rest.is_empty().then(|| rows.iter().map(read))
    }
}

/// Whether two digests are the same, in constant time.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// The digest that was left of a detail.
fn erased(detail: &str) -> Option<Mac> {
    let digits = detail.strip_prefix(ERASED.0)?.strip_suffix(ERASED.1)?;
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// Adds a field so that neither its end nor its absence can be taken for anything else.
fn feed(context: &mut hmac::Context, field: Option<&[u8]>) {
    let Some(octets) = field else { return context.update(&[0]) };
    context.update(&[1]);
    context.update(&(octets.len() as u64).to_be_bytes());
    context.update(octets);
}

fn mac_of(context: hmac::Context) -> Mac {
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn keys() -> Keys {
        Keys::new(&MasterKey::new([7; 32]), 1)
    }

    pub fn entry(number: i64) -> Entry {
        let columns = Columns {
            id: EventId::from_bytes([number.to_be_bytes()[7]; 16]),
            realm: Some(RealmId::from_bytes([9; 16])),
            at: Time::from_unix_ms(1_000 + number),
            kind: "key.created".to_owned(),
            actor: "operator".to_owned(),
            target: format!("key_{number}"),
            reason: None,
            request_id: Some(format!("req_{number}")),
            detail: Some(r#"{"name":"ci"}"#.to_owned()),
        };
        Entry { number, seal: None, columns: Some(columns) }
    }

    fn any_columns() -> impl Strategy<Value = Columns> {
        let text = || "\\PC{0,12}";
        let optional = || prop::option::of("\\PC{0,12}");
        let parts = (any::<[u8; 16]>(), any::<Option<[u8; 16]>>(), any::<i64>(), text(), text(), text());
        (parts, optional(), optional(), optional()).prop_map(
            |((id, realm, at, kind, actor, target), reason, request_id, detail)| Columns {
                id: EventId::from_bytes(id),
                realm: realm.map(RealmId::from_bytes),
                at: Time::from_unix_ms(at),
                kind,
                actor,
                target,
                reason,
                request_id,
                detail,
            },
        )
    }

    proptest! {
        #[test]
        fn two_events_that_differ_have_two_tags(one in any_columns(), other in any_columns(), swap in 0_usize..3) {
            let tag = |columns: &Columns| keys().tag(&Entry { number: 1, seal: None, columns: Some(columns.clone()) });
            prop_assert_eq!(tag(&one) == tag(&other), one == other);
            // A letter that wanders from one field into the next is a change too.
            let mut moved = one.clone();
            match swap {
                0 => std::mem::swap(&mut moved.kind, &mut moved.actor),
                1 => std::mem::swap(&mut moved.reason, &mut moved.request_id),
                _ => if let Some(letter) = moved.actor.pop() { moved.target.insert(0, letter) },
            }
            prop_assert_eq!(tag(&one) == tag(&moved), one == moved);
        }

        #[test]
        fn an_erased_detail_still_verifies_and_another_s_does_not(columns in any_columns(), detail in "\\PC{1,20}", digest: [u8; 32]) {
            let tag = |columns: &Columns, detail: &str| {
                let columns = Columns { detail: Some(detail.to_owned()), ..columns.clone() };
                keys().tag(&Entry { number: 1, seal: None, columns: Some(columns) })
            };
            let left = keys().erase(columns.id, &detail);
            prop_assert_eq!(tag(&columns, &left), tag(&columns, &detail));
            prop_assert_eq!(keys().erase(columns.id, &left), left);
            let guessed = format!("{}{}{}", ERASED.0, HEXLOWER.encode(&digest), ERASED.1);
            prop_assert_ne!(tag(&columns, &guessed), tag(&columns, &detail));
        }

        #[test]
        fn any_octets_are_an_anchor_or_none(octets in prop::collection::vec(any::<u8>(), 0..120)) {
            prop_assert_eq!(read_anchor(&[keys()], &octets), None);
        }
    }

    #[test]
    fn the_digest_of_a_detail_is_not_that_of_the_same_detail_elsewhere() {
        let erased = |id: u8| keys().erase(EventId::from_bytes([id; 16]), "alice@example.com");
        assert_ne!(erased(1), erased(2));
        assert!(!erased(1).contains("alice"));
    }

    #[test]
    fn a_seal_has_1_to_1000_events() {
        let events: Vec<_> = (1..=1001).map(entry).collect();
        assert_eq!(keys().seal(None, &[], Time::default()), None);
        assert_eq!(keys().seal(None, &events, Time::default()), None);
        let seal = keys().seal(None, &events[..1000], Time::default()).unwrap();
        assert_eq!((seal.first_event, seal.last_event, seal.event_count), (1, 1000, 1000));
        assert_eq!(seal.rows().unwrap().len(), 1000);
    }

    #[test]
    fn an_anchor_says_where_the_chain_begins_and_cannot_be_made_up() {
        let seal = keys().seal(None, &[entry(1)], Time::from_unix_ms(5)).unwrap();
        let anchor = keys().anchor(&seal);
        let read = read_anchor(&[keys()], &anchor).unwrap();
        assert_eq!((read.number, read.mac.to_vec(), read.sealed_at), (1, seal.mac.clone(), seal.sealed_at));
        assert_eq!(anchor_place(&anchor), Some(AnchorPlace { key: 1, seal: 1 }));
        for at in 0..anchor.len() {
            let mut flipped = anchor.clone();
            flipped[at] ^= 1;
            assert_eq!(read_anchor(&[keys()], &flipped), None, "octet {at}");
        }
        let other = Keys::new(&MasterKey::new([8; 32]), 1);
        assert_eq!(read_anchor(&[other], &anchor), None);
    }
}
