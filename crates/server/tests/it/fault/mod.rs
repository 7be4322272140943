//! What becomes of the server when machine, disk or process fail under it.

mod backup;
mod disk;
mod kill;
mod master;
pub mod program;
