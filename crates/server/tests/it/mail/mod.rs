//! Mails through a real SMTP server: Python's `aiosmtpd`, which keeps what it is given in a folder.

mod server;
mod smtp;
