//! Notes down, out of reach of who writes rows, how far the audit is sealed: with each seal in the data folder, and once a
//! minute in the log.
//!
//! A chain of seals does not show that its end was cut off; a note of its last seal does. The note never goes back: where
//! the store has no such seal any more, that is said again and again until an operator has looked.

use std::path::{Path, PathBuf};

use admit_core::audit::seal::Seal;
use data_encoding::HEXLOWER;

use crate::app::App;
use crate::serve::write_private;

/// A seal as it was noted down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub mac: Vec<u8>,
}

impl Checkpoint {
    /// What was noted in a data folder; none where nothing was, or nothing that can be read.
    pub fn load(data: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(file(data)).ok()?)
    }

    fn of(seal: &Seal) -> Self {
        Self { number: seal.number, mac: seal.mac.clone() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, mac) = text.trim_end().split_once(' ')?;
        Some(Self { number: number.parse().ok()?, mac: HEXLOWER.decode(mac.as_bytes()).ok()? })
    }

    fn text(&self) -> String {
        format!("{} {}\n", self.number, HEXLOWER.encode(&self.mac))
    }
}

/// Notes the last seal if there is a new one.
pub async fn note(app: &App) {
    let data = app.config.load().data.clone();
    let noted = Checkpoint::load(&data);
    let number = noted.as_ref().map_or(0, |noted| noted.number);
    let (last, there) = match app.store.read(move |tx| Ok((tx.last_seal()?, tx.find_seal(number)?))).await {
        Ok(found) => found,
        Err(error) => return tracing::debug!(error = %error, "how far the audit is sealed cannot be read"),
    };
    let last = last.as_ref().map(Checkpoint::of);
    if last == noted {
        return;
    }
    // A seal that was swept is gone rightly; then there are younger ones.
    let is_younger = last.as_ref().is_some_and(|last| last.number > number);
    let is_same = there.is_none_or(|there| noted.is_none_or(|noted| Checkpoint::of(&there) == noted));
    let Some(last) = last.filter(|_| is_younger && is_same) else {
        tracing::error!(
            target: "audit",
            { seal.number = number },
            "the audit is not as it was noted down: see `admit audit verify`"
        );
        return;
    };
    if let Err(failure) = write_private(&file(&data), &last.text()) {
        tracing::warn!(error = %failure, "how far the audit is sealed cannot be noted down");
    }
}

/// Tells the log what was noted last, where it is not the seal that it was told of before. Returns the number.
pub fn tell(app: &App, told: i64) -> i64 {
    let noted = Checkpoint::load(&app.config.load().data);
    let Some(last) = noted.filter(|noted| noted.number != told) else { return told };
    tracing::info!(target: "audit", { seal.number = last.number, seal.mac = HEXLOWER.encode(&last.mac) }, "the audit is sealed");
    last.number
}

/// Forgets what was noted: for a store that an operator put back on purpose.
pub fn forget(data: &Path) {
    let _ = std::fs::remove_file(file(data));
}

fn file(data: &Path) -> PathBuf {
    data.join("audit-checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_anything_else_not_at_all() {
        let checkpoint = Checkpoint { number: 7, mac: vec![1, 0xff] };
        assert_eq!(checkpoint.text(), "7 01ff\n");
        assert_eq!(Checkpoint::parse(&checkpoint.text()), Some(checkpoint));
        for bad in ["", "7", "x 01", "7 0", "7 zz"] {
            assert_eq!(Checkpoint::parse(bad), None, "{bad}");
        }
    }
}
