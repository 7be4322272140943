//! A unit of work on its way through an engine: what to run, and who waits for the answer.

use super::End;
use super::tx::Tx;
use crate::error::{Error, Result};

/// A unit of work with the way back to who asked for it.
pub(super) trait Unit: Send {
    /// Runs it, again where the engine has to begin anew. True: what it did shall stay.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Replaces what it would answer.
    fn fail(&mut self, error: Error);
    /// Answers.
    fn answer(self: Box<Self>);
}

/// The unit of one closure.
pub(super) struct Work<T, W, R> {
    pub(super) work: W,
    pub(super) reply: R,
    pub(super) outcome: Option<Result<T>>,
}

impl<T, W, R> Unit for Work<T, W, R>
where
    T: Send,
    W: Fn(&mut Tx<'_>) -> Result<End<T>> + Send,
    R: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let end = (self.work)(tx).and_then(|end| tx.check().map(|()| end));
        let (stays, outcome) = match end {
            Ok(End::Commit(value)) => (true, Ok(value)),
            Ok(End::Rollback(value)) => (false, Ok(value)),
            Err(error) => (false, Err(error)),
        };
        self.outcome = Some(outcome);
        stays
    }

    fn fail(&mut self, error: Error) {
        self.outcome = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let missing = || Err(Error::unavailable("the unit of work was not run"));
        (self.reply)(self.outcome.unwrap_or_else(missing));
    }
}
