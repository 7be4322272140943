//! Many strangers at once: nobody else notices.

mod storm;
