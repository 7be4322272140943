//! Many strangers at once: nobody else notices.

mod ring;
mod storm;
