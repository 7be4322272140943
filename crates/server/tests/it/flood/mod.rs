//! Many strangers at once: nobody else notices.

mod ring;
mod share;
mod storm;
