//! Elements of DER (X.690), one at a time: enough to find a date in a certificate and the two numbers of an RSA key.

/// A whole number.
pub const INTEGER: u8 = 0x02;
/// Elements one after the other.
pub const SEQUENCE: u8 = 0x30;

/// The content of the element at the beginning and what follows it; none where it has another tag. X.690 §8.1.
pub fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        // Three octets are 16 MiB, more than any certificate has.
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
