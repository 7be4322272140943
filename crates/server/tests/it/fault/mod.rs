//! What becomes of the server when machine, disk, clock, database or process fail under it.

mod backup;
pub mod clock;
mod disk;
mod full;
mod history;
mod kill;
mod master;
mod outage;
pub mod program;
mod refresh;
mod tamper;
